// SPDX-License-Identifier: LGPL-2.1-or-later
// The lives of the instances: which one is to go, which one is to come, and when.
#include "pciassign/supervision.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pciassign::supervision {
namespace {

using std::chrono::seconds;

/// A domain that was asked to shut down is destroyed after this.
constexpr seconds kShutDownLimit{15};
/// A creation that failed beside its predecessor is tried again when that is gone, or after this.
constexpr seconds kRoomLimit{30};
constexpr seconds kLongestBackOff{64}, kLongestStandbyBackOff{256};
/// One that has served for so long is begun again at once: that is no loop.
constexpr seconds kServed{30};

seconds back_off(std::size_t failures, seconds most) {
  if (failures < 2) return seconds(0);
  return std::min<seconds>(most, seconds(1) * (1LL << std::min<std::size_t>(failures - 2, 10)));
}

std::string words_for(const DomainInfo& info) {
  if (info.dying) return "was destroyed";
  if (info.shutdown_code == 3) return "crashed";
  if (info.shutdown_code == 4) return "was shut down by its watchdog";
  return info.shutdown_code == 1 ? "rebooted" : "shut down";
}

Cause cause_of(const DomainInfo& info) {
  if (info.dying) return Cause::gone;
  return info.shutdown_code == 3 || info.shutdown_code == 4 ? Cause::crash : Cause::shutdown;
}

}  // namespace

Supervision::Supervision(config::DriverDomain config, State state,
                         std::function<std::string()> new_uuid)
    : config_(std::move(config)), state_(std::move(state)), new_uuid_(std::move(new_uuid)) {}

std::vector<Action> Supervision::step(const Facts& facts) {
  actions_.clear();
  wake_.reset();
  now_ = facts.now;
  prune_failures(facts.now);
  look_at_namesake(facts);
  look_at_instance(facts);
  look_at_standby(facts);
  look_at_fenced(facts);
  begin_what_is_missing(facts);
  look_at_dependents(facts);
  end_recovery(facts);
  for (Told& note : notes_) actions_.emplace_back(std::move(note));
  notes_.clear();
  return std::move(actions_);
}

std::vector<std::string> Supervision::uuids() const {
  std::vector<std::string> all;
  if (state_.instance) all.push_back(state_.instance->uuid);
  if (state_.standby) all.push_back(state_.standby->uuid);
  for (const Instance& old : state_.fenced) all.push_back(old.uuid);
  return all;
}

void Supervision::wake_at(Time when) {
  wake_ = wake_ ? std::min(*wake_, when) : when;
}

void Supervision::tell(Told::What what, std::string words) {
  notes_.push_back({what, std::move(words), {}, {}});
}

void Supervision::prune_failures(Time now) {
  std::erase_if(state_.failures, [&](Time when) { return when + config_.crash_window < now; });
}

/// A domain that somebody created by hand from our file is as good as one of ours: its agent is the
/// proof. Whoever else has the name is left alone, and waited for.
void Supervision::look_at_namesake(const Facts& facts) {
  const auto& other = facts.namesake;
  const bool speaks =
      other && (other->agent == "starting" || other->agent == "waiting" || other->agent == "ready");
  if (speaks && !state_.instance && creating_.empty()) {
    const bool wanted = state_.wanted && !state_.given_up;
    state_.wanted = true;
    state_.given_up = false;
    state_.next_try.reset();
    state_.instance = Instance{other->uuid, other->domid, facts.now, true, false, false};
    in_the_way_.reset();
    if (!wanted) tell(Told::What::began, "was created by hand, and is supervised from now on");
    actions_.emplace_back(GiveDevices{other->uuid, other->domid});
    return;
  }
  if (!other || state_.instance || !state_.wanted || state_.given_up) {
    in_the_way_.reset();
    return;
  }
  const bool known = in_the_way_ && in_the_way_->uuid == other->uuid;
  in_the_way_ = other;
  if (!known) tell(Told::What::blocked, "is blocked: " + blocked_by());
}

std::string Supervision::blocked_by() const {
  if (!in_the_way_) return {};
  return fmt::format(
      "domain {0} has its name and was not made by pciassignd; rename it (xl rename {0} OTHER) or "
      "destroy it (xl destroy {0}), or remove the entry",
      in_the_way_->domid);
}

