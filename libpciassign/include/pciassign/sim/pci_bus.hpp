// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// dom0's PCI bus in memory.
#pragma once
#include <functional>
#include <map>
#include <set>

#include "pciassign/pci_bus.hpp"
#include "pciassign/sim/faults.hpp"

namespace pciassign::sim {

struct BusDevice {
  Device facts;
  std::uint16_t command = 0;
  bool reset_fails = false;
  bool dead_after_reset = false;  ///< Reads all ones afterwards.
  bool bus_master_sticks = false;
  bool permissive = false;
  std::uint64_t denied_writes = 0;
  int resets = 0;
  int disturbed = 0;  ///< Resets while a driver of dom0's had it: never right, and refused.

  [[nodiscard]] bool driven_by_dom0() const { return !facts.driver.empty() && !facts.on_pciback(); }
};

class PciBus final : public pciassign::PciBus {
 public:
  explicit PciBus(Faults& faults) : faults_(faults) {}

  std::map<Sbdf, BusDevice> all;
  bool module_loaded = true;
  /// For has_backend(); empty: none is left when its nodes are gone.
  std::function<bool(std::uint32_t)> backend_lingers;
  /// pciback released the device (driver unbound): the simulated back end stops serving it.
  std::function<void(const Sbdf&)> on_unbind;
  /// After a reset; the simulated Xen clears MSI-X MASKALL.
  std::function<void(const Sbdf&)> on_reset;

  Result<std::vector<Device>> devices() override;
  Result<Device> device(const Sbdf& sbdf) override;
  Result<Device> identify(const Sbdf& sbdf) override;
  Result<std::uint32_t> read_config(const Sbdf& sbdf, unsigned offset, unsigned size) override;
  Result<std::string> reset(const Sbdf& sbdf) override;
  Result<void> reset_below(const Sbdf& bridge) override;
  Result<void> bind_pciback(const Sbdf& sbdf) override;
  Result<void> unbind_pciback(const Sbdf& sbdf, const std::string& driver) override;
  Result<std::map<Sbdf, std::uint64_t>> denied_writes() override;
  Result<void> set_permissive(const Sbdf& sbdf) override;
  bool has_backend(std::uint32_t domid) override {
    return backend_lingers && backend_lingers(domid);
  }
  bool pciback_present() override { return module_loaded; }

 private:
  Faults& faults_;
};

}  // namespace pciassign::sim
