// SPDX-License-Identifier: LGPL-2.1-or-later
// Guests that do not follow by themselves lose a device and get another one like it. In between the
// device exists nowhere: what adds it is written down before the removal, until it is there.
#include <fmt/format.h>

#include <algorithm>

#include "pciassign/supervision.hpp"

namespace pciassign::supervision {
namespace {

using std::chrono::seconds;

/// Tries of an addition; between them 1, 2, 4, 8 s.
constexpr unsigned kMostFailures = 5;

std::string words_for(const PendingAddition& pending) {
  return fmt::format("{} {} of {} (domain {})", to_string(pending.former.kind),
                     pending.former.devid, pending.guest_name, pending.former.guest);
}

}  // namespace

bool Facts::lists(const Dependent& device) const {
  return std::any_of(dependents.begin(), dependents.end(), [&](const DependentFacts& one) {
    const Dependent& other = one.dependent;
    return other.guest == device.guest && other.kind == device.kind &&
           other.devid == device.devid && other.name == device.name;
  });
}

PendingAddition* Supervision::pending_of(const Dependent& former) {
  const auto found = std::find_if(
      state_.additions.begin(), state_.additions.end(),
      [&](const PendingAddition& one) { return key_of(one.former) == key_of(former); });
  return found == state_.additions.end() ? nullptr : &*found;
}

/// Its number may be another domain's by now.
void Supervision::forget_additions_of_guests_that_are_gone(const Facts& facts) {
  std::erase_if(state_.additions, [&](const PendingAddition& pending) {
    const auto guest = facts.all.find(pending.former.guest);
    if (guest != facts.all.end() && guest->second == pending.guest_uuid) return false;
    commands_.erase(key_of(pending.former));
    return true;
  });
}

void Supervision::begin_replacement(const DependentFacts& one, const Facts& facts) {
  const auto guest = facts.all.find(one.dependent.guest);
  if (!one.replacement || guest == facts.all.end()) return;
  PendingAddition pending;
  pending.former = one.dependent;
  pending.added = one.replacement->added;
  pending.guest_uuid = guest->second;
  pending.guest_name = one.guest_name;
  pending.command = one.replacement->add;
  pending.began = facts.now;
  state_.additions.push_back(std::move(pending));
  commands_[key_of(one.dependent)] = {*state_.instance->domid, false, true, {}};
  actions_.emplace_back(Remove{one.dependent, one.replacement->remove});
}

void Supervision::look_at_additions(const Facts& facts) {
  std::erase_if(state_.additions, [&](const PendingAddition& pending) {
    const bool over = addition_is_over(pending, facts);
    if (over) commands_.erase(key_of(pending.former));
    return over;
  });
}

bool Supervision::addition_is_over(const PendingAddition& pending, const Facts& facts) {
  const DomId instance = *state_.instance->domid;
  const Key key = key_of(pending.former);
  const auto command = commands_.find(key);
  if (command != commands_.end() && command->second.running) return false;
  if (facts.lists(pending.former)) {
    // A dependent as before. Only a removal that failed is not begun once more for this instance.
    if (command != commands_.end() && !command->second.adds &&
        command->second.instance == instance) {
      moves_.try_emplace(key, Move{instance, facts.now}).first->second.failed = true;
      tell(Told::What::dependent_failed,
           fmt::format("{} could not be removed: {}", words_for(pending), command->second.error));
    }
    return true;
  }
  // Whatever its command said, or if the process died before it said anything.
  if (facts.lists(pending.added)) return true;
  if (pending.failures >= kMostFailures) {
    tell(Told::What::dependent_failed,
         fmt::format("{} was removed, and could not be added again: {}", words_for(pending),
                     pending.error));
    return true;
  }
  if (!state_.wanted) return false;
  if (pending.next_try && *pending.next_try > facts.now) {
    wake_at(*pending.next_try);
    return false;
  }
  moves_.erase(key);  // The number may come back to another device.
  commands_[key] = {instance, true, true, {}};
  // The command may be of a former instance's time: whoever has the name now is not meant.
  actions_.emplace_back(Add{pending.former, with_backend(pending.command, instance)});
  return false;
}

void Supervision::removed(const Dependent& former, const std::optional<Error>& error) {
  const auto command = commands_.find(key_of(former));
  if (command == commands_.end()) return;
  command->second.running = false;
  command->second.error = error ? error->message : "it is still there";
}

void Supervision::added(const Dependent& former, const std::optional<Error>& error, Time now) {
  const auto command = commands_.extract(key_of(former));
  PendingAddition* pending = pending_of(former);
  if (!command || pending == nullptr) return;
  if (!error) {
    state_.additions.erase(state_.additions.begin() + (pending - state_.additions.data()));
    return;
  }
  // With the instance that it was for its failure is explained.
  if (!state_.wanted || !state_.instance || state_.instance->domid != command.mapped().instance)
    return;
  pending->error = error->message;
  pending->next_try = now + seconds(1LL << pending->failures);
  ++pending->failures;
}

}  // namespace pciassign::supervision
