// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Runs plans side by side on the loop. Plans that share a device or a domain exclude each other.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log.hpp"
#include "metrics.hpp"
#include "pciassign/plan.hpp"
#include "pciassign/rpc_types.hpp"
#include "reactor.hpp"

namespace pciassign::daemon {

using JobId = std::uint64_t;

struct JobHandlers {
  /// A step begins ("running") or ended; `request` is left 0.
  std::function<void(const rpc::StepEvent&)> on_step;
  std::function<void(const Plan&, const PlanReport&)> on_done;
};

class Scheduler {
 public:
  Scheduler(Reactor& reactor, Ports ports, Log& log, Metrics& metrics, std::size_t most);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// What is running on one of the devices or the domain, as ErrorKind::busy.
  [[nodiscard]] std::optional<Error> conflict(const std::vector<DeviceSpec>& specs,
                                              std::optional<DomId> domid) const;
  [[nodiscard]] std::optional<Error> conflict(const std::vector<Sbdf>& devices,
                                              std::optional<DomId> domid) const;
  /// For plans that are submitted from now on.
  void set_most(std::size_t most) { most_ = most; }
  /// Begins the plan, from the loop; never calls a handler before it returned.
  Result<JobId> submit(Plan plan, JobHandlers handlers);
  /// Undoes what the plan did; nothing happens when it is over already.
  void cancel(JobId id, Error why);
  /// Asks every waiting plan again; to be called after events.
  void world_changed();

  [[nodiscard]] std::vector<Sbdf> busy_devices() const;
  [[nodiscard]] std::vector<rpc::JobView> jobs() const;
  [[nodiscard]] bool idle() const { return jobs_.empty(); }
  /// Takes no more plans, undoes those that give something away, lets the others end.
  void drain();
  [[nodiscard]] bool draining() const { return draining_; }
  /// Told of everything that happens to any plan.
  std::function<void(const rpc::ChangeEvent&)> on_event;
  /// Told of each end of a plan, and after it:
  std::function<void(const Plan&, const PlanReport&)> on_plan_over;
  /// Called after each end of a plan.
  std::function<void()> on_job_over;

 private:
  struct Job;
  void advance(const std::shared_ptr<Job>& job);
  void perform(const std::shared_ptr<Job>& job);
  void wait(const std::shared_ptr<Job>& job);
  void finish(const std::shared_ptr<Job>& job);
  void later(const std::shared_ptr<Job>& job);
  void watch_frontend(DomId domid, bool on);
  void report_step(const std::shared_ptr<Job>& job, const rpc::StepEvent& event);
  void tell(const Plan& plan, std::string what, rpc::StepEvent step = {}, std::string message = {});

  Reactor& reactor_;
  Ports ports_;
  Log& log_;
  Metrics& metrics_;
  std::size_t most_;
  std::map<JobId, std::shared_ptr<Job>> jobs_;
  JobId next_ = 1;
  bool draining_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pciassign::daemon
