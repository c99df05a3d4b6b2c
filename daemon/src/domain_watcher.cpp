// SPDX-License-Identifier: GPL-2.0-or-later
#include "domain_watcher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pciassign::daemon {
namespace {

std::string name_path(DomId domid) {
  return fmt::format("/local/domain/{}/name", domid);
}

std::vector<LogField> fields_of(const DomainInfo& info, const std::string& name) {
  return {{"domain", name}, {"domid", std::to_string(info.domid)}};
}

}  // namespace

Step unpause_step(DomId domid, const std::string& name) {
  Step step;
  step.id = "unpause";
  step.words = fmt::format("let {} run", name);
  step.run = [domid](Ports& ports) { return ports.xen.unpause(domid); };
  return step;
}

DomainWatcher::DomainWatcher(Toolstack& toolstack, Scheduler& scheduler, StateFiles& files,
                             Log& log)
    : toolstack_(toolstack), scheduler_(scheduler), files_(files), log_(log) {}

void DomainWatcher::set_assignments(config::Assignments assignments) {
  assignments_ = std::move(assignments);
  // What is new for a running domain is attached; what is gone stays until it is detached.
  for (auto& [domid, domain] : domains_) {
    if (domain.stage == Stage::over) look_at(domain);
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
      domain.stage = Stage::over;
    } else if (domain.stage == Stage::unnamed || domain.stage == Stage::held) {
      look_at(domain);
    }
  }
  domains_.swap(still);
  for (const auto& [domid, gone] : still) forget(gone);
}

void DomainWatcher::forget(const Domain& domain) {
  if (domain.stage == Stage::unnamed) {
    (void)toolstack_.ports().store.unwatch(name_path(domain.info.domid), "name");
  }
  const auto known = domains_.find(domain.info.domid);
  if (known == domains_.end()) files_.clear_paused(domain.info.domid);
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
  const bool held_by_us = files_.is_paused(domain.info);
  if (domain.devices.empty()) {
    domain.stage = Stage::over;
    // An earlier daemon attached everything and died before it let the domain go, or noted that.
    if (held_by_us) release(domain);
    return;
  }
  const auto assignment = assignments_.find(domain.name);
  if (assignment != assignments_.end()) domain.on_failure = assignment->second.on_failure;
  domain.stage = Stage::due;
  if (held_by_us) {
    domain.mode = AttachMode::cold;
  } else if (domain.info.paused) {
    pause(domain);
  } else {
    // Too late for "before the first instruction": attach as to any running domain.
    domain.mode = AttachMode::hot;
    log_.warning("domain-runs-already", "the domain was running before its devices were attached",
                 fields_of(domain.info, domain.name));
  }
}

std::vector<DeviceSpec> DomainWatcher::missing(const Domain& domain) {
  std::vector<DeviceSpec> wanted = configured(domain.name);
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
  const auto fields = fields_of(domain.info, domain.name);
  if (const auto paused = toolstack_.ports().xen.pause(domain.info.domid); !paused) {
    log_.error("pause-failed", paused.error().message, fields);
    domain.mode = AttachMode::hot;
    return;
  }
  // First the pause, then the note: a daemon that dies between leaves a paused domain, which an
  // administrator can let go, rather than one that started without its devices.
  if (const auto noted = files_.set_paused(domain.info); !noted) {
    log_.warning("pause-not-noted", noted.error().message, fields);
  }
  domain.mode = AttachMode::cold;
  log_.info("domain-paused", "paused until its devices are attached", fields);
}

void DomainWatcher::release(Domain& domain) {
  const DomId domid = domain.info.domid;
  if (domain.info.paused) {
    if (const auto started = toolstack_.ports().xen.unpause(domid); !started) {
      log_.error("unpause-failed", started.error().message, fields_of(domain.info, domain.name));
    }
  }
  files_.clear_paused(domid);
}

void DomainWatcher::proceed() {
  std::vector<DomId> due;
  for (const auto& [domid, domain] : domains_) {
    if (domain.stage == Stage::due) due.push_back(domid);
  }
  for (const DomId domid : due) attach(domains_.at(domid));
}

void DomainWatcher::attach(Domain& domain) {
  const DomId domid = domain.info.domid;
  if (const auto busy = scheduler_.conflict(domain.devices, domid)) {
    if (!std::exchange(domain.waits, true)) {
      log_.info("domain-waits", busy->message, fields_of(domain.info, domain.name));
    }
    return;  // Comes back when that plan is over.
  }
  Result<Plan> plan = toolstack_.plan_attach(domid, domain.devices, domain.mode);
  if (!plan) {
    over(domid, plan.error());
    return;
  }
  if (domain.mode == AttachMode::cold) plan->steps.push_back(unpause_step(domid, domain.name));
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
  const auto fields = fields_of(domain.info, domain.name);
  const bool cold = files_.is_paused(domain.info);
  if (domain.info.gone()) {
    files_.clear_paused(domid);
    return;
  }
  if (!error) {
    files_.clear_paused(domid);
    log_.info("domain-ready", "has its devices", fields);
    return;
  }
  const std::string hint = error->hint.empty() ? "" : " (" + error->hint + ")";
  if (!cold) {
    log_.error("attach-failed", error->message + hint, fields);
    return;
  }
  if (domain.on_failure == config::OnFailure::start) {
    log_.error("attach-failed", "starts WITHOUT its devices: " + error->message + hint, fields);
    if (const auto started = toolstack_.ports().xen.unpause(domid); !started) {
      log_.error("unpause-failed", started.error().message, fields);
    }
  } else {
    log_.error("attach-failed",
               fmt::format("stays paused: {}{}; to start it anyway: xl unpause {}", error->message,
                           hint, domid),
               fields);
  }
  files_.clear_paused(domid);
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

std::vector<DeviceSpec> DomainWatcher::configured(const std::string& name) const {
  const auto found = assignments_.find(name);
  return found == assignments_.end() ? std::vector<DeviceSpec>{} : found->second.devices;
}

std::vector<std::string> DomainWatcher::configured_names() const {
  std::vector<std::string> names;
  for (const auto& [name, assignment] : assignments_) names.push_back(name);
  return names;
}

}  // namespace pciassign::daemon
