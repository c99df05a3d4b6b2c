// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// The methods of the control protocol: a table of names, who may call them, and what they do.
#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "domain_watcher.hpp"
#include "log.hpp"
#include "metrics.hpp"
#include "pciassign/rpc_json.hpp"
#include "pciassign/rpc_requests.hpp"
#include "pciassign/toolstack.hpp"
#include "reconciler.hpp"
#include "scheduler.hpp"
#include "session.hpp"
#include "state_files.hpp"
#include "supervisor.hpp"

namespace pciassign::daemon {

class Commands {
 public:
  Commands(Toolstack& toolstack, Scheduler& scheduler, Reconciler& reconciler,
           DomainWatcher& watcher, Supervisor& supervisor, StateFiles& files, Log& log,
           Metrics& metrics);

  /// One line of a client. Answers at once, or when the plan that it began is over.
  void handle(const std::shared_ptr<Session>& session, std::string_view line);
  /// The client has gone. Plans that it began go on to their end; names that it held are free.
  void session_closed(Session& session);
  /// Tells the sessions that watch.
  void tell(const rpc::ChangeEvent& event);
  /// Compares what is with what should be; set by Core.
  std::function<void()> compare;
  /// The files that cannot be used; set by Core.
  std::function<std::vector<rpc::ProblemView>()> problems;
  /// Reads the configuration again; set by the process.
  std::function<Result<void>()> read_configuration;

 private:
  using Params = boost::json::object;
  struct Method {
    std::string_view name, words;
    bool changes;
    void (Commands::*run)(const Call&, const Params&);
  };
  static const std::vector<Method>& methods();

  // Questions (commands_read.cpp).
  void list_commands(const Call& call, const Params& params);
  void version(const Call& call, const Params& params);
  void status(const Call& call, const Params& params);
  void list(const Call& call, const Params& params);
  void show(const Call& call, const Params& params);
  void domain(const Call& call, const Params& params);
  void plan(const Call& call, const Params& params);
  void explain(const Call& call, const Params& params);
  void watch(const Call& call, const Params& params);
  // Changes (commands_change.cpp).
  void attach(const Call& call, const Params& params);
  void detach(const Call& call, const Params& params);
  void reserve(const Call& call, const Params& params);
  void release(const Call& call, const Params& params);
  void reset(const Call& call, const Params& params);
  void reload(const Call& call, const Params& params);
  void create_prepare(const Call& call, const Params& params);
  void create_complete(const Call& call, const Params& params);
  void cancel(const Call& call, const Params& params);

  // Driver domains (commands_domains.cpp).
  void driver_domains(const Call& call, const Params& params);
  void driver_domain(const Call& call, const Params& params);
  void driver_domain_start(const Call& call, const Params& params);
  void driver_domain_stop(const Call& call, const Params& params);
  void driver_domain_recover(const Call& call, const Params& params);
  void change_driver_domain(const Call& call, const Params& params, Supervisor::Change what);

  rpc::VersionResult version_result();
  /// Nobody knows a domain whose entry cannot be read; then that is the error.
  [[nodiscard]] Error or_bad_entry(const std::string& name, const Error& error) const;
  /// Begins a plan for a request and answers when it is over; `after` runs first on success.
  void run_plan(const Call& call, Plan plan, std::function<void()> after = {});
  using PlanOfOne = Result<Plan> (Toolstack::*)(const Sbdf&);
  void change_one(const Call& call, const Params& params, PlanOfOne make);
  void attach_to(const Call& call, const DomainInfo& domain, const std::vector<DeviceSpec>& specs,
                 AttachMode mode);

  Toolstack& toolstack_;
  Scheduler& scheduler_;
  Reconciler& reconciler_;
  DomainWatcher& watcher_;
  Supervisor& supervisor_;
  StateFiles& files_;
  Log& log_;
  Metrics& metrics_;
  std::vector<std::weak_ptr<Session>> watchers_;
};

/// Reads the parameters; on an error answers it and returns nothing.
template <class T>
std::optional<T> read_params(const Call& call, const boost::json::object& params) {
  Result<T> read = rpc::from_json<T>(boost::json::value(params));
  if (read) return std::move(*read);
  Error error = read.error();
  error.message = "parameters: " + error.message;
  call.fail(error);
  return std::nullopt;
}

}  // namespace pciassign::daemon
