// SPDX-License-Identifier: LGPL-2.1-or-later
// A recovery from its begin to the first packet: its phases, and the dependents that follow.
#include <fmt/format.h>

#include <algorithm>

#include "pciassign/supervision.hpp"

namespace pciassign::supervision {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

/// Another look, where xenstore did not tell everything.
constexpr seconds kLookAgain{2};
/// Nothing may have been sent: so long is the first packet waited for.
constexpr seconds kPacketLimit{120};
/// So long after a recovery the machine is left to its guests, unless their first packet was seen.
constexpr seconds kQuiet{2};
constexpr std::size_t kMostRecords = 8;

microseconds since(Time from, Time now) {
  return std::chrono::duration_cast<microseconds>(now - from);
}

}  // namespace

std::string_view to_string(Cause cause) noexcept {
  switch (cause) {
    case Cause::crash:
      return "crash";
    case Cause::shutdown:
      return "shutdown";
    case Cause::gone:
      return "gone";
    case Cause::hang:
      return "hang";
    case Cause::failed:
      return "failed";
    case Cause::request:
      return "request";
  }
  return "failed";
}

std::string_view to_string(RecoveryResult result) noexcept {
  switch (result) {
    case RecoveryResult::running:
      return "running";
    case RecoveryResult::done:
      return "done";
    case RecoveryResult::failed:
      return "failed";
  }
  return "failed";
}

bool RecoveryRecord::has(std::string_view phase) const {
  return std::any_of(phases.begin(), phases.end(),
                     [&](const PhaseTime& time) { return time.phase == phase; });
}

const RecoveryRecord* Supervision::recovery() const {
  const bool running =
      !state_.recoveries.empty() && state_.recoveries.back().result == RecoveryResult::running;
  return running ? &state_.recoveries.back() : nullptr;
}

RecoveryRecord* Supervision::recovery() {
  return const_cast<RecoveryRecord*>(std::as_const(*this).recovery());
}

void Supervision::begin_recovery(Cause cause, const Facts& facts) {
  if (state_.recoveries.size() >= kMostRecords) state_.recoveries.erase(state_.recoveries.begin());
  RecoveryRecord record;
  record.cause = cause;
  record.began = facts.now;
  record.began_utc = facts.utc;
  state_.recoveries.push_back(std::move(record));
  packet_until_.reset();
}

/// The one that is going on, if one is.
void Supervision::close_recovery(RecoveryResult result) {
  RecoveryRecord* record = recovery();
  if (record == nullptr) return;
  record->result = result;
  const auto took = std::chrono::duration<double>(since(record->began, now_)).count();
  if (result == RecoveryResult::done)
    tell(Told::What::recovered, fmt::format("is back after {:.3f} s", took));
  else
    tell(Told::What::recovery_failed, {});
}

void Supervision::note_phase(std::string_view phase, microseconds took, microseconds at) {
  state_.recoveries.back().phases.push_back({std::string(phase), took, at});
  notes_.push_back(
      {Told::What::phase,
       fmt::format("{} took {:.3f} s", phase, std::chrono::duration<double>(took).count()),
       std::string(phase), took});
}

void Supervision::phase_over(std::string_view phase, Time from, Time now) {
  note_phase(phase, since(from, now), since(state_.recoveries.back().began, now));
}

void Supervision::taken_back(DomId domid, microseconds reset, Time now) {
  const RecoveryRecord* record = recovery();
  // It may have been destroyed by now, and its dependents are not here yet.
  const bool ours = std::any_of(state_.former.begin(), state_.former.end(),
                                [&](const Instance& old) { return old.domid == domid; });
  if (record == nullptr || !ours || record->has("fence")) return;
  const microseconds at = since(record->began, now);
  const microseconds begun = record->phases.empty() ? microseconds(0) : record->phases.back().at;
  note_phase("fence", at - begun, at);
  note_phase("reset", reset, at);
}

/// What can wait does so until they have what they need.
bool Supervision::guests_come_first(Time now) {
  if (recovery() != nullptr) return true;
  if (!packet_until_) return false;
  const Time quiet = *packet_until_ - kPacketLimit + kQuiet;
  if (now < quiet) wake_at(quiet);
  return now < quiet;
}

