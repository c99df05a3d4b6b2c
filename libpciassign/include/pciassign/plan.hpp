// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Plans: a goal as an ordered list of steps, and their execution. What `plan` prints is what
/// `attach` does: both use the same Plan. No hypercall that changes something is made elsewhere.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pciassign/hypervisor.hpp"
#include "pciassign/pci_bus.hpp"
#include "pciassign/policy.hpp"
#include "pciassign/result.hpp"
#include "pciassign/store.hpp"

namespace pciassign {

/// Monotonic time as a port, so that limits can be tested without waiting.
class Clock {
 public:
  /// Of a clock that is never set.
  using TimePoint = std::chrono::steady_clock::time_point;
  virtual ~Clock() = default;
  /// Never earlier than what it said before.
  [[nodiscard]] virtual TimePoint now() const = 0;
};
/// CLOCK_MONOTONIC.
std::unique_ptr<Clock> make_steady_clock();

class Journal;

/// Everything that a step may touch.
struct Ports {
  Hypervisor& xen;   ///< Rights.
  Store& store;      ///< What the guest and the back end are told.
  PciBus& pci;       ///< The devices themselves.
  Journal& journal;  ///< What was given.
  Clock& clock;      ///< Limits of waits.
};

/// One step of a plan.
struct Step {
  std::string id;     ///< Stable: "assign", "iomem", "wait-connected" ...
  std::string words;  ///< For a person, with the figures: "grant I/O memory feb40-feb7f (BAR 0)".
  /// Does it, or begins what `ready` tells the end of.
  std::function<Result<void>(Ports&)> run;
  /// Takes `run` back. Empty: nothing to take back. Must succeed when there is nothing left.
  std::function<Result<void>(Ports&)> undo;
  /// Empty: the step is over when run returns. Otherwise asked after each xenstore event.
  std::function<Result<bool>(Ports&)> ready;
  std::chrono::milliseconds limit{0};  ///< For ready; when it passes the step fails (timed_out).
  /// For a ready that no xenstore event announces: it is asked again after so long.
  std::chrono::milliseconds ask_again{0};
  bool slow = false;  ///< run may take seconds (reset): the daemon runs it on a worker thread.
  /// Taking back goes forward only: a failure is recorded and the later steps still run (detach).
  bool keep_going = false;
  /// With keep_going: a failure is noted in the step's report only; the plan still succeeds (a
  /// guest that did not answer, a reset that the next attach repeats and verifies anyway).
  bool advisory = false;
  /// Runs (or, in an attach, is undone) only if nothing before it failed: forgetting the journal's
  /// record, which a retry starts from, and the marker that keeps libxl away.
  bool only_when_clean = false;
  /// Called once when the wait for `ready` is over, however it ended: takes watches away.
  std::function<void(Ports&)> finish;
};

/// What a plan is for; cleanup is what reconcile() asks for.
enum class PlanKind { attach, detach, reserve, release, reset, cleanup };

/// A goal as ordered steps, with the findings that allow it. Nothing has been done yet.
struct Plan {
  PlanKind kind = PlanKind::attach;  ///< What it is for.
  std::string title;                 ///< "attach 0000:00:04.0 to net (domain 3)".
  std::optional<DomId> domid;  ///< The domain that gains or loses the devices; not for reserve.
  std::string domain_uuid;     ///< Of taking back: whose devices they are; `domid` may be reused.
  std::string domain_name;     ///< For messages.
  std::vector<Sbdf>
      devices;  ///< All devices that it touches; plans that share one exclude each other.
  std::vector<Finding> findings;  ///< Of policy; includes the accepted ones.
  std::vector<Step> steps;        ///< In the order in which they run; undone in reverse.
  std::string undo_command;       ///< The command that takes it back, for the user.
};

/// What became of one step.
struct StepReport {
  std::string id;                     ///< Step::id.
  std::string words;                  ///< Step::words.
  std::chrono::microseconds took{0};  ///< Waiting included; 0 for one that did not begin.
  std::optional<Error> error;         ///< Why it failed.
  bool undone = false;                ///< It was taken back.
};

/// What became of a plan.
struct PlanReport {
  std::vector<StepReport> steps;  ///< One for each of the plan's, in its order.
  /// Empty on success. For a plan with undo: which step failed and why, after everything was
  /// undone.
  std::optional<Error> error;
  std::vector<Error> undo_errors;  ///< What could not be undone; the journal keeps it for retry.
};

/// One plan under way, advanced by its caller, so that nothing blocks:
///   for (;;) switch (e.next()) {
///     case run: e.perform(); break;           // or on a worker thread when current().slow
///     case wait: arm a timer for e.deadline(); return;  // call e.poll() on xenstore events
///     case finished: use e.report(); return; }
class Execution {
 public:
  /// What its caller has to do.
  enum class Next { run, wait, finished };
  /// Does nothing yet. What the ports refer to has to outlive it.
  Execution(Plan plan, Ports ports);
  /// What to do now.
  [[nodiscard]] Next next() const;
  /// The step (or undo) that perform() would run.
  [[nodiscard]] const Step& current() const;
  /// Runs current(), or takes it back. Blocks as long as that takes.
  void perform();
  /// Asks the waiting step's ready(); fails it when its limit has passed.
  void poll();
  /// When poll() is to be called at the latest.
  [[nodiscard]] Clock::TimePoint deadline() const;
  /// Abandons: the current wait fails with `why`, and what was done is undone.
  void cancel(Error why);
  /// The plan as it was given.
  [[nodiscard]] const Plan& plan() const;
  /// Complete once next() says finished.
  [[nodiscard]] const PlanReport& report() const;
  /// Called after each change of state with (index, report of that step, total).
  std::function<void(std::size_t, const StepReport&, std::size_t)> on_step;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Runs to the end on the calling thread, waiting on the store's fd. For tools and tests.
PlanReport run_to_end(Plan plan, Ports ports);

}  // namespace pciassign
