// SPDX-License-Identifier: GPL-2.0-or-later
#include "supervisor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "pciassign/uuid.hpp"

namespace pciassign::daemon {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using supervision::Told;

/// One look leads to another where something was done at once; never endlessly.
constexpr int kMostLooks = 4;

}  // namespace

Supervisor::Supervisor(Reactor& reactor, Toolstack& toolstack, Scheduler& scheduler,
                       DomainWatcher& watcher, Xl& xl, Log& log, Metrics& metrics, Places places)
    : reactor_(reactor),
      toolstack_(toolstack),
      scheduler_(scheduler),
      watcher_(watcher),
      xl_(xl),
      log_(log),
      metrics_(metrics),
      places_(std::move(places)),
      timer_(reactor.make_timer()) {
  scheduler_.on_plan_over = [this](const Plan& plan, const PlanReport& report) {
    plan_over(plan, report);
  };
  watcher_.on_given = [this](DomId domid, const std::optional<Error>& error) {
    for (auto& [name, entry] : entries_) entry.core.given(domid, error);
  };
  watcher_.is_instance = [this](const std::string& name, const std::string& uuid) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return false;
    const auto& instance = found->second.core.state().instance;
    return instance && instance->uuid == uuid;
  };
}

void Supervisor::set_domains(config::DriverDomains domains) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    auto& [name, entry] = *at;
    if (domains.contains(name)) {
      ++at;
      continue;
    }
    for (const DomId domid : entry.watched)
      (void)toolstack_.ports().store.unwatch(fmt::format("/local/domain/{}/data/pciassign", domid),
                                             token_of(entry));
    watch_namesake(entry, {});
    follow(entry, {});
    for (const Waiter& waiter : entry.waiters)
      waiter.done(tl::unexpected<Error>(failure("is no longer configured", name)));
    std::error_code ec;
    for (const fs::path& directory : {places_.state, places_.history})
      fs::remove(directory / entry.file, ec);
    at = entries_.erase(at);
  }
  for (auto& [name, config] : domains) {
    if (const auto known = entries_.find(name); known != entries_.end()) {
      known->second.core.set_config(std::move(config));
      continue;
    }
    const auto parsed = config::DriverDomainName::parse(name);
    if (!parsed) {
      log_.error("driver-domain-state", parsed.error().message, {{"domain", name}});
      continue;
    }
    std::string file = parsed->file_name(".json");
    supervision::State state = restore(config, file);
    Entry entry(Supervision(std::move(config), std::move(state), new_uuid));
    entry.file = std::move(file);
    entries_.try_emplace(name, std::move(entry));
  }
}

Supervisor::~Supervisor() {
  *alive_ = false;
}

void Supervisor::stop() {
  stopped_ = true;
  timer_->cancel();
}

void Supervisor::compare() {
  if (stopped_ || entries_.empty()) return;
  for (auto& [name, entry] : entries_) {
    entry.dirty = true;
    entry.dependents.reset();
  }
  settle();
}

void Supervisor::event(const WatchEvent& event) {
  if (!noticed_) noticed_ = std::chrono::steady_clock::now();
  unsigned domid = 0;
  int end = 0;
  const bool beat = std::sscanf(event.path.c_str(), "/local/domain/%u/data/pciassign/heartbeat%n",
                                &domid, &end) == 1 &&
                    end == static_cast<int>(event.path.size());
  const auto found = entries_.find(std::string_view(event.token).substr(kToken.size()));
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  // A heartbeat says nothing but that there is one: the rest need not be looked at.
  if (!beat || entry.core.heard(domid, std::chrono::steady_clock::now())) entry.dirty = true;
}

/// libxl takes a domain's devices away before it destroys the domain, which serves its guests until
/// then: a block front end would fail what is under way. The domain is stopped before it notices.
bool Supervisor::device_event(const std::string& path) {
  unsigned domid = 0, device = 0;
  if (std::sscanf(path.c_str(), "backend/pci/%u/0/state-%u", &domid, &device) != 2) return false;
  const auto ours = std::find_if(entries_.begin(), entries_.end(), [&](const auto& item) {
    const auto& instance = item.second.core.state().instance;
    return instance && instance->domid == domid;
  });
  if (ours == entries_.end()) return false;
  const auto info = toolstack_.ports().xen.domain(domid);
  if (!info || info->uuid_str() != ours->second.core.state().instance->uuid) return false;
  const bool closing =
      read("/local/domain/0/" + path) == std::to_string(static_cast<int>(XenbusState::closing));
  if (!closing || scheduler_.conflict(std::vector<Sbdf>{}, domid) ||
      !ours->second.core.loses_device(domid))
    return false;
  if (!info->paused && !info->gone()) (void)toolstack_.ports().xen.pause(domid);
  return ours->second.dirty = true;
}

void Supervisor::plan_event(const rpc::ChangeEvent& event) {
  if (!event.domid || event.step.state != "running" || event.step.step.id != "wait-connected")
    return;
  for (auto& [name, entry] : entries_) {
    if (!entry.core.exposed(*event.domid)) continue;
    entry.dirty = true;
    settle_later();
  }
}

void Supervisor::settle_later() {
  reactor_.post([this, alive = alive_] {
    if (*alive) settle();
  });
}

void Supervisor::settle() {
  if (stopped_ || busy_) return;
  busy_ = true;
  bool looked = false;
  for (auto& [name, entry] : entries_) {
    if (!std::exchange(entry.dirty, false)) continue;
    if (!std::exchange(looked, true)) {
      auto domains = toolstack_.ports().xen.domains();
      if (!domains) {
        log_.error("domains", domains.error().message);
        break;
      }
      domains_ = std::move(*domains);
    }
    run(entry);
  }
  noticed_.reset();
  busy_ = false;
  // Something ended at once while the others were looked at.
  if (std::any_of(entries_.begin(), entries_.end(),
                  [](const auto& item) { return item.second.dirty; }))
    settle_later();
  arm();
}

