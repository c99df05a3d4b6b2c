// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Puts right what the journal and the world disagree about: domains that are gone, plans that were
/// interrupted. What fails is tried again with growing pauses; nothing is timed while all is well.
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "log.hpp"
#include "metrics.hpp"
#include "pciassign/toolstack.hpp"
#include "reactor.hpp"
#include "scheduler.hpp"

namespace pciassign::daemon {

class Reconciler {
 public:
  Reconciler(Reactor& reactor, Toolstack& toolstack, Scheduler& scheduler, Log& log,
             Metrics& metrics);

  /// Compares and begins what is due. Cheap when nothing is to do.
  void kick();
  void stop();
  [[nodiscard]] std::vector<rpc::RetryView> retries() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  /// What a plan is about. Its title is for people: a domain with a former one's name and number
  /// has the same, and is not kept waiting for that one's failures.
  struct Subject {
    std::optional<PlanKind> kind;  ///< Nothing: the comparison itself.
    std::optional<DomId> domid;
    std::string domain_uuid;
    std::vector<Sbdf> devices;  ///< Of a plan without a domain.
    auto operator<=>(const Subject&) const = default;
  };
  static Subject subject_of(const Plan& plan);
  struct Retry {
    std::string title;
    unsigned failures = 0;
    Time not_before;
    Error why;
    std::string domain_name;
  };
  void begin(Plan plan);
  void failed(const Subject& subject, const std::string& title, const Error& why,
              const std::string& domain_name = {});
  void arm();

  Toolstack& toolstack_;
  Scheduler& scheduler_;
  Log& log_;
  Metrics& metrics_;
  std::unique_ptr<Reactor::Timer> timer_;
  std::map<Subject, Retry> retries_;
  std::set<Subject> running_;
  bool stopped_ = false;
};

}  // namespace pciassign::daemon