bool Supervision::needs_dependents() const {
  return state_.instance && state_.instance->domid &&
         (!state_.former.empty() || !state_.additions.empty() || recovery() != nullptr ||
          packet_until_.has_value());
}

bool Supervision::can_connect(const Facts& facts) const {
  if (!state_.instance) return false;
  const auto found = facts.domains.find(state_.instance->uuid);
  if (found == facts.domains.end() || state_.instance->domid != found->second.info.domid)
    return false;
  // A standby is shown its device first: reconnections before that would only take its time. They
  // fill that in which its kernel looks for the device.
  if (found->second.agent == "waiting")
    return !state_.instance->promoted || found->second.has_devices ||
           exposed_ == state_.instance->domid;
  return found->second.agent == "ready";
}

void Supervision::look_at_dependents(const Facts& facts) {
  // A number that belongs to another domain by now has other dependents.
  std::erase_if(state_.former, [&](const Instance& old) {
    const auto there = facts.all.find(*old.domid);
    return there != facts.all.end() && there->second != old.uuid;
  });
  forget_additions_of_guests_that_are_gone(facts);
  if (!needs_dependents() || !can_connect(facts)) return;
  if (!facts.dependents_seen) {
    wake_at(facts.now + kLookAgain);
    return;
  }
  look_at_additions(facts);
  const DomId domid = *state_.instance->domid;
  bool all_here = true;
  for (const DependentFacts& one : facts.dependents) {
    const bool here = one.dependent.backend == domid;
    all_here = all_here && here;
    if (here && one.state.connected()) {
      Move& move = moves_[key_of(one.dependent)];
      move.to = domid;
      move.connected = true;
      continue;
    }
    // Linux's blkfront frees the pages that it has granted for good when it leaves a back end.
    // While the former domain exists it maps them: the guest could not make page tables of them.
    if (!here && one.dependent.kind == DependentKind::vbd &&
        facts.all.contains(one.dependent.backend))
      continue;
    Move& move = moves_.try_emplace(key_of(one.dependent), Move{domid, facts.now}).first->second;
    move.connected = false;
    if (!move.failed && facts.now - move.began >= kMoveLimit) {
      move.failed = true;
      tell(Told::What::dependent_failed,
           fmt::format("{} {} of {} (domain {}) has not come back within {} s",
                       to_string(one.dependent.kind), one.dependent.devid, one.guest_name,
                       one.dependent.guest, kMoveLimit.count()));
    }
    if (!move.failed) wake_at(move.began + kMoveLimit);
    if (here || pending_of(one.dependent) != nullptr) continue;
    if (one.recovery == Recovery::in_place) {
      actions_.emplace_back(Reconnect{one.dependent, domid});
    } else if (!move.failed) {
      begin_replacement(one, facts);
    }
  }
  if (all_here && facts.dependents_complete) state_.former.clear();
}

void Supervision::end_recovery(const Facts& facts) {
  RecoveryRecord* record = recovery();
  const auto packet = [&] {
    return std::any_of(facts.dependents.begin(), facts.dependents.end(),
                       [](const DependentFacts& one) { return one.traffic; });
  };
  if (record != nullptr) {
    if (!state_.instance || !state_.instance->ready || !facts.dependents_seen) return;
    const bool settled = std::all_of(
        facts.dependents.begin(), facts.dependents.end(), [&](const DependentFacts& one) {
          const auto move = moves_.find(key_of(one.dependent));
          return move != moves_.end() && (move->second.connected || move->second.failed);
        });
    if (!settled) return;
    // One that failed once, or takes long, holds nobody up.
    for (const PendingAddition& pending : state_.additions) {
      const Time limit = pending.began + kMoveLimit;
      if (pending.failures > 0 || facts.now >= limit) continue;
      wake_at(limit);
      return;
    }
    if (!facts.dependents.empty()) {
      const microseconds begun =
          record->phases.empty() ? microseconds(0) : record->phases.back().at;
      phase_over("reattach", record->began + begun, facts.now);
      packet_until_ = facts.now + kPacketLimit;
    }
    close_recovery(RecoveryResult::done);
    wake_at(facts.now);  // What waited for its end: the former domain's, and the next standby.
  }
  if (!packet_until_) return;
  if (packet()) {
    RecoveryRecord& last = state_.recoveries.back();
    phase_over("first-packet", last.began + last.phases.back().at, facts.now);
    packet_until_.reset();
  } else if (facts.now >= *packet_until_) {
    packet_until_.reset();
  } else {
    wake_at(*packet_until_);
  }
}

