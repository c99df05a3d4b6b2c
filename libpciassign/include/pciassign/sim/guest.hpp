// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// pciback and pcifront of one domain, played over the simulated store: the handshake and the
/// reconfigurations of the upstream drivers.
#pragma once
#include <set>

#include "pciassign/sim/hypervisor.hpp"
#include "pciassign/sim/pci_bus.hpp"
#include "pciassign/sim/store.hpp"

namespace pciassign::sim {

enum class FrontMode {
  responsive,
  silent,          ///< Never connects, never answers.
  goes_silent,     ///< Connects, then does not answer a reconfiguration.
  dies_when_told,  ///< Connects; crashes at the first reconfiguration.
  dies_connecting,
};
enum class BackMode {
  normal,
  silent,  ///< pciback does not react (no module).
  fails,   ///< Cannot export: closes the channel and leaves an error node.
};

class Guest {
 public:
  Guest(DomId domid, Hypervisor& xen, Store& store, PciBus& pci)
      : domid_(domid), xen_(xen), store_(store), pci_(pci) {}

  FrontMode front = FrontMode::responsive;
  BackMode back = BackMode::normal;

  /// One move of either side; false when there is nothing to do.
  bool step();
  /// pciback lost the device (its driver was unbound).
  void unbound(const Sbdf& sbdf) { exported_.erase(sbdf); }
  /// What pciback serves to the guest now.
  [[nodiscard]] const std::set<Sbdf>& exported() const { return exported_; }

 private:
  [[nodiscard]] int state(const std::string& path) const;
  void set_state(const std::string& path, int value, DomId who);
  bool step_back();
  bool step_front();
  bool export_new();
  bool release_closing();
  void release_all();
  void drive_devices();
  void crash();

  DomId domid_;
  Hypervisor& xen_;
  Store& store_;
  PciBus& pci_;
  std::set<Sbdf> exported_;
};

}  // namespace pciassign::sim