void Supervision::look_at_instance(const Facts& facts) {
  // Of one that was found just now the facts come with the next look.
  if (!state_.instance || (facts.namesake && facts.namesake->uuid == state_.instance->uuid)) return;
  Instance& instance = *state_.instance;
  if (const auto error = create_errors_.extract(instance.uuid)) {
    // While the former domain is there its memory is missing; that is no failure of this one.
    if (!state_.fenced.empty() && !room_wait_) {
      room_wait_ = facts.now + kRoomLimit;
      state_.message = error.mapped().message;
      retire(instance);
      state_.instance.reset();
      return;
    }
    fail(Cause::failed, error.mapped().message, facts);
    return;
  }
  const auto found = facts.domains.find(instance.uuid);
  if (found == facts.domains.end()) {
    if (creating_.contains(instance.uuid)) {
      wake_at(instance.since + config_.start_timeout);
      return;
    }
    if (!instance.domid) {
      state_.instance.reset();  // A former daemon's xl ended with it, before it had made anything.
      return;
    }
    fail(Cause::gone, "has gone", facts);
    return;
  }
  const DomainFacts& domain = found->second;
  instance.domid = domain.info.domid;
  if (domain.info.gone()) {
    if (!state_.wanted) tell(Told::What::stopped, words_for(domain.info));
    fail(cause_of(domain.info), words_for(domain.info), facts);
    return;
  }
  if (std::exchange(robbed_, std::nullopt) == domain.info.domid) {
    fail(Cause::gone, "had its device taken away, as xl destroy does first", facts);
    return;
  }
  if (std::exchange(asked_, false)) {
    fail(Cause::request, "is replaced on request", facts);
    return;
  }
  if (!state_.wanted) {
    // One whose agent never spoke has nothing to end orderly.
    const bool polite = !domain.agent.empty() && !domain.info.paused;
    if (polite && !shut_down_since_) {
      shut_down_since_ = facts.now;
      actions_.emplace_back(ShutDown{instance.uuid, domain.info.domid});
    }
    const Time limit = shut_down_since_.value_or(facts.now) + kShutDownLimit;
    if (polite && facts.now < limit) {
      wake_at(limit);
      return;
    }
    fail(Cause::shutdown, "did not shut down by itself, and is destroyed", facts);
    return;
  }
  // What a former daemon's xl left half made was never let go, and nobody will.
  if (!instance.created && !creating_.contains(instance.uuid)) {
    if (domain.info.paused && domain.agent.empty()) {
      retire(instance);
      state_.instance.reset();
      return;
    }
    instance.created = true;
  }
  // Empty: xl is about to write it. Two of one name nobody could tell apart.
  if (domain.name != config_.name && !domain.name.empty() && !facts.namesake) {
    actions_.emplace_back(Rename{instance.uuid, domain.info.domid, config_.name, false});
    if (instance.promoted) actions_.emplace_back(GiveDevices{instance.uuid, domain.info.domid});
  }
  if (given_error_) {
    fail(Cause::failed, std::exchange(given_error_, std::nullopt)->message, facts);
    return;
  }
  look_at_agent(domain, facts);
}

void Supervision::look_at_agent(const DomainFacts& domain, const Facts& facts) {
  Instance& instance = *state_.instance;
  RecoveryRecord* record = recovery();
  if (!domain.agent.empty() && record != nullptr && !instance.promoted && !record->has("boot"))
    phase_over("boot", instance.since, facts.now);
  if (domain.agent == "failed") {
    fail(Cause::failed,
         domain.agent_message.empty() ? "its agent failed" : "its agent: " + domain.agent_message,
         facts);
    return;
  }
  if (domain.agent == "ready" && !instance.ready) become_ready(facts);
  if (!instance.ready) {
    const Time limit = instance.since + config_.start_timeout;
    if (facts.now >= limit) {
      const std::string why = domain.attach_error.empty() ? "" : ": " + domain.attach_error;
      fail(Cause::failed,
           fmt::format("was not ready within {} s{}", config_.start_timeout.count(), why), facts);
      return;
    }
    wake_at(limit);
  }
  if (hangs(domain, facts.now))
    fail(Cause::hang, fmt::format("had no heartbeat for {} s", config_.heartbeat_timeout.count()),
         facts);
}

