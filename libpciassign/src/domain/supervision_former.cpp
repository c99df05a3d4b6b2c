// SPDX-License-Identifier: LGPL-2.1-or-later
// Former instances: their devices are taken back, then they are destroyed.
#include <fmt/format.h>

#include <algorithm>

#include "pciassign/supervision.hpp"

namespace pciassign::supervision {
namespace {

using std::chrono::seconds;

/// Another try of what failed on dom0's side: to take devices back, to destroy.
constexpr seconds kTryAgain{2};
/// A creation takes less, unless it waits for memory.
constexpr seconds kCreation{5};
constexpr auto kRunning = Time::max();

}  // namespace

void Supervision::look_at_fenced(const Facts& facts) {
  std::erase_if(state_.fenced, [&](const Instance& old) {
    const bool there = facts.domains.contains(old.uuid) || creating_.contains(old.uuid);
    if (!there) {
      destroying_.erase(old.uuid);
      destroy_again_.erase(old.uuid);
      create_errors_.erase(old.uuid);
      if (old.domid) fencing_.erase(*old.domid);
    }
    return !there;
  });
  for (Instance& old : state_.fenced) {
    const auto found = facts.domains.find(old.uuid);
    if (found == facts.domains.end()) continue;
    const DomainFacts& domain = found->second;
    const DomId domid = domain.info.domid;
    old.domid = domid;
    const std::string dead = fmt::format("{}-dead-{}", config_.name, domid);
    if (domain.name != dead && !domain.name.empty())
      actions_.emplace_back(Rename{old.uuid, domid, dead, true});
    if (domain.holds_devices) {
      const auto fencing = fencing_.find(domid);
      // Of a domain that is gone the daemon's clean-up takes them too, with a back-off of its own.
      if (fencing != fencing_.end() && domain.info.gone()) continue;
      if (fencing != fencing_.end() && fencing->second > facts.now) {
        if (fencing->second != kRunning) wake_at(fencing->second);
        continue;
      }
      fencing_[domid] = kRunning;
      actions_.emplace_back(Fence{old.uuid, domid});
      continue;
    }
    // Only without its devices: libxl would reset those that it finds, and the next one has them.
    if (destroying_.contains(old.uuid) || destruction_waits(facts)) continue;
    if (const auto again = destroy_again_.find(old.uuid);
        again != destroy_again_.end() && again->second > facts.now) {
      wake_at(again->second);
      continue;
    }
    destroying_[old.uuid] = facts.now;
    actions_.emplace_back(Destroy{old.uuid, domid});
  }
}

/// xl needs dom0's processors for a second, which those that the guests wait for need now. A
/// creation that lacks the dead one's memory fails, or waits for it: so not for long.
bool Supervision::destruction_waits(const Facts& facts) {
  if (!state_.instance || state_.fenced.size() > 1) return false;
  if (const auto creating = creating_.find(state_.instance->uuid); creating != creating_.end()) {
    const Time until = creating->second + kCreation;
    if (facts.now < until) wake_at(until);
    return facts.now < until;
  }
  if (!state_.instance->promoted) return false;
  // A disk follows once the former domain is gone, and what xl removes waits for that one's end.
  return config_.driver_class == config::DriverClass::net &&
         std::all_of(
             facts.dependents.begin(), facts.dependents.end(),
             [](const DependentFacts& one) { return one.recovery == Recovery::in_place; }) &&
         guests_come_first(facts.now);
}

void Supervision::destroyed(const std::string& uuid, const std::optional<Error>& error, Time now) {
  // A domain that stays although xl succeeded is dying: nothing more can be done for it.
  if (!error) return;
  destroying_.erase(uuid);
  destroy_again_[uuid] = now + kTryAgain;
}

void Supervision::fenced(DomId domid, const std::optional<Error>& error, Time now) {
  fencing_[domid] = error ? now + kTryAgain : now;
}

}  // namespace pciassign::supervision
