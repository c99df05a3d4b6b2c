// SPDX-License-Identifier: GPL-2.0-or-later
#include "domain_watcher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pciassign::daemon {
namespace {

using Pause = StateFiles::Pause;
using std::chrono::seconds;

constexpr seconds kFirstRetry{1}, kLongestRetry{60};
/// As long as a toolstack may take from the introduction of a domain to its own unpause.
constexpr seconds kReleasing{20};
/// A domain that is to start in any case waits no longer for what its predecessor left.
constexpr seconds kLongestWait{60};

std::string name_path(DomId domid) {
  return fmt::format("/local/domain/{}/name", domid);
}

/// ESRCH: it is gone, and its number may be another domain's by now. EINVAL: it is not paused, so
/// it runs already.
Result<void> unpause(Ports& ports, const DomainInfo& domain) {
  const auto now = ports.xen.domain(domain.domid);
  if (!now && now.error().kind != ErrorKind::not_found) return tl::unexpected<Error>(now.error());
  if (!now || now->uuid != domain.uuid)
    return fail_errno(fmt::format("domain {} is gone, or another one by now", domain.domid), ESRCH);
  auto done = ports.xen.unpause(domain.domid);
  if (!done && done.error().sys_errno == EINVAL) return {};
  return done;
}

}  // namespace

std::vector<LogField> DomainWatcher::fields_of(const Domain& domain) {
  std::vector<LogField> fields{{"domain", domain.name},
                               {"domid", std::to_string(domain.info.domid)}};
  for (const DeviceSpec& spec : domain.devices) {
    if (spec.name.empty()) fields.push_back({"bdf", spec.sbdf.str()});
  }
  return fields;
}

Step unpause_step(const DomainInfo& domain, const std::string& name) {
  Step step;
  step.id = "unpause";
  step.words = fmt::format("let {} run", name);
  step.run = [domain](Ports& ports) { return unpause(ports, domain); };
  return step;
}

DomainWatcher::DomainWatcher(Reactor& reactor, Toolstack& toolstack, Scheduler& scheduler,
                             StateFiles& files, Log& log, Metrics& metrics)
    : toolstack_(toolstack),
      scheduler_(scheduler),
      files_(files),
      log_(log),
      metrics_(metrics),
      timer_(reactor.make_timer()) {}

void DomainWatcher::stop() {
  stopped_ = true;
  timer_->cancel();
}

void DomainWatcher::set_assignments(config::Assignments assignments,
                                    std::set<std::string> supervised,
                                    std::map<std::string, Error> bad) {
  assignments_ = std::move(assignments);
  supervised_ = std::move(supervised);
  bad_ = std::move(bad);
  // What is new for a running domain is attached; what is gone stays until it is detached.
  for (auto& [domid, domain] : domains_) {
    if (domain.stage == Stage::over || domain.stage == Stage::failed) look_at(domain);
  }
}

void DomainWatcher::notice() {
  const Result<std::vector<DomainInfo>> running = toolstack_.ports().xen.domains();
  if (!running) {
    log_.error("domains", running.error().message);
    return;
  }
  std::map<DomId, Domain> still;
  for (const DomainInfo& info : *running) {
    if (info.domid == kDom0 || info.domid >= kDomIo - 1) continue;
    const auto known = domains_.find(info.domid);
    const bool same = known != domains_.end() && known->second.info.uuid == info.uuid;
    Domain& domain = still[info.domid];
    if (same) domain = std::move(known->second);
    domain.info = info;
    if (same) domains_.erase(known);
    if (info.gone()) {
      if (domain.stage == Stage::unnamed)
        (void)toolstack_.ports().store.unwatch(name_path(info.domid), "name");
      domain.stage = Stage::over;
    } else if (!info.paused &&
               (domain.stage == Stage::failed || domain.stage == Stage::releasing)) {
      see_unpaused(domain);
    } else if (domain.stage == Stage::unnamed || domain.stage == Stage::held) {
      look_at(domain);
    }
  }
  domains_.swap(still);
  for (const auto& [domid, gone] : still) forget(gone);
}

void DomainWatcher::forget(const Domain& domain) {
  // Its number may have gone to another domain, whose name is waited for as well.
  const auto known = domains_.find(domain.info.domid);
  const bool watched = known != domains_.end() && known->second.stage == Stage::unnamed;
  if (domain.stage == Stage::unnamed && !watched) {
    (void)toolstack_.ports().store.unwatch(name_path(domain.info.domid), "name");
  }
  if (known == domains_.end()) files_.clear_pause(domain.info.domid);
}

