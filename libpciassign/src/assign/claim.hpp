// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// /libxl/pci/<dddd-bb-dd-f>/domid: the marker by which libxl knows that a device is taken. libxl
/// writes it after a check of its own, with a gap in between; here both are one transaction.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "pciassign/journal.hpp"
#include "pciassign/plan.hpp"

namespace pciassign::detail {

struct Marker {
  Sbdf device;
  DomId domid = 0;
  bool ours = false;  ///< Carries our own node beside libxl's.
};

/// All devices that are marked as taken.
Result<std::vector<Marker>> read_markers(StoreView& store);
/// The marker was left by a domain that is gone, also when its number is in use again: then the
/// uuid that we write beside libxl's own node tells, unless the new domain does have the device.
Result<bool> is_stale(Ports& ports, const Sbdf& device, DomId marked);
/// Our mark of just this attachment is there. xenstore lives as long as Xen does, so it proves that
/// the attachment is of this boot.
Result<bool> is_claimed(StoreView& store, const AttachmentRecord& record);
/// Our mark of any attachment of the device.
Result<bool> is_claimed(StoreView& store, const Sbdf& device);
/// Our mark of any device of the domain with that uuid.
Result<bool> has_claim(StoreView& store, const std::string& uuid);
/// Fails (busy, E-OWNED) when a living domain's marker is there.
Result<void> claim(Ports& ports, const AttachmentRecord& record);
/// A living domain other than the record's has the device by now (xl gave it away after we lost
/// track): it must not be reset or taken from there.
Result<bool> taken_by_other(Ports& ports, const AttachmentRecord& record);
/// Removes the marker if it is this attachment's.
Result<void> unclaim(Ports& ports, const AttachmentRecord& record);

/// The dom0 driver that a reserved device came from, where libxl keeps it too.
Result<std::string> remembered_driver(StoreView& store, const Sbdf& device);
/// Our own mark beside it, from the first step of a reserve or release to the last: who finds it
/// while no such plan runs has to bring the device home. Gone after a reboot, as the binding is.
Result<void> mark_change(Store& store, const Sbdf& device, const std::string& driver = {});
Result<void> unmark_change(Store& store, const Sbdf& device);
/// The mark and the remembered driver.
Result<void> forget_change(Store& store, const Sbdf& device);
Result<std::vector<Sbdf>> marked_changes(StoreView& store);
/// The device that `xl pci-assignable-add -n NAME` named so.
Result<std::optional<Sbdf>> device_named(StoreView& store, const std::string& name);

}  // namespace pciassign::detail
