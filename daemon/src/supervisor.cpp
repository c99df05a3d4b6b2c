// SPDX-License-Identifier: GPL-2.0-or-later
#include "supervisor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <type_traits>

namespace pciassign::daemon {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using supervision::Told;

/// A creation ends long before; one that hangs would keep the name.
constexpr seconds kXlLimit{60};
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

Error failure(std::string message, const std::string& name) {
  return {ErrorKind::failed, "E-DRIVER-DOMAIN", std::move(message),
          fmt::format("pciassign domain show {}", name), 0};
}

struct Telling {
  Told::What what;
  LogId id;
  const char* event;
  bool failure = false;
};
constexpr Telling kTellings[] = {
    {Told::What::phase, "driver-domain-phase", "phase"},
    {Told::What::ready, "driver-domain-ready", "done"},
    {Told::What::recovered, "driver-domain-recovered", "done"},
    {Told::What::failed, "driver-domain-failed", "failed", true},
    {Told::What::gave_up, "driver-domain-given-up", "failed", true},
    {Told::What::dependent_failed, "dependent-failed", "failed", true},
};
const Telling& way_of(Told::What what) {
  static constexpr Telling kOther{Told::What::began, "driver-domain", "began"};
  const auto* way = std::find_if(std::begin(kTellings), std::end(kTellings),
                                 [&](const Telling& one) { return one.what == what; });
  return way == std::end(kTellings) ? kOther : *way;
}

std::vector<std::string> arguments_of(std::vector<std::string> command) {
  if (!command.empty() && command.front() == "xl") command.erase(command.begin());
  return command;
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
    fs::remove(directory_ / (name + ".json"), ec);
    at = entries_.erase(at);
  }
  for (auto& [name, config] : domains) {
    if (const auto known = entries_.find(name); known != entries_.end()) {
      known->second.core.set_config(std::move(config));
      continue;
    }
    supervision::State state =
        supervision::read_state(read_text(directory_ / (name + ".json")), boot_, config.autostart);
    entries_.try_emplace(name, Entry(Supervision(std::move(config), std::move(state), new_uuid)));
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
    reactor_.post([this, alive = alive_] {
      if (*alive) settle();
    });
  }
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
    reactor_.post([this, alive = alive_] {
      if (*alive) settle();
    });
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
  const fs::path file = directory_ / (entry.core.config().name + ".json");
  Result<void> done;
  if (durable) {
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

void Supervisor::perform(Entry& entry, const supervision::Action& action) {
  namespace s = supervision;
  std::visit(
      [&](const auto& what) {
        using T = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<T, s::Rename>) {
          begin_rename(what);
        } else if constexpr (std::is_same_v<T, s::Create>) {
          begin_create(entry, what);
        } else if constexpr (std::is_same_v<T, s::Destroy>) {
          begin_destroy(entry, what);
        } else if constexpr (std::is_same_v<T, s::Fence>) {
          begin_fence(entry, what.domid);
        } else if constexpr (std::is_same_v<T, s::ShutDown>) {
          (void)toolstack_.ports().store.write(
              fmt::format("/local/domain/{}/control/shutdown", what.domid), "poweroff");
        } else if constexpr (std::is_same_v<T, s::GiveDevices>) {
          watcher_.take_over(what.domid, entry.core.config().name);
        } else if constexpr (std::is_same_v<T, s::Reconnect>) {
          entry.dependents.reset();
          if (auto done = reconnect(toolstack_.ports().store, what.dependent, what.domid);
              !done && done.error().kind != ErrorKind::not_found)
            log_.warning("driver-domain", done.error().message,
                         {{"domain", entry.core.config().name}});
        } else if constexpr (std::is_same_v<T, s::Remove>) {
          begin_remove(entry, what);
        } else if constexpr (std::is_same_v<T, s::Add>) {
          begin_add(entry, what);
        } else {
          tell(entry, what);
        }
      },
      action);
}

/// xl finds domains by this node alone.
void Supervisor::begin_rename(const supervision::Rename& rename) {
  const std::string home = fmt::format("/local/domain/{}", rename.domid);
  Store& store = toolstack_.ports().store;
  const Result<void> done = store.transaction([&](StoreView& view) -> Result<void> {
    const auto name = view.read(home + "/name");
    // A write would bring the directory of a domain that is gone back to life.
    if (!name || !*name) return {};
    if (auto written = view.write(home + "/name", rename.name); !written) return written;
    const auto vm = view.read(home + "/vm");
    if (!vm || !*vm || (*vm)->empty()) return {};
    const auto vm_name = view.read(**vm + "/name");
    return vm_name && *vm_name ? view.write(**vm + "/name", rename.name) : Result<void>{};
  });
  if (!done) log_.warning("driver-domain", done.error().message);
  // Nobody attaches to what is to be gone.
  if (rename.dead) watcher_.adopt(rename.domid);
}

std::function<void(Result<void>)> Supervisor::then(
    const std::string& name, std::function<void(Supervision&, const std::optional<Error>&)> what) {
  return [this, name, what = std::move(what)](const Result<void>& result) {
    const auto found = entries_.find(name);
    if (found == entries_.end() || stopped_) return;
    what(found->second.core, result ? std::nullopt : std::optional<Error>(result.error()));
    found->second.dirty = true;
    found->second.dependents.reset();
    settle();
  };
}

void Supervisor::begin_create(Entry& entry, const supervision::Create& create) {
  const config::DriverDomain& config = entry.core.config();
  const fs::path file = create.standby ? config.standby_config() : config.config;
  xl_.run({"create", "-e", "-q", file.string(), fmt::format("uuid=\"{}\"", create.uuid)},
          std::max(kXlLimit, config.start_timeout),
          then(config.name, [uuid = create.uuid](Supervision& core, const auto& error) {
            core.created(uuid, error, std::chrono::steady_clock::now());
          }));
}

void Supervisor::begin_destroy(Entry& entry, const supervision::Destroy& destroy) {
  xl_.run(
      {"destroy", std::to_string(destroy.domid)}, kXlLimit,
      then(entry.core.config().name, [uuid = destroy.uuid](Supervision& core, const auto& error) {
        core.destroyed(uuid, error, std::chrono::steady_clock::now());
      }));
}

void Supervisor::begin_fence(Entry& entry, DomId domid) {
  const auto over = then(entry.core.config().name, [domid](Supervision& core, const auto& error) {
    core.fenced(domid, error, std::chrono::steady_clock::now());
  });
  Result<void> done;
  const auto info = toolstack_.ports().xen.domain(domid);
  if (info && !info->paused && !info->gone()) done = toolstack_.ports().xen.pause(domid);
  Result<Plan> plan =
      done ? toolstack_.plan_fence(domid) : Result<Plan>(tl::unexpected<Error>(done.error()));
  if (plan) {
    JobHandlers handlers;
    handlers.on_done = [over](const Plan&, const PlanReport& report) {
      over(report.error ? Result<void>(tl::unexpected<Error>(*report.error)) : Result<void>{});
    };
    const Result<JobId> job = scheduler_.submit(std::move(*plan), std::move(handlers));
    if (job) return;
    done = tl::unexpected<Error>(job.error());
  } else {
    done = tl::unexpected<Error>(plan.error());
  }
  reactor_.post([over, done] { over(done); });
}

/// Removing takes as long as the guest makes it: others go on meanwhile.
void Supervisor::begin_remove(Entry& entry, const supervision::Remove& remove) {
  xl_.run(arguments_of(remove.command), kXlLimit,
          then(entry.core.config().name,
               [former = remove.former](Supervision& core, const auto& error) {
                 core.removed(former, error);
               }));
}

void Supervisor::begin_add(Entry& entry, const supervision::Add& add) {
  xl_.run(
      arguments_of(add.command), kXlLimit,
      then(entry.core.config().name, [former = add.former](Supervision& core, const auto& error) {
        core.added(former, error, std::chrono::steady_clock::now());
      }));
}

void Supervisor::plan_over(const Plan& plan, const PlanReport& report) {
  if (plan.kind != PlanKind::cleanup || !plan.domid || plan.devices.empty() || report.error) return;
  std::chrono::microseconds reset{0};
  for (const StepReport& step : report.steps)
    if (step.id == "reset") reset += step.took;
  for (auto& [name, entry] : entries_)
    entry.core.taken_back(*plan.domid, reset, std::chrono::steady_clock::now());
}

void Supervisor::tell(Entry& entry, const Told& told) {
  if (told.what == Told::What::recovered) count(entry, true);
  if (told.what == Told::What::recovery_failed) {
    count(entry, false);
    return;  // What began instead is told.
  }
  const std::string& name = entry.core.config().name;
  std::vector<LogField> fields{{"domain", name}};
  const auto& instance = entry.core.state().instance;
  std::optional<DomId> domid;
  if (instance) domid = instance->domid;
  if (domid) fields.push_back({"domid", std::to_string(*domid)});
  const Telling& way = way_of(told.what);
  rpc::ChangeEvent event{
      way.event, fmt::format("driver domain {} {}", name, told.words), domid, name, {}, {}, {}, {}};
  if (told.what == Told::What::phase) {
    fields.push_back({"phase", told.phase});
    fields.push_back({"us", std::to_string(told.took.count())});
    event.phase = told.phase;
    event.seconds = std::chrono::duration<double>(told.took).count();
    for (const Waiter& waiter : entry.waiters)
      if (waiter.on_phase)
        waiter.on_phase({told.phase, event.title, told.took, std::nullopt, false});
  }
  if (way.failure) {
    log_.error(way.id, event.title, fields);
    event.message = told.words;
  } else {
    log_.info(way.id, event.title, fields);
  }
  if (on_event) on_event(event);
  if (told.what == Told::What::failed || told.what == Told::What::gave_up)
    answer_failure(entry, event.title);
}

/// The recovery that came to its end last.
void Supervisor::count(const Entry& entry, bool done) {
  const auto& records = entry.core.state().recoveries;
  const auto over = std::find_if(records.rbegin(), records.rend(), [](const auto& record) {
    return record.result != supervision::RecoveryResult::running;
  });
  if (over != records.rend())
    metrics_.recovered(entry.core.config().name, std::string(to_string(over->cause)),
                       over->standby ? "standby" : "cold", done);
}

void Supervisor::answer_failure(Entry& entry, const std::string& words) {
  std::vector<Waiter> kept;
  for (Waiter& waiter : std::exchange(entry.waiters, {})) {
    if (waiter.change == Change::stop) {
      kept.push_back(std::move(waiter));
    } else {
      waiter.done(tl::unexpected<Error>(failure(words, entry.core.config().name)));
    }
  }
  entry.waiters = std::move(kept);
}

void Supervisor::answer(Entry& entry) {
  if (entry.waiters.empty()) return;
  const std::string word = entry.core.state_word();
  std::vector<Waiter> kept;
  for (Waiter& waiter : std::exchange(entry.waiters, {})) {
    const bool stop = waiter.change == Change::stop;
    if (word == (stop ? "stopped" : "ready")) {
      waiter.done(view(entry.core.config().name));
    } else if (stop ? entry.core.state().wanted : word == "stopped" || word == "given-up") {
      waiter.done(tl::unexpected<Error>(
          failure(fmt::format("driver domain {} is {}", entry.core.config().name, word),
                  entry.core.config().name)));
    } else {
      kept.push_back(std::move(waiter));
    }
  }
  for (Waiter& waiter : entry.waiters) kept.push_back(std::move(waiter));
  entry.waiters = std::move(kept);
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

Result<rpc::DriverDomainView> Supervisor::view(const std::string& name) {
  const auto found = entries_.find(name);
  if (found == entries_.end())
    return fail(ErrorKind::not_found, fmt::format("no driver domain {} is configured", name),
                "`pciassign domain list` shows them");
  if (auto domains = toolstack_.ports().xen.domains()) domains_ = std::move(*domains);
  supervision::Facts facts = gather(found->second);
  found->second.dependents.reset();
  gather_dependents(found->second, facts);
  return found->second.core.view(facts);
}

std::vector<Metrics::Present::DriverDomain> Supervisor::present() const {
  std::vector<Metrics::Present::DriverDomain> all;
  for (const auto& [name, entry] : entries_) {
    Metrics::Present::DriverDomain& one = all.emplace_back();
    one.name = name;
    one.state = entry.core.state_word();
    const auto& recoveries = entry.core.state().recoveries;
    if (recoveries.empty()) continue;
    for (const auto& phase : recoveries.back().phases)
      one.phases.emplace_back(phase.phase, std::chrono::duration<double>(phase.took).count());
  }
  return all;
}

std::vector<rpc::DriverDomainView> Supervisor::views() {
  std::vector<rpc::DriverDomainView> all;
  for (const auto& [name, entry] : entries_)
    if (auto one = view(name)) all.push_back(std::move(*one));
  return all;
}

}  // namespace pciassign::daemon