/// Somebody let the domain run: there is nothing left for us to let go.
void DomainWatcher::see_unpaused(Domain& domain) {
  if (domain.stage == Stage::failed)
    log_.warning("started-without", "was started by hand, without its devices", fields_of(domain));
  files_.clear_pause(domain.info.domid);
  domain.stage = Stage::over;
}

void DomainWatcher::read_name(Domain& domain) {
  if (!domain.name.empty()) return;
  Store& store = toolstack_.ports().store;
  const std::string path = name_path(domain.info.domid);
  const auto name = store.read(path);
  if (name && *name && !(*name)->empty()) {
    domain.name = **name;
    (void)store.unwatch(path, "name");  // An error only says that it was not watched.
  } else {
    (void)store.watch(path, "name");  // Already watched: an error that does not matter.
  }
}

void DomainWatcher::look_at(Domain& domain) {
  read_name(domain);
  if (domain.name.empty()) return;
  if (holds_.contains(domain.name)) {
    domain.stage = Stage::held;
    return;
  }
  domain.devices = missing(domain);
  auto note = files_.pause_of(domain.info);
  if (note != Pause::none && !domain.info.paused) {
    // It runs, so that the note is what a former daemon left when it let the domain go.
    files_.clear_pause(domain.info.domid);
    note = Pause::none;
  }
  // One that runs, or was dealt with before, is left alone.
  if (const auto good = readable(domain.name); !good && !supervised_.contains(domain.name) &&
                                               domain.info.paused && note != Pause::releasing &&
                                               domain.stage != Stage::over) {
    if (note == Pause::none && domain.stage != Stage::failed) pause(domain);
    hold_back(domain, good.error());
    return;
  }
  if (domain.devices.empty()) {
    domain.stage = Stage::over;
    // An earlier daemon attached everything and died before it let the domain go,
    if (note == Pause::ours) release(domain);
    // or when it did. Then the pause is ours, or the toolstack's, which goes by itself.
    if (note == Pause::releasing) {
      domain.stage = Stage::releasing;
      domain.again = std::chrono::steady_clock::now() + kReleasing;
    }
    return;
  }
  const auto assignment = assignments_.find(domain.name);
  if (assignment != assignments_.end()) domain.on_failure = assignment->second.on_failure;
  domain.stage = Stage::due;
  if (note != Pause::none) {
    domain.mode = AttachMode::cold;
  } else if (domain.info.paused) {
    pause(domain);
  } else {
    // Too late for "before the first instruction": attach as to any running domain.
    domain.mode = AttachMode::hot;
    log_.warning("domain-runs-already", "the domain was running before its devices were attached",
                 fields_of(domain));
  }
}

std::vector<DeviceSpec> DomainWatcher::missing(const Domain& domain) {
  std::vector<DeviceSpec> wanted = configured(domain.info, domain.name);
  for (DeviceSpec& spec : files_.created(domain.info)) {
    const bool twice = std::any_of(wanted.begin(), wanted.end(), [&](const DeviceSpec& other) {
      return other.name == spec.name && other.sbdf == spec.sbdf;
    });
    if (!twice) wanted.push_back(std::move(spec));
  }
  if (wanted.empty()) return wanted;
  const auto records = toolstack_.ports().journal.all();
  if (!records) return wanted;  // The plan will say what is wrong with the journal.
  std::erase_if(wanted, [&](const DeviceSpec& spec) {
    return std::any_of(records->begin(), records->end(), [&](const AttachmentRecord& record) {
      Sbdf device = record.device;
      if (spec.all_functions) device.function = spec.sbdf.function;
      return spec.name.empty() && device == spec.sbdf && record.domid == domain.info.domid &&
             record.domain_uuid == domain.info.uuid_str() && record.phase == Phase::attached;
    });
  });
  return wanted;
}

void DomainWatcher::pause(Domain& domain) {
  const auto fields = fields_of(domain);
  if (const auto paused = toolstack_.ports().xen.pause(domain.info.domid); !paused) {
    log_.error("pause-failed", paused.error().message, fields);
    domain.mode = AttachMode::hot;
    return;
  }
  // First the pause, then the note: a daemon that dies between leaves a paused domain, which an
  // administrator can let go, rather than one that started without its devices.
  if (const auto noted = files_.set_pause(domain.info, Pause::ours); !noted) {
    log_.warning("pause-not-noted", noted.error().message, fields);
  }
  domain.mode = AttachMode::cold;
  log_.info("domain-paused", "paused until its devices are attached", fields);
}

