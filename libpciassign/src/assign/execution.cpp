// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include <algorithm>

#include "pciassign/plan.hpp"

namespace pciassign {
namespace {

Error not_undone_because(const Step& step) {
  return {ErrorKind::failed,
          {},
          fmt::format("kept: \"{}\", because something before it failed", step.words),
          "it is tried again when the daemon next compares",
          0};
}

Error timed_out(const Step& step) {
  return {ErrorKind::timed_out,
          {},
          fmt::format("no answer within {:.1f} s", static_cast<double>(step.limit.count()) / 1000),
          {},
          0};
}

}  // namespace

struct Execution::State {
  enum class Mode { forward, waiting, undoing, finished };

  State(Plan p, Ports prt) : plan(std::move(p)), ports(prt) {
    for (const auto& step : plan.steps)
      report.steps.push_back({step.id, step.words, {}, {}, false});
    if (plan.steps.empty()) mode = Mode::finished;
  }

  Plan plan;
  Ports ports;
  PlanReport report;
  Mode mode = Mode::forward;
  std::size_t at = 0;
  bool clean = true;  ///< No step of a plan that keeps going has failed.
  Clock::TimePoint started{};
  Clock::TimePoint deadline{};
  Clock::TimePoint wake{};  ///< The deadline, or earlier to ask again.

  [[nodiscard]] const Step& step() const { return plan.steps[at]; }

  void note_time() {
    report.steps[at].took =
        std::chrono::duration_cast<std::chrono::microseconds>(ports.clock.now() - started);
  }

  void wait_over() {
    note_time();
    if (step().finish) step().finish(ports);
  }

  /// To the next step, or the end.
  void advance() {
    mode = Mode::forward;
    if (++at == plan.steps.size()) mode = Mode::finished;
  }

  void step_failed(Error error) {
    report.steps[at].error = error;
    const bool on = step().keep_going;
    if (on && step().advisory) return advance();
    error.message = fmt::format("{} failed at \"{}\": {}", plan.title, step().words, error.message);
    if (!report.error) report.error = std::move(error);
    if (on) {
      clean = false;
      return advance();
    }
    mode = Mode::undoing;
    skip_without_undo();
  }

  /// Stops at the next step, backwards, that has something to take back.
  void skip_without_undo() {
    while (!step().undo) {
      if (at == 0) {
        mode = Mode::finished;
        return;
      }
      --at;
    }
  }

  void undo_one() {
    if (step().only_when_clean && !report.undo_errors.empty()) {
      report.undo_errors.push_back(not_undone_because(step()));
    } else if (auto undone = step().undo(ports); undone) {
      report.steps[at].undone = true;
    } else {
      auto error = undone.error();
      error.message = fmt::format("could not take back \"{}\": {}", step().words, error.message);
      report.undo_errors.push_back(std::move(error));
    }
    if (at == 0) {
      mode = Mode::finished;
      return;
    }
    --at;
    skip_without_undo();
  }

  void run_one() {
    started = ports.clock.now();
    if (step().only_when_clean && step().keep_going && !clean) {
      report.steps[at].error = not_undone_because(step());
      return advance();
    }
    auto done = step().run ? step().run(ports) : Result<void>{};
    note_time();
    if (!done) {
      if (step().ready) wait_over();
      return step_failed(done.error());
    }
    if (!step().ready) return advance();
    mode = Mode::waiting;
    deadline = started + step().limit;
    ask();
  }

  void ask() {
    auto answer = step().ready(ports);
    if (!answer) {
      wait_over();
      return step_failed(answer.error());
    }
    if (*answer) {
      wait_over();
      return advance();
    }
    const auto now = ports.clock.now();
    const auto again = step().ask_again;
    wake = again.count() > 0 ? std::min(deadline, now + again) : deadline;
    if (now < deadline) return;
    wait_over();
    step_failed(timed_out(step()));
  }
};

Execution::Execution(Plan plan, Ports ports)
    : state_(std::make_shared<State>(std::move(plan), ports)) {}

Execution::Next Execution::next() const {
  switch (state_->mode) {
    case State::Mode::waiting:
      return Next::wait;
    case State::Mode::finished:
      return Next::finished;
    case State::Mode::forward:
    case State::Mode::undoing:
      return Next::run;
  }
  return Next::finished;
}

const Step& Execution::current() const {
  return state_->step();
}

void Execution::perform() {
  const auto index = state_->at;
  if (state_->mode == State::Mode::forward)
    state_->run_one();
  else if (state_->mode == State::Mode::undoing)
    state_->undo_one();
  else
    return;
  if (on_step) on_step(index, state_->report.steps[index], state_->report.steps.size());
}

void Execution::poll() {
  if (state_->mode != State::Mode::waiting) return;
  const auto index = state_->at;
  state_->ask();
  if (on_step && state_->mode != State::Mode::waiting)
    on_step(index, state_->report.steps[index], state_->report.steps.size());
}

Clock::TimePoint Execution::deadline() const {
  return state_->wake;
}

void Execution::cancel(Error why) {
  if (state_->mode == State::Mode::waiting)
    state_->wait_over();
  else if (state_->mode != State::Mode::forward || state_->step().keep_going)
    return;  // taking back is not abandoned
  const auto index = state_->at;
  state_->step_failed(std::move(why));
  if (on_step) on_step(index, state_->report.steps[index], state_->report.steps.size());
}

const Plan& Execution::plan() const {
  return state_->plan;
}
const PlanReport& Execution::report() const {
  return state_->report;
}

}  // namespace pciassign
