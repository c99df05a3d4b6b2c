// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace pciassign::agent {
namespace {

using namespace std::chrono_literals;

// A service that is ready still finds its partitions and volumes one after another.
constexpr Milliseconds kPatience = 5s;
// A first packet is looked for often at the beginning, since a recovery is measured by it.
constexpr Milliseconds kCountFast = 20ms, kCountFastFor = 5s, kCountSlow = 200ms, kCountFor = 60s;
// libxl fails when a closed device's directory vanishes before it has read the state. Nothing tells
// that it has.
constexpr Milliseconds kRemoveAfter = 1s;
// Changes may cause changes; what is left after so many rounds comes after the other events.
constexpr int kRounds = 4;
// What xenstore refused (a full quota) may work later.
constexpr Milliseconds kRetryFirst = 1s, kRetryLast = 60s;
constexpr const char* kClosed = "6";

// What happens when a directory goes away, or fills its owner's share, while it is looked at.
bool harmless(const Error& error) {
  return error.sys_errno == ENOENT || error.sys_errno == EACCES || error.sys_errno == EPERM;
}

Milliseconds interval(Milliseconds awaited) {
  return awaited < kCountFastFor ? kCountFast : kCountSlow;
}

}  // namespace

void Agent::trouble(const Error& error) {
  log_(error.message);
  trouble_ = true;
}

bool Agent::check(const Result<void>& result) {
  if (!result && !harmless(result.error())) trouble(result.error());
  return result.has_value();
}

bool Agent::write(const std::string& path, const std::string& value) {
  return check(store_.write(path, value));
}

void Agent::remove(const std::string& path) {
  check(store_.remove(path));
}

std::string Agent::data(const std::string& name) const {
  return own_ + "/data/pciassign/" + name;
}

std::string Agent::path_of(BackendId id) const {
  return fmt::format("{}/backend/{}/{}/{}", own_, to_string(service_.kind()), id.guest, id.devid);
}

std::string Agent::traffic_node(BackendId id) const {
  return data(fmt::format("traffic/{}-{}-{}", to_string(service_.kind()), id.guest, id.devid));
}

Result<void> Agent::open(const std::string& version) {
  auto domid = store_.read("domid");
  if (!domid) return tl::unexpected<Error>(domid.error());
  if (!*domid)
    return pciassign::fail(ErrorKind::unavailable, "xenstore does not say which domain this is");
  own_ = "/local/domain/" + **domid;
  // What an agent before this one said.
  remove(data("traffic"));
  write(data("agent"), version);
  tell_state();
  return {};
}

void Agent::fail(const std::string& words) {
  if (!failure_.empty()) return;
  failure_ = words;
  tell_state();
}

Result<void> Agent::start(const std::string& notes) {
  notes_ = notes;
  if (failure_.empty()) {
    if (auto started = service_.start(); !started) fail(started.error().message);
  }
  const std::string backends = fmt::format("{}/backend/{}", own_, to_string(service_.kind()));
  return store_.watch(backends, "backend");
}

void Agent::store_changed(const std::string& path) {
  const std::string top = fmt::format("{}/backend/{}/", own_, to_string(service_.kind()));
  if (path.starts_with(top)) {
    const std::string_view rest = std::string_view(path).substr(top.size());
    const std::size_t slash = rest.find('/');
    if (slash != std::string_view::npos) {
      const std::string_view devid = rest.substr(slash + 1);
      if (const auto id = parse_id(rest.substr(0, slash), devid.substr(0, devid.find('/'))))
        dirty_.insert(*id);
      return;
    }
  }
  // More than one device at once: a guest's directory, or all of them.
  rescan_ = true;
}

void Agent::scan() {
  for (const auto& [id, known] : known_) dirty_.insert(id);
  const std::string top = fmt::format("{}/backend/{}", own_, to_string(service_.kind()));
  const auto guests = store_.list(top);
  if (!guests) return trouble(guests.error());
  for (const std::string& guest : *guests) {
    const auto devices = store_.list(top + "/" + guest);
    if (!devices) {
      trouble(devices.error());
      continue;
    }
    for (const std::string& device : *devices) {
      if (const auto id = parse_id(guest, device)) dirty_.insert(*id);
    }
  }
}

void Agent::job_ended(int job, int status) {
  service_.job_ended(job, status);
  look_around_ = true;
}

void Agent::settle(Milliseconds now) {
  now_ = now;
  if (retry_ && *retry_ <= now) {
    retry_.reset();
    rescan_ = true;
  }
  if (look_around_ && failure_.empty()) {
    look_around_ = false;
    if (auto looked = service_.look_around(); !looked) fail(looked.error().message);
    look_at_the_refused();
  }
  // Told before the guests' devices: whoever waits for it may begin.
  tell_state();
  if (rescan_) {
    rescan_ = false;
    scan();
  }
  for (const auto& [id, known] : known_) {
    for (const auto& at : {known.patience, known.removal}) {
      if (at && *at <= now) dirty_.insert(id);
    }
  }
  for (int round = 0; round < kRounds && !dirty_.empty(); ++round) {
    const std::set<BackendId> changed = std::exchange(dirty_, {});
    for (const BackendId id : changed) look_at(id);
  }
  count_traffic();
  plan_retry();
}

void Agent::plan_retry() {
  if (trouble_) {
    retry_after_ = std::clamp(2 * retry_after_, kRetryFirst, kRetryLast);
    retry_ = now_ + retry_after_;
  } else if (!retry_) {
    retry_after_ = Milliseconds{0};
  }
  trouble_ = false;
}