/// Without the entry nobody knows what it is to have, nor whether it may start without.
void DomainWatcher::hold_back(Domain& domain, const Error& why) {
  if (domain.mode != AttachMode::cold) {  // It could not be paused.
    domain.stage = Stage::over;
    return;
  }
  metrics_.failed(why);
  fail_paused(domain, why);
}

void DomainWatcher::release(Domain& domain) {
  const auto done = let_run(domain).run(toolstack_.ports());
  if (done || done.error().sys_errno == ESRCH) {
    files_.clear_pause(domain.info.domid);
    domain.stage = Stage::over;
    return;
  }
  log_.error("unpause-failed", done.error().message, fields_of(domain));
  domain.stage = Stage::releasing;  // tried again
  domain.again = std::chrono::steady_clock::now() + kFirstRetry;
}

/// The note comes first: a daemon that dies after the unpause must not be followed by one that
/// takes the toolstack's pause for ours.
Step DomainWatcher::let_run(const Domain& domain) {
  Step step = unpause_step(domain.info, domain.name);
  step.run = [this, info = domain.info, fields = fields_of(domain)](Ports& ports) -> Result<void> {
    if (auto noted = files_.set_pause(info, Pause::releasing); !noted)
      log_.warning("pause-not-noted", noted.error().message, fields);
    return unpause(ports, info);
  };
  return step;
}

void DomainWatcher::proceed() {
  const auto now = std::chrono::steady_clock::now();
  std::vector<DomId> due;
  for (auto& [domid, domain] : domains_) {
    const bool again = domain.again <= now;
    if (domain.stage == Stage::releasing && again) release(domain);
    if (domain.stage == Stage::failed && again) look_at(domain);  // what is missing by now
    if (domain.stage == Stage::due) due.push_back(domid);
  }
  for (const DomId domid : due) attach(domains_.at(domid));
  arm();
}

void DomainWatcher::arm() {
  Time next = Time::max();
  for (const auto& [domid, domain] : domains_) {
    if (domain.stage == Stage::failed || domain.stage == Stage::releasing)
      next = std::min(next, domain.again);
  }
  if (next == Time::max() || stopped_) {
    timer_->cancel();
    return;
  }
  timer_->at(next, [this] {
    if (compare) compare();
  });
}

/// Until something that is under way is over: a plan, or the predecessor's clean-up.
void DomainWatcher::wait_for(Domain& domain, const Error& busy) {
  domain.in_its_way = busy;
  if (!std::exchange(domain.waits, true)) {
    domain.waits_since = std::chrono::steady_clock::now();
    log_.info("domain-waits", busy.message, fields_of(domain));
  }
}

void DomainWatcher::attach(Domain& domain) {
  const DomId domid = domain.info.domid;
  if (const auto busy = scheduler_.conflict(domain.devices, domid)) {
    wait_for(domain, *busy);
    return;  // Comes back when that plan is over.
  }
  if (const auto busy = toolstack_.awaits_clean_up(domain.devices); busy && *busy) {
    wait_for(domain, **busy);
    const auto waited = std::chrono::steady_clock::now() - domain.waits_since;
    if (domain.on_failure == config::OnFailure::start && waited > kLongestWait) over(domid, **busy);
    return;  // Comes back after each try to clean up.
  }
  domain.waits = false;
  Result<Plan> plan = toolstack_.plan_attach(domid, domain.devices, domain.mode);
  if (!plan) {
    over(domid, plan.error());
    return;
  }
  if (domain.mode == AttachMode::cold) plan->steps.push_back(let_run(domain));
  JobHandlers handlers;
  handlers.on_done = [this, domid, uuid = domain.info.uuid](const Plan&, const PlanReport& report) {
    const auto found = domains_.find(domid);
    if (found != domains_.end() && found->second.info.uuid == uuid) over(domid, report.error);
  };
  domain.stage = Stage::attaching;
  if (const Result<JobId> job = scheduler_.submit(std::move(*plan), std::move(handlers)); !job) {
    domain.stage = Stage::due;
    if (job.error().kind != ErrorKind::busy) over(domid, job.error());
  }
}

