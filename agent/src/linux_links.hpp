// SPDX-License-Identifier: GPL-2.0-or-later
// The network of this domain: netlink, /proc/sys/net, /sys/class/net.
#pragma once
#include "links.hpp"
#include "netlink.hpp"

namespace pciassign::agent {

class LinuxLinks final : public Links {
 public:
  [[nodiscard]] bool backend_driver() const override;
  [[nodiscard]] bool bound(BackendId id) const override;
  [[nodiscard]] std::vector<std::string> nics() const override;
  [[nodiscard]] unsigned index(const std::string& name) const override;
  [[nodiscard]] bool is_bridge(const std::string& name) const override;
  [[nodiscard]] bool taken(const std::string& name, const std::string& bridge) const override;
  [[nodiscard]] unsigned mtu(const std::string& name) const override;
  [[nodiscard]] std::optional<std::uint64_t> received(const std::string& name) const override;
  Result<void> make_bridge(const std::string& name) override;
  Result<void> join(const std::string& bridge, const std::string& name) override;
  Result<void> set_mtu(const std::string& name, unsigned mtu) override;
  Result<void> set_up(const std::string& name) override;
  void no_ipv6(const std::string& name) override;
  Result<void> add_address(const std::string& name, const std::string& address) override;
  Result<void> default_route(const std::string& gateway) override;
  Result<void> forward() override;
  Result<void> proxy_arp(const std::string& name) override;
  Result<void> add_route(const std::string& address, const std::string& name) override;
  Result<void> remove_route(const std::string& address, const std::string& name) override;

 private:
  Result<void> route(std::uint16_t type, std::uint16_t flags, const std::string& address,
                     const std::string& name);

  Netlink netlink_;
};

}  // namespace pciassign::agent
