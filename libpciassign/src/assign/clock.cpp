// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/plan.hpp"

namespace pciassign {
namespace {
class SteadyClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return std::chrono::steady_clock::now(); }
};
}  // namespace

std::unique_ptr<Clock> make_steady_clock() {
  return std::make_unique<SteadyClock>();
}
}  // namespace pciassign
