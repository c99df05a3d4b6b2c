// SPDX-License-Identifier: GPL-2.0-or-later
#include "core.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <utility>

#include "version.hpp"

namespace pciassign::daemon {
namespace {

/// What wakes the daemon: domains that come and go, and pciback's nodes, which only dom0 writes.
constexpr std::array kWatches{"@introduceDomain", "@releaseDomain", "backend/pci"};

rpc::ProblemView view_of(const config::Problem& problem) {
  std::string what = problem.error.message;
  if (!problem.kept.empty())
    what += fmt::format("; the former entries stay in effect: {}", fmt::join(problem.kept, ", "));
  return {problem.file.string(), std::move(what), problem.error.hint};
}

}  // namespace

Core::Core(Reactor& reactor, Ports ports, const config::DaemonConfig& config,
           const std::string& boot, Log& log, std::unique_ptr<Xl> xl)
    : reactor_(reactor),
      log_(log),
      paths_(config.paths),
      xl_path_(config.paths.xl),
      toolstack_(ports, config.settings),
      files_(config.paths.runtime, boot),
      scheduler_(reactor, ports, log, metrics_, config.limits.plans),
      reconciler_(reactor, toolstack_, scheduler_, log, metrics_),
      watcher_(reactor, toolstack_, scheduler_, files_, log, metrics_),
      xl_(xl ? std::move(xl) : make_xl(reactor, [this] { return xl_program(); })),
      supervisor_(reactor, toolstack_, scheduler_, watcher_, *xl_, log, metrics_,
                  {config.paths.runtime / "supervisor", config.paths.state / "supervisor", boot}),
      commands_(toolstack_, scheduler_, reconciler_, watcher_, supervisor_, files_, log, metrics_),
      server_(reactor, commands_, log, config.limits),
      metrics_output_(reactor, log, [this] { return metrics_text(); }) {
  metrics_.changed = [this] { metrics_output_.changed(); };
  metrics_output_.set_file(config.paths.metrics_file);
  commands_.compare = [this] { compare(); };
  commands_.problems = [this] { return problems(); };
  watcher_.compare = [this] { compare(); };
  scheduler_.on_event = [this](const rpc::ChangeEvent& event) {
    commands_.tell(event);
    supervisor_.plan_event(event);
  };
  supervisor_.on_event = [this](const rpc::ChangeEvent& event) { commands_.tell(event); };
  scheduler_.on_job_over = [this] {
    if (shut_down_done_) {
      if (scheduler_.idle()) reactor_.post(std::exchange(shut_down_done_, nullptr));
      return;
    }
    compare();
  };
}

Core::~Core() = default;

void Core::read_domains(const config::Paths& paths) {
  config::Configured configured = config::load_configured(paths, configured_);
  domains_directory_ = paths.domains;
  for (const config::Problem& problem : configured.problems) {
    const rpc::ProblemView view = view_of(problem);
    if (problem.minor) {
      log_.warning("config", view.what);
    } else {
      log_.error("config", fmt::format("{} ({})", view.what, view.hint));
    }
  }
  set_configured(std::move(configured));
}

void Core::set_assignments(config::Assignments assignments, config::DriverDomains domains) {
  set_configured({std::move(assignments), std::move(domains), {}});
}

void Core::set_configured(config::Configured configured) {
  if (started_) watcher_.notice();
  configured_ = std::move(configured);
  config::Assignments assignments = configured_.assignments;
  std::set<std::string> supervised;
  for (const auto& [name, domain] : configured_.domains) {
    assignments.insert_or_assign(
        name,
        config::Assignment{name, domain.devices, config::OnFailure::keep_paused, domain.origin});
    supervised.insert(name);
  }
  std::map<std::string, Error> bad;
  for (const config::Problem& problem : configured_.problems) {
    const bool driver_domain = problem.file.parent_path() == domains_directory_;
    for (const std::string& name : problem.domains) {
      // Another domain may have that name.
      if (driver_domain) supervised.insert(name);
      if (const config::Problem* why = configured_.problem_of(name)) bad.emplace(name, why->error);
    }
  }
  supervisor_.set_domains(configured_.domains);
  watcher_.set_assignments(std::move(assignments), std::move(supervised), std::move(bad));
  compare();
}

std::vector<rpc::ProblemView> Core::problems() {
  std::vector<rpc::ProblemView> all;
  for (const config::Problem& problem : configured_.problems) all.push_back(view_of(problem));
  Journal& journal = toolstack_.ports().journal;
  const auto faults = journal.faults();
  if (!faults) {
    all.push_back({journal.directory().string(), faults.error().message, faults.error().hint});
    return all;
  }
  for (const JournalFault& fault : *faults)
    all.push_back({fault.file.string(), fault.why, fault.hint});
  return all;
}

bool Core::reconfigure(const config::DaemonConfig& config) {
  log_.set_level(config.log_level);
  toolstack_.set_settings(config.settings);
  scheduler_.set_most(config.limits.plans);
  server_.set_limits(config.limits);
  metrics_output_.set_file(config.paths.metrics_file);
  xl_path_ = config.paths.xl;
  return config.paths.state == paths_.state && config.paths.runtime == paths_.runtime &&
         config.paths.socket == paths_.socket && config.paths.sysfs == paths_.sysfs &&
         config.paths.metrics_socket == paths_.metrics_socket;
}

Result<void> Core::start(UniqueFd listening) {
  Store& store = toolstack_.ports().store;
  for (const char* path : kWatches) {
    if (auto watched = store.watch(path, path); !watched) return watched;
  }
  store_watch_ = reactor_.watch(store.fd());
  store_watch_->on_readable([this] { store_readable(); });
  started_ = true;
  compare();
  if (listening) server_.start(std::move(listening));
  serve_metrics();
  return {};
}

/// Nobody's devices depend on the metrics: the daemon works without their socket.
void Core::serve_metrics() {
  if (paths_.metrics_socket.empty()) return;
  if (auto listening = listen_at(paths_.metrics_socket)) {
    metrics_output_.serve(std::move(*listening));
  } else {
    log_.warning("metrics-socket", listening.error().message);
  }
}

/// Not a distribution's wrapper, which looks for the same with a shell at each start.
std::string Core::xl_program() {
  if (!xl_path_.empty()) return xl_path_;
  if (const auto host = toolstack_.ports().xen.host()) {
    const auto own = fmt::format("/usr/lib/xen-{}.{}/bin/xl", host->xen_major, host->xen_minor);
    std::error_code ec;
    if (std::filesystem::exists(own, ec)) return own;
  }
  return "/usr/sbin/xl";
}

std::string Core::metrics_text() {
  const Ports& ports = toolstack_.ports();
  Metrics::Present present;
  present.version = kVersion;
  if (const auto host = ports.xen.host())
    present.xen = std::to_string(host->xen_major) + "." + std::to_string(host->xen_minor);
  present.attachments = ports.journal.all().value_or(std::vector<AttachmentRecord>{});
  present.under_way = scheduler_.jobs().size();
  present.waiting_attach = watcher_.retries().size();
  present.waiting_clean_up = reconciler_.retries().size();
  present.denied_writes = ports.pci.denied_writes().value_or(std::map<Sbdf, std::uint64_t>{});
  present.driver_domains = supervisor_.present();
  return metrics_.text(present);
}

void Core::compare() {
  if (!started_ || shut_down_done_) return;
  // Pausing comes first: every microsecond counts until a new domain is held. Cleaning up comes
  // before attaching: a domain's successor is to find the devices free, or to wait for them.
  watcher_.notice();
  supervisor_.compare();  // Its names and its fences come before what cleans up and attaches.
  reconciler_.kick();
  watcher_.proceed();
  metrics_output_.changed();
}

void Core::store_readable() {
  Store& store = toolstack_.ports().store;
  bool domains = false, ours = false, others = false;
  for (;;) {
    Result<std::optional<WatchEvent>> event = store.next_event();
    if (!event) {
      // Without xenstored nothing can be watched; systemd starts us again when it is back.
      log_.error("xenstore-lost", event.error().message);
      store_watch_.reset();
      if (on_store_lost) on_store_lost();
      return;
    }
    if (!*event) break;
    const std::string& token = (*event)->token;
    if (Supervisor::is_ours(token)) {
      supervisor_.event(**event);
      ours = true;
      continue;
    }
    domains = domains || token.starts_with('@') || token == "name";
    ours = supervisor_.device_event((*event)->path) || ours;
    others = true;
  }
  if (domains) {
    compare();
  } else if (ours) {
    supervisor_.settle();
  }
  if (!others) return;
  scheduler_.world_changed();
}

void Core::shut_down(std::function<void()> done) {
  server_.stop_accepting();
  metrics_output_.stop();
  reconciler_.stop();
  watcher_.stop();
  supervisor_.stop();
  shut_down_done_ = std::move(done);
  scheduler_.drain();
  if (scheduler_.idle()) reactor_.post(std::exchange(shut_down_done_, nullptr));
}

}  // namespace pciassign::daemon
