// SPDX-License-Identifier: GPL-2.0-or-later
#include "reconciler.hpp"

#include <algorithm>

namespace pciassign::daemon {
namespace {

constexpr std::chrono::seconds kFirstPause{1};
constexpr std::chrono::seconds kLongestPause{60};
/// The comparison itself failed (xenstore, an unreadable journal), rather than one plan.
constexpr auto kComparing = "compare the journal with the running domains";

}  // namespace

Reconciler::Reconciler(Reactor& reactor, Toolstack& toolstack, Scheduler& scheduler, Log& log,
                       Metrics& metrics)
    : toolstack_(toolstack),
      scheduler_(scheduler),
      log_(log),
      metrics_(metrics),
      timer_(reactor.make_timer()) {}

Reconciler::Subject Reconciler::subject_of(const Plan& plan) {
  // Of a domain not the devices: some may have been taken back when it is tried again.
  return {plan.kind, plan.domid, plan.domain_uuid, plan.domid ? std::vector<Sbdf>{} : plan.devices};
}

void Reconciler::kick() {
  if (stopped_) return;
  Result<std::vector<Plan>> plans = toolstack_.reconcile(scheduler_.busy_devices());
  if (!plans) {
    const auto found = retries_.find({});
    if (found == retries_.end() || found->second.not_before <= std::chrono::steady_clock::now()) {
      failed({}, kComparing, plans.error());
    }
    arm();
    return;
  }
  std::set<Subject> wanted;
  for (const Plan& plan : *plans) wanted.insert(subject_of(plan));
  // What is no longer wanted has been put right by somebody else.
  std::erase_if(retries_, [&](const auto& item) {
    return !wanted.contains(item.first) && !running_.contains(item.first);
  });
  const Time now = std::chrono::steady_clock::now();
  for (Plan& plan : *plans) {
    const auto retry = retries_.find(subject_of(plan));
    // Another title: the domain has gone since, so that what failed may succeed.
    if (retry != retries_.end() && retry->second.not_before > now &&
        retry->second.title == plan.title)
      continue;
    begin(std::move(plan));
  }
  arm();
}

void Reconciler::begin(Plan plan) {
  if (scheduler_.conflict(plan.devices, plan.domid)) return;  // Asked again when that is over.
  const std::string title = plan.title, domain_name = plan.domain_name;
  const Subject subject = subject_of(plan);
  const std::vector<Finding> findings = plan.findings;
  JobHandlers handlers;
  handlers.on_done = [this, subject](const Plan& done, const PlanReport& report) {
    running_.erase(subject);
    if (report.error) {
      failed(subject, done.title, *report.error, done.domain_name);
    } else if (!report.undo_errors.empty()) {
      failed(subject, done.title, report.undo_errors.front(), done.domain_name);
    } else {
      retries_.erase(subject);
    }
    arm();
  };
  running_.insert(subject);
  if (const Result<JobId> job = scheduler_.submit(std::move(plan), std::move(handlers)); !job) {
    running_.erase(subject);
    if (job.error().kind != ErrorKind::busy) failed(subject, title, job.error(), domain_name);
    return;
  }
  for (const Finding& finding : findings) {
    std::vector<LogField> fields{{"code", finding.code}};
    if (finding.device) fields.push_back({"bdf", finding.device->str()});
    log_.warning("left-alone", finding.evidence, std::move(fields));
  }
}

void Reconciler::failed(const Subject& subject, const std::string& title, const Error& why,
                        const std::string& domain_name) {
  Retry& retry = retries_[subject];
  const auto pause = std::min<std::chrono::seconds>(
      kFirstPause * (1U << std::min(retry.failures, 6U)), kLongestPause);
  ++retry.failures;
  retry.not_before = std::chrono::steady_clock::now() + pause;
  retry.why = why;
  retry.title = title;
  retry.domain_name = domain_name;
  metrics_.failed(why);
  metrics_.backed_off(Metrics::Retried::clean_up);
  std::vector<LogField> fields{{"failures", std::to_string(retry.failures)},
                               {"seconds", std::to_string(pause.count())}};
  if (subject.domid) {
    fields.push_back({"domain", domain_name});
    fields.push_back({"domid", std::to_string(*subject.domid)});
  }
  if (!why.code.empty()) fields.push_back({"code", why.code});
  log_.warning("retry", title + ": " + why.message, std::move(fields));
}

void Reconciler::arm() {
  if (retries_.empty() || stopped_) {
    timer_->cancel();
    return;
  }
  const Time now = std::chrono::steady_clock::now();
  Time next = Time::max();
  for (const auto& [subject, retry] : retries_) {
    if (retry.not_before > now) next = std::min(next, retry.not_before);
  }
  // Those that are due already run or wait for a plan that is in their way.
  if (next == Time::max()) {
    timer_->cancel();
  } else {
    timer_->at(next, [this] { kick(); });
  }
}

void Reconciler::stop() {
  stopped_ = true;
  timer_->cancel();
}

std::vector<rpc::RetryView> Reconciler::retries() const {
  std::vector<rpc::RetryView> views;
  const Time now = std::chrono::steady_clock::now();
  for (const auto& [subject, retry] : retries_) {
    const double seconds = std::chrono::duration<double>(retry.not_before - now).count();
    views.push_back({retry.title + ": " + retry.why.message, retry.why.code, subject.domid,
                     retry.domain_name, std::max(seconds, 0.0), retry.failures});
  }
  return views;
}

}  // namespace pciassign::daemon
