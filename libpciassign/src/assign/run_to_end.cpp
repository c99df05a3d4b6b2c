// SPDX-License-Identifier: LGPL-2.1-or-later
#include <poll.h>

#include <algorithm>

#include "pciassign/plan.hpp"

namespace pciassign {
namespace {

/// Until the store has something or the deadline is reached.
void wait_for_event(Ports& ports, Clock::TimePoint deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - ports.clock.now());
  const auto limit = static_cast<int>(std::clamp<std::int64_t>(left.count() + 1, 0, 60'000));
  pollfd descriptor{ports.store.fd(), POLLIN, 0};
  ::poll(&descriptor, 1, limit);
  // Level-triggered: which node changed does not matter, the step looks at all it needs.
  while (true) {
    auto event = ports.store.next_event();
    if (!event || !*event) return;
  }
}

}  // namespace

PlanReport run_to_end(Plan plan, Ports ports) {
  Execution execution(std::move(plan), ports);
  while (true) {
    switch (execution.next()) {
      case Execution::Next::run:
        execution.perform();
        break;
      case Execution::Next::wait:
        wait_for_event(ports, execution.deadline());
        execution.poll();
        break;
      case Execution::Next::finished:
        return execution.report();
    }
  }
}

}  // namespace pciassign