/// Silence counts only while the domain could have spoken and we could have heard it: not while
/// somebody has paused it, not while this process itself did not run.
bool Supervision::hangs(const DomainFacts& domain, Time now) {
  const auto known = silence_.find(domain.info.domid);
  const auto limit = std::chrono::duration_cast<Time::duration>(config_.heartbeat_timeout);
  if (known == silence_.end() || limit.count() == 0) return false;
  Silence& silence = known->second;
  if (domain.info.paused || now - std::max(silence.looked, silence.since) > limit * 3 / 4)
    silence.since = now;
  silence.looked = now;
  if (now - silence.since >= limit) return true;
  const bool early = now - silence.since < limit / 2;
  wake_at(early ? silence.since + limit / 2 : std::min(now + limit / 4, silence.since + limit));
  return false;
}

bool Supervision::heard(DomId domid, Time now) {
  return silence_.insert_or_assign(domid, Silence{now, now}).second;
}

void Supervision::retire(const Instance& instance) {
  state_.fenced.push_back(instance);
  if (instance.domid) {
    state_.former.push_back(instance);
    silence_.erase(*instance.domid);
  }
  shut_down_since_.reset();
  exposed_.reset();
  moves_.clear();
}

void Supervision::fail(Cause cause, std::string words, const Facts& facts) {
  const Instance lost = *state_.instance;
  Time began = facts.noticed;
  if (cause == Cause::hang) began = silence_[lost.domid.value_or(0)].since;
  retire(lost);
  state_.instance.reset();
  room_wait_.reset();
  given_error_.reset();
  if (!state_.wanted) return;
  if (cause != Cause::request) {
    state_.failures.push_back(facts.now);
    state_.message = words;
  }
  close_recovery(RecoveryResult::failed);
  begin_recovery(cause, facts);
  state_.recoveries.back().began = began;
  tell(cause == Cause::request ? Told::What::began : Told::What::failed, words);
  phase_over("detect", began, facts.now);
  if (state_.failures.size() >= config_.most_crashes && cause != Cause::request) {
    state_.given_up = true;
    state_.next_try.reset();
    close_recovery(RecoveryResult::failed);
    tell(Told::What::gave_up,
         fmt::format("{} failures within {} s, the last: it {}", state_.failures.size(),
                     config_.crash_window.count(), state_.message));
    return;
  }
  const bool served = lost.ready && facts.now - lost.since >= kServed;
  const seconds pause = served ? seconds(0) : back_off(state_.failures.size(), kLongestBackOff);
  if (cause == Cause::request || pause.count() == 0) return;
  state_.next_try = facts.now + pause;
  tell(Told::What::backs_off, fmt::format("tried again in {} s", pause.count()));
}

void Supervision::create(bool standby, const Facts& facts) {
  Instance fresh;
  fresh.uuid = new_uuid_();
  fresh.since = facts.now;
  creating_[fresh.uuid] = facts.now;
  actions_.emplace_back(Create{fresh.uuid, standby});
  (standby ? state_.standby : state_.instance) = std::move(fresh);
}

void Supervision::promote(const Facts& facts) {
  Instance fresh = *state_.standby;
  state_.standby.reset();
  fresh.since = facts.now;
  fresh.promoted = true;
  fresh.ready = false;
  if (RecoveryRecord* record = recovery()) record->standby = true;
  actions_.emplace_back(Rename{fresh.uuid, *fresh.domid, config_.name, false});
  actions_.emplace_back(GiveDevices{fresh.uuid, *fresh.domid});
  state_.instance = std::move(fresh);
  wake_at(facts.now + config_.start_timeout);
}

bool Supervision::standby_is_good(const Facts& facts) {
  if (!state_.standby) return false;
  const auto found = facts.domains.find(state_.standby->uuid);
  return found != facts.domains.end() && !found->second.info.gone() && !found->second.info.paused &&
         found->second.agent == "waiting";
}

void Supervision::begin_what_is_missing(const Facts& facts) {
  if (!state_.wanted || state_.given_up) return;
  if (state_.instance) {
    begin_standby(facts);
    return;
  }
  // A domain with the name is in the way of the next one, be it created or promoted.
  if (!facts.namesake_looked_for) {
    wake_at(facts.now);
    return;
  }
  if (facts.namesake) return;
  if (standby_is_good(facts)) {
    state_.next_try.reset();
    promote(facts);
    return;
  }
  if (state_.next_try && *state_.next_try > facts.now) {
    wake_at(*state_.next_try);
    return;
  }
  if (room_wait_ && !state_.fenced.empty() && facts.now < *room_wait_) {
    wake_at(*room_wait_);
    return;
  }
  state_.next_try.reset();
  create(false, facts);
  wake_at(facts.now + config_.start_timeout);
}

