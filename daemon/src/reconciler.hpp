// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Puts right what the journal and the world disagree about: domains that are gone, plans that were
/// interrupted. What fails is tried again with growing pauses; nothing is timed while all is well.
#pragma once
#include <chrono>
#include <map>
#include <memory>
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
  struct Retry {
    unsigned failures = 0;
    Time not_before;
    Error why;
    std::optional<DomId> domid;
    std::string domain_name;
  };
  void begin(Plan plan);
  void failed(const std::string& what, const Error& why, std::optional<DomId> domid = {},
              const std::string& domain_name = {});
  void arm();

  Toolstack& toolstack_;
  Scheduler& scheduler_;
  Log& log_;
  Metrics& metrics_;
  std::unique_ptr<Reactor::Timer> timer_;
  std::map<std::string, Retry> retries_;  ///< By the plan's title.
  bool stopped_ = false;
};

}  // namespace pciassign::daemon