void Supervisor::run(Entry& entry) {
  bool more = true;
  for (int looks = 0; more && looks < kMostLooks; ++looks) {
    supervision::Facts facts = gather(entry);
    if (!entry.core.needs_dependents()) {
      follow(entry, {});
    } else if (entry.core.can_connect(facts)) {
      gather_dependents(entry, facts);  // Many reads: not while there is nobody to connect to.
    }
    const std::vector<supervision::Action> actions = entry.core.step(facts);
    const bool saved = save(entry, false);
    for (const supervision::Action& action : actions) {
      // Its addition would be lost with this process.
      if (const auto* remove = std::get_if<supervision::Remove>(&action); remove && !saved)
        entry.core.removed(remove->former,
                           failure("the state cannot be saved", entry.core.config().name));
      else
        perform(entry, action);
    }
    more = std::any_of(actions.begin(), actions.end(), [](const supervision::Action& action) {
      return !std::holds_alternative<Told>(action);
    });
  }
  answer(entry);
}

/// Releases before this one kept all of it where the history is now.
supervision::State Supervisor::restore(const config::DriverDomain& config,
                                       const std::string& name) {
  const auto file = [&](const fs::path& directory) { return directory / name; };
  for (const fs::path& directory : {places_.state, places_.history}) {
    const std::string text = text_of(file(directory));
    const auto boot = supervision::boot_of(text);
    if (boot && *boot == places_.boot)
      return supervision::read_state(text, places_.boot, config.autostart);
    // Without identity it is history, which this place is not for.
    if (boot || (!text.empty() && directory == places_.state))
      log_.warning("former-record",
                   fmt::format("dropped: {}: it is not of this boot; how the recoveries went stays",
                               file(directory).string()),
                   {{"domain", config.name}, {"file", file(directory).string()}});
  }
  return supervision::read_state(text_of(file(places_.history)), places_.boot, config.autostart);
}

/// Before anything is done: what is done without being written down nobody would take up again.
bool Supervisor::save(Entry& entry, bool durable) {
  std::string text =
      boost::json::serialize(supervision::to_json(entry.core.state(), places_.boot)) + "\n";
  if (text != entry.saved) {
    if (!write(entry, places_.state, text, durable)) return false;
    entry.saved = std::move(text);
  }
  save_history(entry);
  return true;
}

/// Not in the middle of a recovery: it is not over, and other things are urgent.
void Supervisor::save_history(Entry& entry) {
  const auto& recoveries = entry.core.state().recoveries;
  if (std::any_of(recoveries.begin(), recoveries.end(), [](const auto& record) {
        return record.result == supervision::RecoveryResult::running;
      }))
    return;
  std::string text = boost::json::serialize(supervision::history_json(entry.core.state())) + "\n";
  if (text != entry.saved_history && write(entry, places_.history, text, false))
    entry.saved_history = std::move(text);
}

bool Supervisor::write(const Entry& entry, const fs::path& directory, const std::string& text,
                       bool durable) {
  const fs::path file = directory / entry.file;
  Result<void> done;
  if (durable) {
    done = config::replace_file(file, text);
  } else {
    // No sync in the middle of a recovery.
    std::error_code ec;
    fs::create_directories(directory, ec);
    const fs::path fresh = file.string() + ".new";
    std::ofstream out(fresh);
    out << text;
    out.close();
    if (!out)
      done = fail_errno("cannot write " + fresh.string());
    else if (fs::rename(fresh, file, ec); ec)
      done = fail_errno("cannot write " + file.string(), ec.value());
  }
  if (!done)
    log_.error("driver-domain-state", done.error().message, {{"domain", entry.core.config().name}});
  return done.has_value();
}

void Supervisor::plan_over(const Plan& plan, const PlanReport& report) {
  if (plan.kind != PlanKind::cleanup || !plan.domid || plan.devices.empty() || report.error) return;
  std::chrono::microseconds reset{0};
  for (const StepReport& step : report.steps)
    if (step.id == "reset") reset += step.took;
  for (auto& [name, entry] : entries_)
    entry.core.taken_back(*plan.domid, reset, std::chrono::steady_clock::now());
}

Result<void> Supervisor::change(const std::string& name, Change what,
                                std::optional<Waiter> waiter) {
  const auto found = entries_.find(name);
  if (found == entries_.end())
    return fail(ErrorKind::not_found, fmt::format("no driver domain {} is configured", name),
                "`pciassign domain list` shows them");
  Entry& entry = found->second;
  const auto now = std::chrono::steady_clock::now();
  switch (what) {
    case Change::start:
      entry.core.start(now);
      break;
    case Change::stop:
      entry.core.stop(now);
      break;
    case Change::recover:
      entry.core.recover(now);
      break;
  }
  save(entry, true);
  entry.dirty = true;
  settle();
  if (waiter) {
    entry.waiters.push_back(std::move(*waiter));
    answer(entry);
  }
  return {};
}

void Supervisor::arm() {
  std::optional<supervision::Time> next;
  for (const auto& [name, entry] : entries_)
    if (const auto wake = entry.core.wake(); wake && (!next || *wake < *next)) next = wake;
  if (!next || stopped_) {
    timer_->cancel();
    return;
  }
  timer_->at(*next, [this] { compare(); });
}

}  // namespace pciassign::daemon
