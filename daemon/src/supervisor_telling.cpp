// SPDX-License-Identifier: GPL-2.0-or-later
// What a supervisor tells: the log, those who watch or wait, the metrics, and who asks for its
// state.
#include <fmt/format.h>

#include <algorithm>

#include "pciassign/shell_words.hpp"
#include "supervisor.hpp"

namespace pciassign::daemon {
namespace {

using supervision::Told;

struct Telling {
  Told::What what;
  LogId id;
  const char* event;
  bool failure = false;
};
constexpr Telling kTellings[] = {
    {Told::What::phase, "driver-domain-phase", "phase"},
    {Told::What::ready, "driver-domain-ready", "done"},
    {Told::What::recovered, "driver-domain-recovered", "done"},
    {Told::What::failed, "driver-domain-failed", "failed", true},
    {Told::What::gave_up, "driver-domain-given-up", "failed", true},
    {Told::What::blocked, "driver-domain-blocked", "failed", true},
    {Told::What::dependent_failed, "dependent-failed", "failed", true},
};
const Telling& way_of(Told::What what) {
  static constexpr Telling kOther{Told::What::began, "driver-domain", "began"};
  const auto* way = std::find_if(std::begin(kTellings), std::end(kTellings),
                                 [&](const Telling& one) { return one.what == what; });
  return way == std::end(kTellings) ? kOther : *way;
}

}  // namespace

Error Supervisor::failure(std::string message, const std::string& name) {
  return {ErrorKind::failed, "E-DRIVER-DOMAIN", std::move(message),
          shell_command("pciassign domain show", {name}), 0};
}

void Supervisor::tell(Entry& entry, const Told& told) {
  if (told.what == Told::What::recovered) count(entry, true);
  if (told.what == Told::What::recovery_failed) {
    count(entry, false);
    return;  // What began instead is told.
  }
  const std::string& name = entry.core.config().name;
  std::vector<LogField> fields{{"domain", name}};
  const auto& instance = entry.core.state().instance;
  std::optional<DomId> domid;
  if (instance) domid = instance->domid;
  if (domid) fields.push_back({"domid", std::to_string(*domid)});
  const Telling& way = way_of(told.what);
  rpc::ChangeEvent event{
      way.event, fmt::format("driver domain {} {}", name, told.words), domid, name, {}, {}, {}, {}};
  if (told.what == Told::What::phase) {
    fields.push_back({"phase", told.phase});
    fields.push_back({"us", std::to_string(told.took.count())});
    event.phase = told.phase;
    event.seconds = std::chrono::duration<double>(told.took).count();
    for (const Waiter& waiter : entry.waiters)
      if (waiter.on_phase)
        waiter.on_phase({told.phase, event.title, told.took, std::nullopt, false});
  }
  if (way.failure) {
    log_.error(way.id, event.title, fields);
    event.message = told.words;
  } else {
    log_.info(way.id, event.title, fields);
  }
  if (on_event) on_event(event);
  if (told.what == Told::What::failed || told.what == Told::What::gave_up)
    answer_failure(entry, event.title);
}

/// The recovery that came to its end last.
void Supervisor::count(const Entry& entry, bool done) {
  const auto& records = entry.core.state().recoveries;
  const auto over = std::find_if(records.rbegin(), records.rend(), [](const auto& record) {
    return record.result != supervision::RecoveryResult::running;
  });
  if (over != records.rend())
    metrics_.recovered(entry.core.config().name, std::string(to_string(over->cause)),
                       over->standby ? "standby" : "cold", done);
}

void Supervisor::answer_failure(Entry& entry, const std::string& words) {
  std::vector<Waiter> kept;
  for (Waiter& waiter : std::exchange(entry.waiters, {})) {
    if (waiter.change == Change::stop) {
      kept.push_back(std::move(waiter));
    } else {
      waiter.done(tl::unexpected<Error>(failure(words, entry.core.config().name)));
    }
  }
  entry.waiters = std::move(kept);
}

void Supervisor::answer(Entry& entry) {
  if (entry.waiters.empty()) return;
  const std::string word = entry.core.state_word();
  std::vector<Waiter> kept;
  for (Waiter& waiter : std::exchange(entry.waiters, {})) {
    const bool stop = waiter.change == Change::stop;
    if (word == (stop ? "stopped" : "ready")) {
      waiter.done(view(entry.core.config().name));
    } else if (!stop && word == "blocked") {
      const std::string& name = entry.core.config().name;
      waiter.done(tl::unexpected<Error>(failure(
          fmt::format("driver domain {} is blocked: {}", name, entry.core.blocked_by()), name)));
    } else if (stop ? entry.core.state().wanted : word == "stopped" || word == "given-up") {
      waiter.done(tl::unexpected<Error>(
          failure(fmt::format("driver domain {} is {}", entry.core.config().name, word),
                  entry.core.config().name)));
    } else {
      kept.push_back(std::move(waiter));
    }
  }
  for (Waiter& waiter : entry.waiters) kept.push_back(std::move(waiter));
  entry.waiters = std::move(kept);
}

Result<rpc::DriverDomainView> Supervisor::view(const std::string& name) {
  const auto found = entries_.find(name);
  if (found == entries_.end())
    return fail(ErrorKind::not_found, fmt::format("no driver domain {} is configured", name),
                "`pciassign domain list` shows them");
  if (auto domains = toolstack_.ports().xen.domains()) domains_ = std::move(*domains);
  supervision::Facts facts = gather(found->second);
  found->second.dependents.reset();
  gather_dependents(found->second, facts);
  return found->second.core.view(facts);
}

std::vector<rpc::RetryView> Supervisor::blocked() const {
  std::vector<rpc::RetryView> views;
  for (const auto& [name, entry] : entries_) {
    if (entry.core.state_word() != "blocked") continue;
    views.push_back({fmt::format("create driver domain {}: {}", name, entry.core.blocked_by()),
                     "E-DRIVER-DOMAIN", std::nullopt, name, std::nullopt, 0});
  }
  return views;
}

std::vector<Metrics::Present::DriverDomain> Supervisor::present() const {
  std::vector<Metrics::Present::DriverDomain> all;
  for (const auto& [name, entry] : entries_) {
    Metrics::Present::DriverDomain& one = all.emplace_back();
    one.name = name;
    one.state = entry.core.state_word();
    const auto& recoveries = entry.core.state().recoveries;
    if (recoveries.empty()) continue;
    for (const auto& phase : recoveries.back().phases)
      one.phases.emplace_back(phase.phase, std::chrono::duration<double>(phase.took).count());
  }
  return all;
}

std::vector<rpc::DriverDomainView> Supervisor::views() {
  std::vector<rpc::DriverDomainView> all;
  for (const auto& [name, entry] : entries_)
    if (auto one = view(name)) all.push_back(std::move(*one));
  return all;
}

}  // namespace pciassign::daemon
