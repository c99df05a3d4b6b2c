// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Talking with the guest's front end through xenstore, without trusting it to answer.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "pciassign/journal.hpp"
#include "pciassign/plan.hpp"

namespace pciassign::detail {

/// Watches on both ends of the domain's PCI channel and on domains that go.
Result<void> watch_channel(Ports& ports, DomId domid);
void unwatch_channel(Ports& ports, DomId domid);

/// The domain has its channel, or dom0's kernel has none for it: then new nodes are noticed.
Result<bool> former_channel_gone(Ports& ports, DomId domid);

/// Both ends Connected and every device exported. An error when that cannot come any more.
Result<bool> connected(Ports& ports, const AttachmentRecord& any, const std::vector<Sbdf>& devices);
/// pciback has exported every device; the guest has not run yet.
Result<bool> exported(Ports& ports, const AttachmentRecord& any, const std::vector<Sbdf>& devices);

/// The notification of a detach: state-N = Closing, back end = Reconfiguring; over when the guest
/// has let go, or when nobody is there to answer.
class DetachTalk {
 public:
  DetachTalk(AttachmentRecord any, std::vector<Sbdf> devices)
      : record_(std::move(any)), devices_(std::move(devices)) {}
  Result<bool> ready(Ports& ports);
  /// The guest answered that it let go of the devices.
  [[nodiscard]] bool released() const { return released_; }

 private:
  Result<bool> tell(Ports& ports);
  AttachmentRecord record_;
  std::vector<Sbdf> devices_;
  bool told_ = false, released_ = false;
};

}  // namespace pciassign::detail
