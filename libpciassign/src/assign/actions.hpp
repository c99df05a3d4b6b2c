// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The single operations that steps are made of. Each one is idempotent; those that take back
/// succeed when there is nothing left, because a domain (and xl's own destroy) may be faster.
#pragma once
#include <memory>
#include <vector>

#include "pciassign/journal.hpp"
#include "pciassign/plan.hpp"

namespace pciassign::detail {

/// One device on its way in or out; shared by the steps of a plan.
struct Attachment {
  AttachmentRecord record;
  std::string spec_driver;      ///< dom0 driver at planning.
  bool journalled = false;      ///< The journal's entry is ours to erase.
  bool still_exported = false;  ///< pciback may still serve it although its nodes are gone.
  bool was_reset = false;       ///< A plan that takes it back has reset it.
};
using AttachmentPtr = std::shared_ptr<Attachment>;

/// Is the record's domain still there? A domid with another uuid is another domain.
enum class Presence { here, gone, replaced };
Result<Presence> presence(Ports& ports, const AttachmentRecord& record);

/// A hypercall's errno that, when taking back, means that somebody did it already.
bool means_gone(const Error& error);

Result<void> grant(Ports& ports, const AttachmentRecord& record, const Region& region);
/// Leaves alone what another attached device of the same domain needs (two BARs in one frame).
/// `together`: the devices of this plan, which go as well.
Result<void> revoke(Ports& ports, const AttachmentRecord& record, const Region& region,
                    const std::vector<Sbdf>& together);

/// Finds the GSI, writes it to the journal, maps and grants it. No effect without an INTx line.
Result<void> map_interrupt(Ports& ports, AttachmentRecord& record);
Result<void> unmap_interrupt(Ports& ports, const AttachmentRecord& record,
                             const std::vector<Sbdf>& together);

/// To DOMID_IO, whatever it belonged to but another domain.
Result<void> into_quarantine(Ports& ports, const Sbdf& device);
/// From the record's domain to DOMID_IO.
Result<void> take_from_domain(Ports& ports, const AttachmentRecord& record);
/// Out of DOMID_IO, back to its dom0 driver.
Result<void> give_back_to_dom0(Ports& ports, const AttachmentRecord& record);

/// Resets and looks at the result: the vendor id answers and the device cannot do DMA.
Result<void> reset_and_verify(Ports& ports, const AttachmentRecord& record);
/// The second half alone: it answers, and does no DMA.
Result<void> verify_reset(Ports& ports, const AttachmentRecord& record, const std::string& method);
/// The device is still the one that was planned for, on pciback, with the planned regions.
Result<void> check_identity(Ports& ports, const AttachmentRecord& record);

}  // namespace pciassign::detail
