// SPDX-License-Identifier: GPL-2.0-or-later
#include "scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pciassign/rpc_json.hpp"

namespace pciassign::daemon {

struct Scheduler::Job {
  Job(JobId number, Plan plan, const Ports& ports)
      : id(number), execution(std::move(plan), ports) {}
  JobId id;
  Execution execution;
  JobHandlers handlers;
  std::unique_ptr<Reactor::Timer> timer;
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  bool working = false;             ///< The worker thread has the execution.
  bool queued = false;              ///< advance() is posted already.
  std::optional<Error> cancel_why;  ///< Asked for while the worker had it.
  std::string step;                 ///< Words of the step under way.
  std::size_t begun = 0;            ///< Steps begun, for the index of "running".
};

Scheduler::Scheduler(Reactor& reactor, Ports ports, Log& log, Metrics& metrics, std::size_t most)
    : reactor_(reactor), ports_(ports), log_(log), metrics_(metrics), most_(most) {}

Scheduler::~Scheduler() {
  *alive_ = false;
}

namespace {

std::vector<LogField> fields_of(const Plan& plan) {
  std::vector<LogField> fields{{"kind", std::string(rpc::to_string(plan.kind))}};
  if (plan.domid) {
    fields.push_back({"domain", plan.domain_name});
    fields.push_back({"domid", std::to_string(*plan.domid)});
  }
  for (const Sbdf& device : plan.devices) fields.push_back({"bdf", device.str()});
  return fields;
}

bool touches(const Plan& plan, const DeviceSpec& spec) {
  if (!spec.name.empty()) return false;  // Known only once the plan is made.
  return std::any_of(plan.devices.begin(), plan.devices.end(), [&](const Sbdf& device) {
    Sbdf slot = device;
    if (spec.all_functions) slot.function = spec.sbdf.function;
    return slot == spec.sbdf;
  });
}

Error busy_with(const Plan& plan, const std::string& step) {
  Error error;
  error.kind = ErrorKind::busy;
  error.code = "E-BUSY";
  error.message =
      fmt::format("\"{}\" is running ({})", plan.title, step.empty() ? "starting" : step);
  error.hint = "try again when it is over: pciassign status";
  return error;
}

}  // namespace

std::optional<Error> Scheduler::conflict(const std::vector<DeviceSpec>& specs,
                                         std::optional<DomId> domid) const {
  for (const auto& [id, job] : jobs_) {
    const Plan& plan = job->execution.plan();
    const bool same_domain = domid && plan.domid == domid;
    const bool same_device = std::any_of(
        specs.begin(), specs.end(), [&](const DeviceSpec& spec) { return touches(plan, spec); });
    if (same_domain || same_device) return busy_with(plan, job->step);
  }
  return std::nullopt;
}

std::optional<Error> Scheduler::conflict(const std::vector<Sbdf>& devices,
                                         std::optional<DomId> domid) const {
  std::vector<DeviceSpec> specs(devices.size());
  for (std::size_t i = 0; i < devices.size(); ++i) specs[i].sbdf = devices[i];
  return conflict(specs, domid);
}

Result<JobId> Scheduler::submit(Plan plan, JobHandlers handlers) {
  if (draining_) return fail(ErrorKind::unavailable, "the daemon is shutting down");
  if (jobs_.size() >= most_) {
    return fail(ErrorKind::busy, fmt::format("{} plans are under way, the configured most", most_),
                "try again in a moment");
  }
  if (auto error = conflict(plan.devices, plan.domid)) return tl::unexpected<Error>(*error);

  const JobId id = next_++;
  auto job = std::make_shared<Job>(id, std::move(plan), ports_);
  job->handlers = std::move(handlers);
  job->timer = reactor_.make_timer();
  // on_step may be called on the worker thread: copy, and tell it on the loop.
  // That thread may outlive this object, but not the loop.
  job->execution.on_step = [this, &reactor = reactor_, weak = std::weak_ptr(job), alive = alive_](
                               std::size_t index, const StepReport& report, std::size_t total) {
    const auto running = weak.lock();
    // A step that has begun to wait has not ended; on_step is called where the execution is, so
    // asking it is safe here.
    if (!running || running->execution.next() == Execution::Next::wait) return;
    rpc::StepEvent event{
        .request = 0, .index = index, .total = total, .state = "done", .step = report};
    if (report.undone) {
      event.state = "undone";
    } else if (report.error) {
      event.state = "failed";
    }
    reactor.post([this, weak, alive, event = std::move(event)] {
      const auto strong = weak.lock();
      if (*alive && strong) report_step(strong, event);
    });
  };
  jobs_.emplace(id, job);
  const Plan& kept = job->execution.plan();
  std::vector<LogField> fields = fields_of(kept);
  fields.push_back({"steps", std::to_string(kept.steps.size())});
  log_.info("plan-begins", kept.title, std::move(fields));
  tell(kept, "began");
  if (kept.domid) watch_frontend(*kept.domid, true);
  later(job);
  return id;
}

void Scheduler::tell(const Plan& plan, std::string what, rpc::StepEvent step, std::string message) {
  if (on_event) {
    on_event({std::move(what),
              plan.title,
              plan.domid,
              plan.domain_name,
              std::move(step),
              std::move(message),
              {},
              {}});
  }
}

void Scheduler::report_step(const std::shared_ptr<Job>& job, const rpc::StepEvent& event) {
  std::vector<LogField> fields = fields_of(job->execution.plan());
  fields.push_back({"state", event.state});
  fields.push_back({"step", event.step.id});
  fields.push_back({"us", std::to_string(event.step.took.count())});
  log_.debug("step", event.step.words, std::move(fields));
  if (job->handlers.on_step) job->handlers.on_step(event);
  tell(job->execution.plan(), "step", event);
}

void Scheduler::later(const std::shared_ptr<Job>& job) {
  // One step for each turn of the loop, so that no plan keeps another or a client waiting.
  if (job->queued) return;
  job->queued = true;
  reactor_.post([this, job, alive = alive_] {
    if (!*alive) return;
    job->queued = false;
    advance(job);
  });
}

void Scheduler::advance(const std::shared_ptr<Job>& job) {
  if (job->working || !jobs_.contains(job->id)) return;
  if (job->cancel_why) {
    Error why = std::move(*job->cancel_why);
    job->cancel_why.reset();
    job->execution.cancel(std::move(why));
  }
  switch (job->execution.next()) {
    case Execution::Next::run:
      perform(job);
      break;
    case Execution::Next::wait:
      wait(job);
      break;
    case Execution::Next::finished:
      finish(job);
      break;
  }
}

void Scheduler::perform(const std::shared_ptr<Job>& job) {
  job->timer->cancel();
  const Step& step = job->execution.current();
  const std::size_t total = job->execution.plan().steps.size();
  const bool undoing = job->execution.report().error && !step.keep_going;
  job->step = undoing ? "taking back: " + step.words : step.words;
  if (!undoing) {
    StepReport report;
    report.id = step.id;
    report.words = step.words;
    const rpc::StepEvent event{
        .request = 0, .index = job->begun, .total = total, .state = "running", .step = report};
    if (job->handlers.on_step) job->handlers.on_step(event);
    tell(job->execution.plan(), "step", event);
  }
  ++job->begun;
  if (!step.slow) {
    job->execution.perform();
    later(job);
    return;
  }
  job->working = true;
  reactor_.offload([job] { job->execution.perform(); },
                   [this, job, alive = alive_] {
                     if (!*alive) return;
                     job->working = false;
                     later(job);
                   });
}

void Scheduler::wait(const std::shared_ptr<Job>& job) {
  // What is awaited may have happened before anybody watched for it.
  job->execution.poll();
  if (job->execution.next() != Execution::Next::wait) {
    later(job);
    return;
  }
  job->timer->at(job->execution.deadline(), [this, weak = std::weak_ptr(job), alive = alive_] {
    const auto strong = weak.lock();
    if (*alive && strong) later(strong);
  });
}

void Scheduler::world_changed() {
  for (const auto& [id, job] : jobs_) {
    if (!job->working && job->execution.next() == Execution::Next::wait) later(job);
  }
}

void Scheduler::cancel(JobId id, Error why) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end() || found->second->cancel_why) return;
  found->second->cancel_why = std::move(why);
  later(found->second);
}

