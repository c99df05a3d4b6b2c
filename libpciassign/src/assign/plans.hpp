// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Builders of plans from facts that have been judged already.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "pciassign/toolstack.hpp"

namespace pciassign::detail {

/// Appends a step that only runs; the caller adds undo, ready and the rest to what is returned,
/// before the next step is appended.
inline Step& append_step(Plan& plan, std::string id, std::string words,
                         std::function<Result<void>(Ports&)> run) {
  Step& step = plan.steps.emplace_back();
  step.id = std::move(id);
  step.words = std::move(words);
  step.run = std::move(run);
  return step;
}

struct AttachInput {
  DomainInfo domain;
  std::string domain_name;
  bool iommu = true;
  AttachMode mode = AttachMode::hot;
  std::vector<std::pair<DeviceSpec, Device>> devices;
  /// These were reset a moment ago, and have been in quarantine since: that is verified again, but
  /// not done again.
  std::set<Sbdf> rested;
};
Plan build_attach(const AttachInput& input, const Settings& settings);

struct TakeBackInput {
  PlanKind kind = PlanKind::detach;
  std::string title;
  std::vector<AttachmentRecord> records;  ///< All of one domain; not empty.
  /// The domain lives: tell its front end first. Else the nodes go first, so that nobody
  /// (xl's destroy, ten seconds for each device) waits for an answer that cannot come.
  bool tell_guest = true;
  /// Its own toolstack sees its end as well, and is about to read the nodes. libxl (4.17 to 4.20)
  /// reads num_devs first and dies of a dev-N that is no longer there then.
  bool toolstack_reads = false;
  /// The domid belongs to another domain now: its nodes are not ours.
  bool domid_reused = false;
  /// Told of each device that was really reset, and is in quarantine; may be empty.
  std::function<void(const Sbdf&)> rested;
};
Plan build_take_back(const TakeBackInput& input, const Settings& settings);

struct ReserveInput {
  Device device;
  bool iommu = true;
  std::string driver;  ///< release: the dom0 driver to give it back to, or empty.
};
Plan build_reserve(const ReserveInput& input);
Plan build_release(const ReserveInput& input);
/// After an interrupted reserve or release: the device is on pciback, or has no driver.
Plan build_homecoming(const ReserveInput& input);
/// The same when there is nothing left to do but to forget it, with the remembered driver or
/// without (a domain has the device: it is still reserved).
Plan build_forget_change(const Sbdf& sbdf);
Plan build_unmark_change(const Sbdf& sbdf);
Plan build_reset(const Device& device);

/// "I/O memory feb40-feb7f (BAR 0)", "I/O ports c000-c03f (BAR 2)".
std::string words_for(const Region& region);

}  // namespace pciassign::detail