std::string Supervision::state_word() const {
  if (!state_.wanted) return state_.instance || !state_.fenced.empty() ? "stopping" : "stopped";
  if (state_.given_up) return "given-up";
  if (!state_.instance && in_the_way_) return "blocked";
  if (!state_.instance && state_.next_try) return "backing-off";
  if (recovery() != nullptr) return "recovering";
  return state_.instance && state_.instance->ready ? "ready" : "starting";
}

rpc::DriverDomainView Supervision::view(const Facts& facts) const {
  rpc::DriverDomainView view;
  view.name = config_.name;
  view.driver_class = config::to_string(config_.driver_class);
  for (const DeviceSpec& device : config_.devices) view.devices.push_back(device.str());
  view.state = state_word();
  view.crashes = static_cast<unsigned>(state_.failures.size());
  view.message = view.state == "blocked" ? blocked_by() : state_.message;
  if (state_.next_try && view.state != "blocked")
    view.retry_seconds =
        std::max(std::chrono::duration<double>(*state_.next_try - facts.now).count(), 0.0);
  const auto facts_of = [&](const std::optional<Instance>& instance) -> const DomainFacts* {
    const auto found = instance ? facts.domains.find(instance->uuid) : facts.domains.end();
    return found == facts.domains.end() ? nullptr : &found->second;
  };
  if (const DomainFacts* domain = facts_of(state_.instance)) {
    view.domid = domain->info.domid;
    view.agent = domain->agent;
    if (view.message.empty()) view.message = domain->attach_error;
  }
  if (config_.standby) {
    view.standby = rpc::StandbyView{std::nullopt, state_.standby ? "starting" : "absent"};
    if (const DomainFacts* domain = facts_of(state_.standby)) {
      view.standby->domid = domain->info.domid;
      if (domain->agent == "waiting") view.standby->state = "waiting";
    }
  }
  if (view.state == "recovering" || view.state == "starting") {
    if (!view.domid)
      view.phase = room_wait_ ? "wait for the former domain's end" : "create";
    else if (view.agent.empty())
      view.phase = "boot";
    else if (view.agent != "ready")
      view.phase = "wait for the service";
    else
      view.phase = "connect the guests";
  }
  if (!state_.recoveries.empty()) {
    const RecoveryRecord& last = state_.recoveries.back();
    rpc::RecoveryView recovery{std::string(to_string(last.cause)),
                               last.standby ? "standby" : "cold",
                               std::string(to_string(last.result)),
                               last.began_utc,
                               {}};
    for (const PhaseTime& time : last.phases)
      recovery.phases.push_back({time.phase, std::chrono::duration<double>(time.took).count(),
                                 std::chrono::duration<double>(time.at).count()});
    view.last_recovery = std::move(recovery);
  }
  for (const DependentFacts& one : facts.dependents) {
    const auto move = moves_.find(key_of(one.dependent));
    std::string state =
        one.state.connected() && one.dependent.backend == view.domid ? "connected" : "waiting";
    if (state != "connected" && move != moves_.end())
      state = move->second.failed ? "failed" : "reconnecting";
    view.dependents.push_back({one.guest_name, one.dependent.guest,
                               std::string(pciassign::to_string(one.dependent.kind)),
                               one.dependent.devid, one.dependent.name, std::move(state),
                               std::string(pciassign::to_string(one.recovery))});
  }
  for (const PendingAddition& pending : state_.additions) {
    if (facts.lists(pending.former) || facts.lists(pending.added)) continue;
    view.dependents.push_back({pending.guest_name, pending.added.guest,
                               std::string(pciassign::to_string(pending.added.kind)),
                               pending.added.devid, pending.added.name, "reconnecting",
                               std::string(pciassign::to_string(Recovery::remove_and_add))});
  }
  return view;
}

}  // namespace pciassign::supervision