void DomainWatcher::over(DomId domid, const std::optional<Error>& error) {
  const auto found = domains_.find(domid);
  if (found == domains_.end()) return;
  Domain& domain = found->second;
  domain.stage = Stage::over;
  // Undone because we stop: the domain stays paused and noted, and the next daemon takes it up.
  if (error && scheduler_.draining()) return;
  auto fields = fields_of(domain);
  if (error && !error->code.empty()) fields.push_back({"code", error->code});
  const bool cold = domain.mode == AttachMode::cold;
  if (domain.info.gone()) {
    files_.clear_pause(domid);
    return;
  }
  if (on_given) on_given(domid, error);
  if (!error) {
    files_.clear_pause(domid);
    log_.info("domain-ready", "has its devices", fields);
    return;
  }
  metrics_.failed(*error);
  const std::string hint = error->hint.empty() ? "" : " (" + error->hint + ")";
  if (!cold) {
    log_.error("attach-failed", error->message + hint, fields);
    return;
  }
  if (domain.on_failure == config::OnFailure::start) {
    log_.error("attach-failed", "starts WITHOUT its devices: " + error->message + hint, fields);
    release(domain);
  } else {
    fail_paused(domain, *error);
  }
  arm();
}

/// Nobody but us will attach the devices, and what is in the way may go: another domain lets go
/// of one, a driver is unbound, the firmware's setting is found and the machine stays up.
void DomainWatcher::fail_paused(Domain& domain, const Error& error) {
  const auto pause = std::min(kLongestRetry, kFirstRetry * (1U << std::min(domain.failures, 6U)));
  ++domain.failures;
  metrics_.backed_off(Metrics::Retried::attach);
  domain.stage = Stage::failed;
  domain.again = std::chrono::steady_clock::now() + pause;
  auto fields = fields_of(domain);
  fields.push_back({"seconds", std::to_string(pause.count())});
  if (!error.code.empty()) fields.push_back({"code", error.code});
  if (files_.pause_of(domain.info) == Pause::releasing)
    (void)files_.set_pause(domain.info, Pause::ours);  // else the next attempt notes it
  const bool told = domain.failures > 1 && domain.why.message == error.message;
  domain.why = error;
  if (told) {
    log_.debug("attach-retry", error.message, std::move(fields));
    return;
  }
  const std::string hint = error.hint.empty() ? "" : " (" + error.hint + ")";
  log_.error(
      "attach-failed",
      fmt::format("stays paused, and is tried again: {}{}; to start it anyway: xl unpause {}",
                  error.message, hint, domain.info.domid),
      std::move(fields));
}

Result<void> DomainWatcher::hold(const std::string& name, std::uint64_t session) {
  const auto [at, fresh] = holds_.emplace(name, session);
  if (!fresh && at->second != session) {
    return fail(ErrorKind::busy, fmt::format("another `pciassign create` makes {}", name));
  }
  return {};
}

bool DomainWatcher::release_holds(std::uint64_t session) {
  return std::erase_if(holds_, [session](const auto& item) { return item.second == session; }) > 0;
}

void DomainWatcher::adopt(DomId domid) {
  const auto found = domains_.find(domid);
  if (found != domains_.end()) found->second.stage = Stage::over;
}

void DomainWatcher::take_over(DomId domid, const std::string& name) {
  const auto found = domains_.find(domid);
  if (found == domains_.end() || found->second.info.gone()) return;
  Domain& domain = found->second;
  domain.name = name;
  domain.devices = missing(domain);
  domain.mode = AttachMode::hot;
  domain.waits = false;
  domain.stage = domain.devices.empty() ? Stage::over : Stage::due;
  proceed();
}

Result<void> DomainWatcher::readable(const std::string& name) const {
  const auto found = bad_.find(name);
  if (found == bad_.end()) return {};
  return tl::unexpected<Error>(found->second);
}

std::vector<DeviceSpec> DomainWatcher::configured(const DomainInfo& domain,
                                                  const std::string& name) const {
  // Others may have a driver domain's name: its devices are for the supervisor's own alone.
  if (supervised_.contains(name) && !(is_instance && is_instance(name, domain.uuid_str())))
    return {};
  const auto found = assignments_.find(name);
  return found == assignments_.end() ? std::vector<DeviceSpec>{} : found->second.devices;
}

std::vector<std::string> DomainWatcher::configured_names() const {
  std::vector<std::string> names;
  for (const auto& [name, assignment] : assignments_) names.push_back(name);
  return names;
}

std::vector<rpc::RetryView> DomainWatcher::retries() const {
  std::vector<rpc::RetryView> views;
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [domid, domain] : domains_) {
    const bool in_line = domain.stage == Stage::due && domain.waits;
    if (domain.stage != Stage::failed && !in_line) continue;
    std::optional<double> seconds;
    if (!in_line)
      seconds = std::max(std::chrono::duration<double>(domain.again - now).count(), 0.0);
    const Error& why = in_line ? domain.in_its_way : domain.why;
    views.push_back({fmt::format("attach to {} (domain {}): {}", domain.name, domid, why.message),
                     why.code, domid, domain.name, seconds, domain.failures});
  }
  return views;
}

}  // namespace pciassign::daemon
