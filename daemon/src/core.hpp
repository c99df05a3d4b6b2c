// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// The daemon without its process: everything between the ports and the control socket. Tests run
/// it on simulated ports.
#pragma once
#include <functional>
#include <memory>

#include "commands.hpp"
#include "domain_watcher.hpp"
#include "metrics.hpp"
#include "metrics_output.hpp"
#include "reactor.hpp"
#include "reconciler.hpp"
#include "scheduler.hpp"
#include "server.hpp"
#include "state_files.hpp"
#include "supervisor.hpp"
#include "xl.hpp"

namespace pciassign::daemon {

class Core {
 public:
  /// `boot`: boot_id(). `xl` is for tests; by default it is what the configuration says.
  Core(Reactor& reactor, Ports ports, const config::DaemonConfig& config, const std::string& boot,
       Log& log, std::unique_ptr<Xl> xl = nullptr);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  /// Reads assignments.d and domains.d. What is bad there is logged and concerns itself only.
  void read_domains(const config::Paths& paths);
  /// What is to be attached to whom, and the driver domains, whose devices belong to them.
  void set_assignments(config::Assignments assignments, config::DriverDomains domains = {});
  void set_configured(config::Configured configured);
  /// What `status` tells of files that cannot be used.
  [[nodiscard]] std::vector<rpc::ProblemView> problems();
  /// Takes over what can change while it runs. False: paths changed, which needs a restart.
  [[nodiscard]] bool reconfigure(const config::DaemonConfig& config);
  /// Watches xenstore, compares the journal with the world, and answers at `listening`.
  Result<void> start(UniqueFd listening);
  /// Undoes or ends what runs, then calls `done`.
  void shut_down(std::function<void()> done);

  /// xenstored went away.
  std::function<void()> on_store_lost;

  [[nodiscard]] Commands& commands() { return commands_; }
  [[nodiscard]] Supervisor& supervisor() { return supervisor_; }
  [[nodiscard]] Scheduler& scheduler() { return scheduler_; }
  [[nodiscard]] Server& server() { return server_; }
  [[nodiscard]] Metrics& metrics() { return metrics_; }

 private:
  void store_readable();
  void compare();
  void serve_metrics();
  [[nodiscard]] std::string metrics_text();
  [[nodiscard]] std::string xl_program();

  Reactor& reactor_;
  Log& log_;
  config::Paths paths_;
  config::Configured configured_;
  std::string xl_path_;
  Toolstack toolstack_;
  Metrics metrics_;
  StateFiles files_;
  Scheduler scheduler_;
  Reconciler reconciler_;
  DomainWatcher watcher_;
  std::unique_ptr<Xl> xl_;
  Supervisor supervisor_;
  Commands commands_;
  Server server_;
  MetricsOutput metrics_output_;
  std::unique_ptr<Reactor::Descriptor> store_watch_;
  std::filesystem::path domains_directory_;  ///< domains.d, as it was read.
  std::function<void()> shut_down_done_;
  bool started_ = false;
};

}  // namespace pciassign::daemon
