// SPDX-License-Identifier: GPL-2.0-or-later
#include "supervisor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <random>

namespace pciassign::daemon {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using supervision::Told;

/// One look leads to another where something was done at once; never endlessly.
constexpr int kMostLooks = 4;

std::string read_text(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string new_uuid() {
  std::random_device random;
  std::array<std::uint8_t, 16> bytes{};
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  DomainInfo info;
  info.uuid = bytes;
  info.uuid[6] = static_cast<std::uint8_t>((info.uuid[6] & 0x0f) | 0x40);
  info.uuid[8] = static_cast<std::uint8_t>((info.uuid[8] & 0x3f) | 0x80);
  return info.uuid_str();
}

}  // namespace

Supervisor::Supervisor(Reactor& reactor, Toolstack& toolstack, Scheduler& scheduler,
                       DomainWatcher& watcher, Xl& xl, Log& log, Metrics& metrics,
                       fs::path directory)
    : reactor_(reactor),
      toolstack_(toolstack),
      scheduler_(scheduler),
      watcher_(watcher),
      xl_(xl),
      log_(log),
      metrics_(metrics),
      directory_(std::move(directory)),
      boot_(read_text("/proc/sys/kernel/random/boot_id").substr(0, 36)),
      timer_(reactor.make_timer()) {
  scheduler_.on_plan_over = [this](const Plan& plan, const PlanReport& report) {
    plan_over(plan, report);
  };
  watcher_.on_given = [this](DomId domid, const std::optional<Error>& error) {
    for (auto& [name, entry] : entries_) entry.core.given(domid, error);
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
    follow(entry, {});
    for (const Waiter& waiter : entry.waiters)
      waiter.done(tl::unexpected<Error>(failure("is no longer configured", name)));
    std::error_code ec;
    if (const auto file = state_file_of(name)) fs::remove(*file, ec);
    at = entries_.erase(at);
  }
  for (auto& [name, config] : domains) {
    if (const auto known = entries_.find(name); known != entries_.end()) {
      known->second.core.set_config(std::move(config));
      continue;
    }
    const auto file = state_file_of(name);
    if (!file) {
      log_.error("driver-domain-state", file.error().message, {{"domain", name}});
      continue;
    }
    supervision::State state = supervision::read_state(read_text(*file), boot_, config.autostart);
    entries_.try_emplace(name, Entry(Supervision(std::move(config), std::move(state), new_uuid)));
  }
}

Result<fs::path> Supervisor::state_file_of(const std::string& name) const {
  return config::DriverDomainName::parse(name).map(
      [this](const config::DriverDomainName& parsed) { return state_file(parsed); });
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
  const bool closing =
      read("/local/domain/0/" + path) == std::to_string(static_cast<int>(XenbusState::closing));
  if (!closing || scheduler_.conflict(std::vector<Sbdf>{}, domid) ||
      !ours->second.core.loses_device(domid))
    return false;
  const auto info = toolstack_.ports().xen.domain(domid);
  if (info && !info->paused && !info->gone()) (void)toolstack_.ports().xen.pause(domid);
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

/// Before anything is done: what is done without being written down nobody would take up again.
bool Supervisor::save(Entry& entry, bool durable) {
  std::string text = boost::json::serialize(supervision::to_json(entry.core.state(), boot_)) + "\n";
  if (text == entry.saved) return true;
  const auto place = state_file_of(entry.core.config().name);
  const fs::path file = place.value_or(fs::path{});
  Result<void> done;
  if (!place) {
    done = tl::unexpected<Error>(place.error());
  } else if (durable) {
    done = config::replace_file(file, text);
  } else {
    // The domains do not survive a crash of dom0 either: no sync in the middle of a recovery.
    std::error_code ec;
    fs::create_directories(directory_, ec);
    const fs::path fresh = file.string() + ".new";
    std::ofstream out(fresh);
    out << text;
    out.close();
    if (!out)
      done = fail_errno("cannot write " + fresh.string());
    else if (fs::rename(fresh, file, ec); ec)
      done = fail_errno("cannot write " + file.string(), ec.value());
  }
  if (!done) {
    log_.error("driver-domain-state", done.error().message, {{"domain", entry.core.config().name}});
    return false;
  }
  entry.saved = std::move(text);
  return true;
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
