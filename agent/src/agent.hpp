// SPDX-License-Identifier: GPL-2.0-or-later
// The agent without its process: compares what xenstore wants with what is, for each device of each
// guest, and says in data/pciassign how the domain does. It sees the system through Service and
// Store only; time is given to it.
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "backend.hpp"
#include "service.hpp"

namespace pciassign::agent {

using Milliseconds = std::chrono::milliseconds;
using Log = std::function<void(const std::string&)>;

class Agent {
 public:
  Agent(Store& store, Service& service, Log log) : store_(store), service_(service), log_(log) {}

  /// Says "starting". An error: xenstore does not answer.
  Result<void> open(const std::string& version);
  /// Begins to serve. `notes`: what went wrong so far without being fatal (a module that is
  /// missing), told while the device is awaited.
  Result<void> start(const std::string& notes);

  /// It cannot work: said to all who ask.
  void fail(const std::string& words);

  /// A watched path changed; looked at by the next settle().
  void store_changed(const std::string& path);
  /// A device of the domain's own came or went.
  void devices_changed() { look_around_ = true; }
  /// The kernel made or removed what belongs to a guest's device.
  void backend_changed(BackendId id) { dirty_.insert(id); }
  void job_ended(int job, int status);
  /// Does what is to be done now; `now` is of a steady clock.
  void settle(Milliseconds now);
  /// When settle() has to be called again although nothing happens; empty: it has not.
  [[nodiscard]] std::optional<Milliseconds> wake_at(Milliseconds now) const;
  void beat();

  /// Only says that it stops: guests' devices go on, until another agent takes over.
  void leave();
  /// Lets go of everything with nothing lost; after it, the domain is to be switched off.
  void stop();

 private:
  struct Known {
    bool served = false;
    bool counted = false;                  ///< Its first packet was seen, or is no longer awaited.
    std::optional<Milliseconds> patience;  ///< Until when a missing disk is no error.
    std::optional<Milliseconds> removal;   ///< When its directory is to be removed.
    std::optional<Milliseconds> counting;  ///< Since when its first packet is awaited.
  };

  [[nodiscard]] std::string data(const std::string& name) const;
  [[nodiscard]] std::string path_of(BackendId id) const;
  [[nodiscard]] std::string traffic_node(BackendId id) const;
  void scan();
  void look_at(BackendId id);
  void serve(const Backend& backend, Known& known);
  void answer(const Backend& backend, const Outcome& outcome);
  void take_away(const Backend& backend, Known& known);
  void let_go(BackendId id, Known& known);
  void forget(BackendId id);
  void count_traffic();
  void look_at_the_refused();
  void tell_state();
  bool write(const std::string& path, const std::string& value);
  void remove(const std::string& path);
  /// False for an error; one that is not of a directory that goes away is trouble.
  bool check(const Result<void>& result);
  void trouble(const Error& error);
  void plan_retry();

  Store& store_;
  Service& service_;
  Log log_;
  std::string own_, notes_, failure_, told_state_, told_message_;
  std::map<BackendId, Known> known_;
  std::set<BackendId> dirty_;
  bool rescan_ = true, look_around_ = true;
  std::uint64_t beats_ = 0;
  Milliseconds now_{0};
  bool trouble_ = false;
  Milliseconds retry_after_{0};
  std::optional<Milliseconds>
      retry_;  ///< When all is compared again, since xenstore refused something.
};

}  // namespace pciassign::agent
