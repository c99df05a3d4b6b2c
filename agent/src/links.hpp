// SPDX-License-Identifier: GPL-2.0-or-later
// The network of this domain as a port: network.hpp decides, linux_links.cpp does, and tests
// simulate it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend.hpp"

namespace pciassign::agent {

class Links {
 public:
  virtual ~Links() = default;
  /// Whether the kernel has netback.
  [[nodiscard]] virtual bool backend_driver() const = 0;
  /// Whether netback answers for the device.
  [[nodiscard]] virtual bool bound(BackendId id) const = 0;
  /// Interfaces of PCI devices.
  [[nodiscard]] virtual std::vector<std::string> nics() const = 0;
  /// The interface's number; 0 when there is none. Another one of the same name has another number.
  [[nodiscard]] virtual unsigned index(const std::string& name) const = 0;
  [[nodiscard]] virtual bool is_bridge(const std::string& name) const = 0;
  /// Whether somebody else has brought it up, or put it into another bridge or bond.
  [[nodiscard]] virtual bool taken(const std::string& name, const std::string& bridge) const = 0;
  [[nodiscard]] virtual unsigned mtu(const std::string& name) const = 0;
  /// Packets that came in at an interface.
  [[nodiscard]] virtual std::optional<std::uint64_t> received(const std::string& name) const = 0;

  /// Without spanning tree, without a delay; success when it exists.
  virtual Result<void> make_bridge(const std::string& name) = 0;
  virtual Result<void> join(const std::string& bridge, const std::string& name) = 0;
  virtual Result<void> set_mtu(const std::string& name, unsigned mtu) = 0;
  virtual Result<void> set_up(const std::string& name) = 0;
  /// No address of its own that others could speak to. Best effort.
  virtual void no_ipv6(const std::string& name) = 0;
  /// "10.0.2.15/24"; success when it has it.
  virtual Result<void> add_address(const std::string& name, const std::string& address) = 0;
  virtual Result<void> default_route(const std::string& gateway) = 0;
  virtual Result<void> forward() = 0;
  virtual Result<void> proxy_arp(const std::string& name) = 0;
  /// A route to one address, IPv4 or IPv6.
  virtual Result<void> add_route(const std::string& address, const std::string& name) = 0;
  virtual Result<void> remove_route(const std::string& address, const std::string& name) = 0;
};

}  // namespace pciassign::agent
