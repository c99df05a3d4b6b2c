// SPDX-License-Identifier: GPL-2.0-or-later
#include "metrics.hpp"

#include "pciassign/rpc_json.hpp"

namespace pciassign::daemon {
namespace {

using Type = OpenMetrics::Type;

/// A domain's name is the administrator's word, and there are as many as have devices; but a
/// toolstack that makes thousands of short-lived names shall not flood who collects them.
constexpr std::size_t kMostDomains = 256;

double in_seconds(std::chrono::microseconds time) {
  return std::chrono::duration<double>(time).count();
}

std::map<std::pair<std::string, std::string>, std::uint64_t> by_domain(
    const std::vector<AttachmentRecord>& records) {
  std::map<std::pair<std::string, std::string>, std::uint64_t> all;
  for (const AttachmentRecord& record : records) {
    const std::string phase(to_string(record.phase));
    const auto known = all.find({record.domain_name, phase});
    const bool room = known != all.end() || all.size() < kMostDomains;
    ++all[{room ? record.domain_name : "", phase}];
  }
  return all;
}

}  // namespace

void Metrics::change_over(const Plan& plan, const PlanReport& report,
                          std::chrono::microseconds took) {
  const std::string kind(rpc::to_string(plan.kind));
  ++changes_[{kind, report.error ? "failed" : "done"}];
  change_seconds_[kind].observe(in_seconds(took));
  for (std::size_t i = 0; i < report.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    const StepReport& done = report.steps[i];
    // Left out because something before it failed: it took no time.
    const bool skipped = step.only_when_clean && done.error && report.error;
    if (!skipped) step_seconds_[{kind, step.id}].observe(in_seconds(done.took));
    if (done.error && !step.keep_going) break;  // Those after it never began.
  }
  touched();
}

void Metrics::failed(const Error& error) {
  const auto count = [this](const Error& reason) {
    ++failures_[{std::string(to_string(reason.kind)), reason.code}];
  };
  count(error);
  for (const Error& reason : error.also) count(reason);
  touched();
}

void Metrics::recovered(const std::string& domain, const std::string& cause, const std::string& way,
                        bool done) {
  ++recoveries_[{domain, cause, way, done ? "done" : "failed"}];
  touched();
}

void Metrics::backed_off(Retried what) {
  ++(what == Retried::attach ? attach_back_offs_ : clean_up_back_offs_);
  touched();
}

std::string Metrics::text(const Present& present) const {
  OpenMetrics out;
  out.family("build_info", Type::gauge, "",
             "Version of pciassignd, and of the Xen that it runs on.");
  out.sample({{"version", present.version}, {"xen", present.xen}}, std::uint64_t{1});

  out.family("attachments", Type::gauge, "", "Devices that domains have, as the journal has them.");
  for (const auto& [key, count] : by_domain(present.attachments))
    out.sample({{"domain", key.first}, {"phase", key.second}}, count);

  out.family("changes_under_way", Type::gauge, "", "Plans that run now.");
  out.sample({}, present.under_way);

  out.family("changes", Type::counter, "", "Plans that came to their end.");
  for (const auto& [key, count] : changes_)
    out.sample({{"kind", key.first}, {"result", key.second}}, count);

  out.family("change_duration_seconds", Type::histogram, "seconds",
             "Time from the begin of a plan to its end, undoing included.");
  for (const auto& [kind, histogram] : change_seconds_) out.sample({{"kind", kind}}, histogram);

  out.family("step_duration_seconds", Type::histogram, "seconds",
             "Time of each step of each plan, waiting for the guest included.");
  for (const auto& [key, histogram] : step_seconds_)
    out.sample({{"kind", key.first}, {"step", key.second}}, histogram);

  out.family("failures", Type::counter, "",
             "Changes that were refused or failed, by each reason's kind and code.");
  for (const auto& [key, count] : failures_)
    out.sample({{"kind", key.first}, {"code", key.second}}, count);

  out.family("driver_domain_state", Type::gauge, "",
             "1 for the state that a supervised driver domain is in.");
  for (const Present::DriverDomain& domain : present.driver_domains)
    out.sample({{"domain", domain.name}, {"state", domain.state}}, std::uint64_t{1});

  out.family("recoveries", Type::counter, "", "Recoveries of driver domains that are over.");
  for (const auto& [key, count] : recoveries_)
    out.sample({{"domain", key[0]}, {"cause", key[1]}, {"way", key[2]}, {"result", key[3]}}, count);

  out.family("recovery_phase_seconds", Type::gauge, "seconds",
             "Each phase of a driver domain's last recovery; they overlap.");
  for (const Present::DriverDomain& domain : present.driver_domains)
    for (const auto& [phase, seconds] : domain.phases)
      out.sample({{"domain", domain.name}, {"phase", phase}}, seconds);

  out.family("back_offs", Type::counter, "",
             "Attempts of the daemon itself that failed and are made again after a pause.");
  out.sample({{"of", "attach"}}, attach_back_offs_);
  out.sample({{"of", "clean-up"}}, clean_up_back_offs_);

  out.family("waiting_for_retry", Type::gauge, "", "Attempts that wait for the end of that pause.");
  out.sample({{"of", "attach"}}, present.waiting_attach);
  out.sample({{"of", "clean-up"}}, present.waiting_clean_up);

  out.family("denied_writes", Type::counter, "",
             "Writes to configuration registers that pciback denied the guest, in the present or "
             "last assignment of the device.");
  for (const auto& [device, count] : present.denied_writes)
    out.sample({{"device", device.str()}}, count);
  return out.take();
}

}  // namespace pciassign::daemon
