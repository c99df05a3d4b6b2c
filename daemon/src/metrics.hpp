// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// What the daemon counts while it works, told as OpenMetrics. Every label comes from a bounded
/// set: kinds of plans, ids of steps, codes of findings, dom0's devices, domains that have some.
#pragma once
#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "openmetrics.hpp"
#include "pciassign/journal.hpp"
#include "pciassign/plan.hpp"

namespace pciassign::daemon {

class Metrics {
 public:
  /// What failed and is tried again after a pause.
  enum class Retried { attach, clean_up };

  /// A plan came to its end.
  void change_over(const Plan& plan, const PlanReport& report, std::chrono::microseconds took);
  /// A change was refused or failed, whoever had asked for it.
  void failed(const Error& error);
  void backed_off(Retried what);
  /// A driver domain came back, or failed again before.
  void recovered(const std::string& domain, const std::string& cause, const std::string& way,
                 bool done);
  /// After each of these; set by MetricsOutput.
  std::function<void()> changed;

  /// What is not counted but so: read when somebody wants to know.
  struct Present {
    std::string version, xen;
    std::vector<AttachmentRecord> attachments;
    std::size_t under_way = 0;
    std::size_t waiting_attach = 0, waiting_clean_up = 0;  ///< For their next try.
    std::map<Sbdf, std::uint64_t> denied_writes;
    struct DriverDomain {
      std::string name, state;
      std::vector<std::pair<std::string, double>> phases;  ///< Of the last recovery, in seconds.
    };
    std::vector<DriverDomain> driver_domains;
  };
  [[nodiscard]] std::string text(const Present& present) const;

 private:
  void touched() const {
    if (changed) changed();
  }
  using Two = std::pair<std::string, std::string>;

  std::map<Two, std::uint64_t> changes_;                            ///< Kind of plan, result.
  std::map<std::string, Histogram> change_seconds_;                 ///< Kind of plan.
  std::map<Two, Histogram> step_seconds_;                           ///< Kind of plan, step.
  std::map<Two, std::uint64_t> failures_;                           ///< Kind of error, code.
  std::map<std::array<std::string, 4>, std::uint64_t> recoveries_;  ///< Domain, cause, way, result.
  std::uint64_t attach_back_offs_ = 0, clean_up_back_offs_ = 0;
};

}  // namespace pciassign::daemon