std::optional<Milliseconds> Agent::wake_at(Milliseconds now) const {
  if (!dirty_.empty()) return now;
  std::optional<Milliseconds> first = retry_;
  const auto consider = [&](Milliseconds at) { first = first ? std::min(*first, at) : at; };
  for (const auto& [id, known] : known_) {
    for (const auto& at : {known.patience, known.removal}) {
      if (at && *at > now_) consider(*at);
    }
    if (known.counting) consider(now_ + interval(now_ - *known.counting));
  }
  return first;
}

void Agent::look_at(BackendId id) {
  auto backend = read_backend(store_, path_of(id), id);
  if (!backend) return trouble(backend.error());
  if (!*backend) return forget(id);
  Known& known = known_[id];
  if ((*backend)->leaving()) return take_away(**backend, known);
  known.removal.reset();
  serve(**backend, known);
}

void Agent::serve(const Backend& backend, Known& known) {
  if (!failure_.empty()) return answer(backend, {Outcome::What::refused, failure_, {}});
  Outcome outcome = service_.serve(backend);
  known.served = outcome.what == Outcome::What::connected;
  if (outcome.what != Outcome::What::waiting || !service_.ready()) {
    known.patience.reset();
  } else if (!known.patience) {
    known.patience = now_ + kPatience;
  } else if (*known.patience <= now_) {
    outcome.what = Outcome::What::refused;
  }
  answer(backend, outcome);
  if (backend.state != XenbusState::connected) {
    known.counted = false;
    known.counting.reset();
  } else if (known.served && !known.counted && !known.counting) {
    known.counting = now_;
  }
}

void Agent::answer(const Backend& backend, const Outcome& outcome) {
  const bool connected = outcome.what == Outcome::What::connected;
  if (outcome.what == Outcome::What::waiting) return;
  const std::string status = connected ? "connected" : "error";
  if (backend.node("hotplug-status") == status && outcome.nodes.empty() &&
      (connected || backend.node("hotplug-error") == outcome.words))
    return;
  if (!connected) log_(backend.path + ": " + outcome.words);
  // In one step, and not into a directory that goes away.
  check(store_.transaction([&](StoreView& view) -> Result<void> {
    auto state = view.read(backend.path + "/state");
    if (!state) return tl::unexpected<Error>(state.error());
    if (!*state) return {};
    for (const auto& [name, value] : outcome.nodes) {
      if (auto done = view.write(backend.path + "/" + name, value); !done) return done;
    }
    auto words = connected ? view.remove(backend.path + "/hotplug-error")
                           : view.write(backend.path + "/hotplug-error", outcome.words);
    if (!words) return words;
    return view.write(backend.path + "/hotplug-status", status);
  }));
}

void Agent::take_away(const Backend& backend, Known& known) {
  known.patience.reset();
  // A guest that starts another kernel closes its device and comes back to it.
  const bool closed = backend.state == XenbusState::closed;
  if (closed || !service_.bound(backend.id)) {
    if (known.counted) remove(traffic_node(backend.id));
    known.counted = false;
    known.counting.reset();
    if (!backend.online) {
      if (!known.removal) {
        // Nobody closes what no driver of the kernel ever had.
        if (!closed) write(backend.path + "/state", kClosed);
        let_go(backend.id, known);
        known.removal = now_ + kRemoveAfter;
      } else if (*known.removal <= now_) {
        remove(backend.path);
        forget(backend.id);
      }
    }
  }
}

void Agent::let_go(BackendId id, Known& known) {
  service_.release(id);
  known.served = false;
  // A disk that it had may be another's now.
  for (const auto& [other, state] : known_) {
    if (other != id && !state.served) dirty_.insert(other);
  }
}

void Agent::forget(BackendId id) {
  const auto found = known_.find(id);
  if (found == known_.end()) return;
  if (found->second.counted) remove(traffic_node(id));
  let_go(id, found->second);
  known_.erase(found);
}

void Agent::look_at_the_refused() {
  for (const auto& [id, known] : known_) {
    if (!known.served) dirty_.insert(id);
  }
}

void Agent::count_traffic() {
  for (auto& [id, known] : known_) {
    if (!known.counting) continue;
    const auto count = service_.traffic(id);
    const bool seen = count && *count > 0;
    if (!seen && now_ - *known.counting < kCountFor) continue;
    if (seen && !write(traffic_node(id), "1")) continue;
    known.counting.reset();
    known.counted = true;
  }
}

void Agent::tell_state() {
  std::string state = "starting", message;
  if (!failure_.empty()) {
    state = "failed";
    message = failure_;
  } else if (!told_state_.empty()) {
    state = service_.ready() ? "ready" : "waiting";
    message = service_.ready() ? "" : notes_;
  }
  if (message != told_message_) {
    if (message.empty()) {
      remove(data("message"));
    } else {
      write(data("message"), message);
    }
    told_message_ = message;
  }
  if (state == told_state_) return;
  if (!write(data("state"), state)) return;
  log_(message.empty() ? state : state + ": " + message);
  told_state_ = state;
}

void Agent::beat() {
  write(data("heartbeat"), std::to_string(++beats_));
}

void Agent::leave() {
  write(data("state"), "stopping");
  log_("stopping");
}

void Agent::stop() {
  leave();
  for (const std::string& words : service_.stop()) log_(words);
}

}  // namespace pciassign::agent
