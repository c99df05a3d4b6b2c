// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The xenstore nodes between pciback and pcifront, laid out exactly as libxl does, so that xl
/// lists, detaches and destroys what was attached here.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "pciassign/address.hpp"
#include "pciassign/store.hpp"

namespace pciassign::detail {

std::string backend_path(DomId domid);   ///< /local/domain/0/backend/pci/<domid>/0
std::string frontend_path(DomId domid);  ///< /local/domain/<domid>/device/pci/0

Result<XenbusState> read_state(StoreView& store, const std::string& path);

/// One device as the backend directory lists it (dev-N and its companions).
struct Entry {
  int index = 0;
  Sbdf device;
  XenbusState state = XenbusState::unknown;  ///< state-N
  std::string vdev;                          ///< vdev-N, once pciback has exported it
};
Result<std::vector<Entry>> read_entries(StoreView& store, DomId domid);

struct Exposure {
  Sbdf device;
  AssignOptions options;
};

/// All devices in one transaction. An older pciback misses a device that is appended between
/// its states, so nothing is written piece by piece.
Result<void> publish(Store& store, DomId domid, const std::string& domain_name,
                     const std::vector<Exposure>& devices);

/// Says that there are no devices (num_devs), and leaves their entries for who reads them just now.
/// False: there are none, or others too.
Result<bool> hide(Store& store, DomId domid, const std::vector<Sbdf>& devices);

struct Withdrawn {
  /// Devices of ours that pciback had exported, while devices of others remain: it is not told by
  /// the disappearance of the whole directory and may go on serving them.
  std::vector<Sbdf> maybe_exported;
};
/// Removes the entries of `devices` and moves the rest up; with the last one both directories go.
Result<Withdrawn> withdraw(Store& store, DomId domid, const std::vector<Sbdf>& devices);

}  // namespace pciassign::detail
