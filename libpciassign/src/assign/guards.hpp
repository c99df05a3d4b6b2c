// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// What every step asks directly before it touches a device: is it still the recorded one, and has
/// no driver of dom0's got it? A plan that was right when it was made, or a record that tells of
/// another time, must not take a disk that dom0 uses.
#pragma once
#include <optional>

#include "assign/actions.hpp"

namespace pciassign::detail {

/// The record's part that tells which device it is, and whose it was: as `device` is now.
AttachmentRecord record_of(const Device& device);

/// How the device differs from the record, in words; empty: it is that one. What the record does
/// not tell (an older one has no class, serial number or location) is not compared, nor is a serial
/// number that cannot be read: a device that is dead is still the same.
std::string differences(const AttachmentRecord& record, const Device& device);

/// Why the device must not be touched: a driver other than pciback has it, or it is another one.
/// Empty: it may be. So it is when there is none: each operation says what that means.
Result<std::optional<Error>> hands_off(Ports& ports, const AttachmentRecord& record);

using Operation = std::function<Result<void>(Ports&)>;
/// The operation, unless hands_off(): then that is its error, and nothing was done.
Operation if_ours(AttachmentPtr attachment, Operation run);
Operation if_ours(AttachmentRecord record, Operation run);
/// The same for what takes back: there is nothing left to do then, which is success.
Operation unless_lost(AttachmentPtr attachment, Operation run);
Operation unless_lost(AttachmentRecord record, Operation run);
/// The same for what takes the device from a domain that lives: success only if Xen has it assigned
/// to no domain any more. Else the record has to stay, or that would be forgotten.
Operation unless_lost_by_all(AttachmentPtr attachment, Operation run);

/// Takes the device from the driver that it had when the plan was made, and from no other; not
/// while dom0 depends on it, unless that was accepted.
Result<void> seize(Ports& ports, const AttachmentRecord& record);

}  // namespace pciassign::detail