void Scheduler::finish(const std::shared_ptr<Job>& job) {
  job->timer->cancel();
  // Behind the notifications that on_step posted.
  reactor_.post([this, job, alive = alive_] {
    if (!*alive || jobs_.erase(job->id) == 0) return;
    const Plan& plan = job->execution.plan();
    const PlanReport& report = job->execution.report();
    if (plan.domid) watch_frontend(*plan.domid, false);
    const auto passed = std::chrono::steady_clock::now() - job->began;
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(passed);
    metrics_.change_over(plan, report,
                         std::chrono::duration_cast<std::chrono::microseconds>(passed));
    std::vector<LogField> fields = fields_of(plan);
    fields.push_back({"took_ms", std::to_string(took.count())});
    if (report.error) {
      if (!report.error->code.empty()) fields.push_back({"code", report.error->code});
      log_.error("plan-failed", plan.title + ": " + report.error->message, fields);
      tell(plan, "failed", {}, report.error->message);
    } else {
      log_.info("plan-done", plan.title, fields);
      tell(plan, "done");
    }
    for (const Error& error : report.undo_errors) {
      log_.error("undo-failed", plan.title + ": " + error.message, fields);
    }
    if (job->handlers.on_done) job->handlers.on_done(plan, report);
    if (on_plan_over) on_plan_over(plan, report);
    if (on_job_over) on_job_over();
  });
}

void Scheduler::watch_frontend(DomId domid, bool on) {
  // The domain's own nodes are watched only while a plan concerns them: a guest that writes there
  // all day must not wake an idle daemon. Another plan of the same domain is impossible.
  const std::string path = fmt::format("/local/domain/{}/device/pci", domid);
  const Result<void> done =
      on ? ports_.store.watch(path, "frontend") : ports_.store.unwatch(path, "frontend");
  if (!done) log_.debug("watch", done.error().message);
}

std::vector<Sbdf> Scheduler::busy_devices() const {
  std::vector<Sbdf> busy;
  for (const auto& [id, job] : jobs_) {
    const std::vector<Sbdf>& devices = job->execution.plan().devices;
    busy.insert(busy.end(), devices.begin(), devices.end());
  }
  return busy;
}

std::vector<rpc::JobView> Scheduler::jobs() const {
  std::vector<rpc::JobView> views;
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [id, job] : jobs_) {
    const Plan& plan = job->execution.plan();
    views.push_back({plan.title, plan.devices, plan.domid, job->step,
                     std::chrono::duration<double>(now - job->began).count()});
  }
  return views;
}

void Scheduler::drain() {
  draining_ = true;
  for (const auto& [id, job] : jobs_) {
    const PlanKind kind = job->execution.plan().kind;
    if (kind == PlanKind::attach || kind == PlanKind::reserve) {
      cancel(id, Error{ErrorKind::unavailable, {}, "the daemon is shutting down", {}, 0});
    }
  }
}

}  // namespace pciassign::daemon
