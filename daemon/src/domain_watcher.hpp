// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Sees to it that a domain for which devices are configured has them before its first
/// instruction: pauses it as soon as xenstore introduces it, attaches, lets it go.
/// Every call compares what is with what should be; no call depends on an earlier event.
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "log.hpp"
#include "metrics.hpp"
#include "pciassign/toolstack.hpp"
#include "reactor.hpp"
#include "scheduler.hpp"
#include "state_files.hpp"

namespace pciassign::daemon {

class DomainWatcher {
 public:
  DomainWatcher(Reactor& reactor, Toolstack& toolstack, Scheduler& scheduler, StateFiles& files,
                Log& log, Metrics& metrics);

  /// `supervised`: names of driver domains, which others may have. `bad`: domains whose entries
  /// cannot be read. One that comes up stays paused.
  void set_assignments(config::Assignments assignments, std::set<std::string> supervised = {},
                       std::map<std::string, Error> bad = {});
  /// What is wrong with the domain's entry.
  [[nodiscard]] Result<void> readable(const std::string& name) const;
  [[nodiscard]] const config::Assignments& assignments() const { return assignments_; }

  /// Finds domains that are new or gone, and pauses at once those that are to have devices.
  void notice();
  /// Begins the attachments that are due and that no other plan is in the way of.
  void proceed();

  void stop();
  /// Called when something is due again; set by Core.
  std::function<void()> compare;

  /// While a session holds a name, the domain of that name is left to its `create`.
  Result<void> hold(const std::string& name, std::uint64_t session);
  /// True when there were some: then compare again.
  [[nodiscard]] bool release_holds(std::uint64_t session);
  /// The domain has been dealt with by a request; nothing more is done for it.
  void adopt(DomId domid);
  /// A running domain has come to this name, and gets the devices that the name is to have.
  void take_over(DomId domid, const std::string& name);
  /// An attachment to a domain succeeded, or failed; for whoever made take_over() necessary.
  std::function<void(DomId, const std::optional<Error>&)> on_given;
  /// Whether the domain with that uuid is the supervisor's instance of the driver domain. It is
  /// before it exists: its uuid is chosen and saved first.
  std::function<bool(const std::string& name, const std::string& uuid)> is_instance;
  /// Devices that a domain of that name is to have anyway.
  [[nodiscard]] std::vector<DeviceSpec> configured(const DomainInfo& domain,
                                                   const std::string& name) const;
  [[nodiscard]] std::vector<std::string> configured_names() const;
  /// Domains that have not got their devices and stay paused: tried again, or in line.
  [[nodiscard]] std::vector<rpc::RetryView> retries() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  enum class Stage {
    unnamed,
    held,
    due,
    attaching,
    failed,     ///< Stays paused; tried again.
    releasing,  ///< A former daemon may have let it go; see StateFiles::Pause.
    over
  };
  struct Domain {
    DomainInfo info;
    std::string name;
    Stage stage = Stage::unnamed;
    AttachMode mode = AttachMode::cold;
    std::vector<DeviceSpec> devices;
    config::OnFailure on_failure = config::OnFailure::keep_paused;
    bool waits = false;  ///< Told once that something is in the way.
    Time waits_since{};
    unsigned failures = 0;
    Error why;         ///< Of the last failure, as it was told.
    Error in_its_way;  ///< While it waits.
    Time again{};      ///< When a failed or releasing one is looked at again.
  };
  /// For the log: the domain, and the devices that it is to have.
  static std::vector<LogField> fields_of(const Domain& domain);
  void look_at(Domain& domain);
  void read_name(Domain& domain);
  void see_unpaused(Domain& domain);
  [[nodiscard]] std::vector<DeviceSpec> missing(const Domain& domain);
  void pause(Domain& domain);
  void release(Domain& domain);
  void hold_back(Domain& domain, const Error& why);
  void wait_for(Domain& domain, const Error& busy);
  void fail_paused(Domain& domain, const Error& error);
  [[nodiscard]] Step let_run(const Domain& domain);
  void arm();
  void attach(Domain& domain);
  void over(DomId domid, const std::optional<Error>& error);
  void forget(const Domain& domain);

  Toolstack& toolstack_;
  Scheduler& scheduler_;
  StateFiles& files_;
  Log& log_;
  Metrics& metrics_;
  config::Assignments assignments_;
  std::set<std::string> supervised_;
  std::map<std::string, Error> bad_;
  std::map<DomId, Domain> domains_;
  std::map<std::string, std::uint64_t> holds_;  ///< Name to session.
  std::unique_ptr<Reactor::Timer> timer_;
  bool stopped_ = false;
};

/// A step that lets a domain run; the last of a plan that attached to a paused one.
Step unpause_step(const DomainInfo& domain, const std::string& name);

}  // namespace pciassign::daemon
