// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Keeps the configured driver domains alive: sees to what supervision::Supervision decides. It
/// gathers the facts, carries the actions out, keeps the state on disk and answers for it.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "domain_watcher.hpp"
#include "log.hpp"
#include "metrics.hpp"
#include "pciassign/supervision.hpp"
#include "pciassign/toolstack.hpp"
#include "reactor.hpp"
#include "scheduler.hpp"
#include "xl.hpp"

namespace pciassign::daemon {

class Supervisor {
  struct Entry;

 public:
  /// Where what it knows is kept: the state of this boot, and what outlasts it.
  struct Places {
    std::filesystem::path state, history;
    std::string boot;  ///< boot_id()
  };
  Supervisor(Reactor& reactor, Toolstack& toolstack, Scheduler& scheduler, DomainWatcher& watcher,
             Xl& xl, Log& log, Metrics& metrics, Places places);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// One that is no longer configured is left as it runs.
  void set_domains(config::DriverDomains domains);
  /// Compares every driver domain with what it should be.
  void compare();
  /// An event of one of our watches; settle() is to follow when the last one was told.
  void event(const WatchEvent& event);
  /// An event of pciback's nodes: sees a toolstack take a device from a driver domain that lives.
  /// True: settle() is to follow.
  bool device_event(const std::string& path);
  /// What a plan does.
  void plan_event(const rpc::ChangeEvent& event);
  static bool is_ours(const std::string& token) { return token.starts_with(kToken); }
  void settle();
  void stop();

  [[nodiscard]] Result<rpc::DriverDomainView> view(const std::string& name);
  [[nodiscard]] std::vector<rpc::DriverDomainView> views();
  /// Those that wait for somebody else's domain to give their name up.
  [[nodiscard]] std::vector<rpc::RetryView> blocked() const;

  /// For the metrics.
  [[nodiscard]] std::vector<Metrics::Present::DriverDomain> present() const;

  enum class Change { start, stop, recover };
  struct Waiter {
    Change change;
    std::function<void(Result<rpc::DriverDomainView>)> done;
    std::function<void(const StepReport&)> on_phase;
  };
  /// Without a waiter's `done` nobody waits.
  Result<void> change(const std::string& name, Change what, std::optional<Waiter> waiter);

  /// For those who watch.
  std::function<void(const rpc::ChangeEvent&)> on_event;

 private:
  using Supervision = supervision::Supervision;
  /// Of our watches, before the name of the driver domain.
  static constexpr std::string_view kToken = "driver-domain ";
  static std::string token_of(const Entry& entry);
  struct Entry {
    explicit Entry(Supervision supervision) : core(std::move(supervision)) {}
    Supervision core;
    std::string file;  ///< In each of the two places; made from a DriverDomainName.
    std::string saved, saved_history;
    std::set<DomId> watched;
    std::optional<DomId> namesake;   ///< Whose name is watched.
    std::set<std::string> followed;  ///< Nodes of dependents that are watched.
    /// Of these back ends, as last looked for. Only their states are read anew with each event.
    std::set<DomId> backends;
    std::optional<std::vector<supervision::DependentFacts>> dependents;
    bool moved = false;  ///< Some of them since then, to another back end.
    std::vector<Waiter> waiters;
    bool dirty = false;
  };

  // What is seen (supervisor_facts.cpp).
  supervision::Facts gather(Entry& entry);
  supervision::DomainFacts facts_of(const DomainInfo& info,
                                    const Result<std::vector<AttachmentRecord>>& records);
  bool find_dependents_of(Entry& entry, const supervision::Facts& facts);
  void gather_dependents(Entry& entry, supervision::Facts& facts);
  void look_at_states(const Entry& entry, supervision::Facts& facts,
                      const std::set<DomId>& backends);
  std::optional<Replacement> plan_of(const Dependent& dependent, const Entry& entry,
                                     std::vector<Dependent>& planned);
  bool is_from_our_file(const Entry& entry, DomId domid);
  void find_namesake(const Entry& entry, supervision::Facts& facts);
  void watch_namesake(Entry& entry, const supervision::Facts& facts);
  void watch_agents(Entry& entry, const supervision::Facts& facts);
  void follow(Entry& entry, std::set<std::string> paths);
  /// Of a file; empty where there is none.
  static std::string text_of(const std::filesystem::path& file);
  /// Of a node; empty where there is none.
  std::string read(const std::string& path);

  void settle_later();

  // What is done (supervisor_actions.cpp), and told (supervisor_telling.cpp).
  void run(Entry& entry);
  [[nodiscard]] supervision::State restore(const config::DriverDomain& config,
                                           const std::string& name);
  bool save(Entry& entry, bool durable);
  void save_history(Entry& entry);
  bool write(const Entry& entry, const std::filesystem::path& directory, const std::string& text,
             bool durable);
  void perform(Entry& entry, const supervision::Action& action);
  /// Whether it has still that number. To be asked directly before each action.
  bool is_same(DomId domid, const std::string& uuid);
  /// Whether the guest that loses this device, and gets it anew, is still the one that was meant.
  bool is_its_guest(const Entry& entry, const Dependent& former);
  void begin_rename(const supervision::Rename& rename);
  void begin_shut_down(const supervision::ShutDown& what);
  void begin_reconnect(Entry& entry, const supervision::Reconnect& what);
  void begin_create(Entry& entry, const supervision::Create& create);
  void begin_destroy(Entry& entry, const supervision::Destroy& destroy);
  void begin_fence(Entry& entry, const supervision::Fence& fence);
  void begin_remove(Entry& entry, const supervision::Remove& remove);
  void begin_add(Entry& entry, const supervision::Add& add);
  static Error failure(std::string message, const std::string& name);
  void tell(Entry& entry, const supervision::Told& told);
  void count(const Entry& entry, bool done);
  void answer(Entry& entry);
  void answer_failure(Entry& entry, const std::string& words);
  void arm();
  /// Something of the entry ended: what it means, and then a look.
  std::function<void(Result<void>)> then(
      const std::string& name, std::function<void(Supervision&, const std::optional<Error>&)> what);
  void plan_over(const Plan& plan, const PlanReport& report);

  Reactor& reactor_;
  Toolstack& toolstack_;
  Scheduler& scheduler_;
  DomainWatcher& watcher_;
  Xl& xl_;
  Log& log_;
  Metrics& metrics_;
  Places places_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<DomainInfo> domains_;  ///< Of the present look.
  std::optional<supervision::Time> noticed_;
  std::unique_ptr<Reactor::Timer> timer_;
  bool stopped_ = false, busy_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pciassign::daemon
