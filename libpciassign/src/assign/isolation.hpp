// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Which functions the topology cannot keep apart. A judgement of one device is stricter
/// (policy_sharing.cpp: Xen's own answer, virtual functions); this is what a list shows.
#pragma once
#include <map>
#include <vector>

#include "pciassign/pci_bus.hpp"

namespace pciassign::detail {

/// What a bridge does to those below it.
enum class Merging {
  nothing,
  below,  ///< A conventional bridge, or one to conventional PCI, speaks for all that is below it.
  whole,  ///< A downstream port without ACS: they reach their neighbours on the same switch.
  siblings,  ///< A root port without ACS, together with others that are functions of one device.
};
Merging merging_of(const Device& bridge);

bool same_slot(const Sbdf& a, const Sbdf& b);

/// For each function that shares a group with others the lowest address in it; those that are
/// alone, and bridges, are left out. Time grows with the number of functions, not its square.
std::map<Sbdf, Sbdf> isolation_groups(const std::vector<Device>& devices);

}  // namespace pciassign::detail