/// Not beside a recovery: whatever it needs of the machine goes to that first. Nor beside the
/// destruction of a former domain, whose memory it may need.
void Supervision::begin_standby(const Facts& facts) {
  if (!config_.standby || state_.standby || !state_.instance->ready || guests_come_first(facts.now))
    return;
  for (const auto& [uuid, since] : destroying_) {
    if (facts.now >= since + kRoomLimit) continue;
    wake_at(since + kRoomLimit);
    return;
  }
  if (standby_again_ && *standby_again_ > facts.now) {
    wake_at(*standby_again_);
    return;
  }
  create(true, facts);
  wake_at(facts.now + config_.start_timeout);
}

void Supervision::look_at_standby(const Facts& facts) {
  if (!state_.standby) return;
  const bool wanted = config_.standby && state_.wanted && !state_.given_up;
  Instance& standby = *state_.standby;
  const auto found = facts.domains.find(standby.uuid);
  std::string why;
  if (const auto error = create_errors_.extract(standby.uuid)) {
    why = error.mapped().message;
  } else if (found == facts.domains.end()) {
    if (creating_.contains(standby.uuid)) return;
    why = "has gone";
  } else {
    const DomainFacts& domain = found->second;
    standby.domid = domain.info.domid;
    const bool half = !standby.created && !creating_.contains(standby.uuid) && domain.agent.empty();
    const Time limit = standby.since + config_.start_timeout;
    if (domain.info.gone()) {
      why = words_for(domain.info);
    } else if (domain.agent == "failed") {
      why = "its agent: " + domain.agent_message;
    } else if ((half && domain.info.paused) || !wanted) {
      why = "is not wanted";
    } else if (hangs(domain, facts.now)) {
      why = "had no heartbeat";
    } else if (domain.agent == "waiting") {
      if (!std::exchange(standby.ready, true)) standby_failures_ = 0;
      standby.created = true;
      return;
    } else if (facts.now >= limit) {
      why = "was not ready in time";
    } else {
      wake_at(limit);
      return;
    }
  }
  if (wanted && why != "is not wanted") {
    ++standby_failures_;
    standby_again_ = facts.now + back_off(standby_failures_ + 1, kLongestStandbyBackOff);
    tell(Told::What::failed, "its standby " + why);
  }
  state_.fenced.push_back(standby);
  if (standby.domid) silence_.erase(*standby.domid);
  state_.standby.reset();
}

void Supervision::become_ready(const Facts& facts) {
  Instance& instance = *state_.instance;
  instance.ready = instance.created = true;
  state_.message.clear();
  room_wait_.reset();
  if (RecoveryRecord* record = recovery()) {
    const auto boot = std::find_if(record->phases.begin(), record->phases.end(),
                                   [](const PhaseTime& phase) { return phase.phase == "boot"; });
    phase_over("ready", boot == record->phases.end() ? instance.since : record->began + boot->at,
               facts.now);
  }
  tell(Told::What::ready, "is ready");
}

void Supervision::created(const std::string& uuid, const std::optional<Error>& error, Time) {
  creating_.erase(uuid);
  if (error) {
    create_errors_[uuid] = *error;
    return;
  }
  for (std::optional<Instance>* slot : {&state_.instance, &state_.standby})
    if (*slot && (*slot)->uuid == uuid) (*slot)->created = true;
}

void Supervision::given(DomId domid, const std::optional<Error>& error) {
  if (error && state_.instance && state_.instance->domid == domid && !state_.instance->ready)
    given_error_ = error;
}

bool Supervision::exposed(DomId domid) {
  if (!state_.instance || state_.instance->domid != domid || !state_.instance->promoted)
    return false;
  exposed_ = domid;
  return true;
}

bool Supervision::loses_device(DomId domid) {
  if (!state_.wanted || !state_.instance || state_.instance->domid != domid) return false;
  robbed_ = domid;
  return true;
}

void Supervision::start(Time) {
  state_.wanted = true;
  state_.given_up = false;
  state_.failures.clear();
  state_.next_try.reset();
  shut_down_since_.reset();
}

void Supervision::stop(Time) {
  state_.wanted = false;
  state_.given_up = false;
  state_.next_try.reset();
  close_recovery(RecoveryResult::failed);
}

void Supervision::recover(Time now) {
  start(now);
  state_.failures.clear();
  asked_ = state_.instance.has_value();
}

}  // namespace pciassign::supervision
