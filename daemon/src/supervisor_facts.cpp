// SPDX-License-Identifier: GPL-2.0-or-later
// What a supervisor looks at: Xen, the agents' nodes, the journal, the dependents.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>

#include "supervisor.hpp"

namespace pciassign::daemon {
namespace {

using supervision::DomainFacts;
using supervision::Facts;

std::string agent_path(DomId domid) {
  return fmt::format("/local/domain/{}/data/pciassign", domid);
}

/// The agent's word is the driver domain's: only what is known counts.
std::string known_state(const std::string& state) {
  constexpr std::array<std::string_view, 5> kStates{"starting", "waiting", "ready", "stopping",
                                                    "failed"};
  return std::find(kStates.begin(), kStates.end(), state) == kStates.end() ? std::string() : state;
}

/// What another domain wrote, as part of a message.
std::string bounded(std::string text) {
  constexpr std::size_t kMost = 200;
  if (text.size() > kMost) text.resize(kMost);
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  return text;
}

std::string time_of_day() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

std::string Supervisor::token_of(const Entry& entry) {
  return std::string(kToken) + entry.core.config().name;
}

std::string Supervisor::text_of(const std::filesystem::path& file) {
  std::error_code ec;
  if (!std::filesystem::is_regular_file(file, ec)) return {};
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string Supervisor::read(const std::string& path) {
  return toolstack_.ports().store.read(path).value_or(std::nullopt).value_or(std::string());
}

DomainFacts Supervisor::facts_of(const DomainInfo& info,
                                 const Result<std::vector<AttachmentRecord>>& records) {
  DomainFacts facts;
  facts.info = info;
  facts.name = read(fmt::format("/local/domain/{}/name", info.domid));
  const std::string agent = agent_path(info.domid);
  facts.agent = known_state(read(agent + "/state"));
  if (facts.agent == "failed") facts.agent_message = bounded(read(agent + "/message"));
  if (facts.agent.empty()) {
    for (const rpc::RetryView& retry : watcher_.retries())
      if (retry.domid == info.domid && retry.next_seconds) facts.attach_error = retry.what;
  }
  facts.holds_devices = !records;
  if (!records) return facts;
  for (const AttachmentRecord& record : *records) {
    if (record.domid != info.domid || record.domain_uuid != info.uuid_str()) continue;
    facts.holds_devices = true;
    facts.has_devices = facts.has_devices || record.phase == Phase::attached;
  }
  return facts;
}

Facts Supervisor::gather(Entry& entry) {
  Facts facts;
  facts.now = std::chrono::steady_clock::now();
  facts.noticed = noticed_.value_or(facts.now);
  facts.utc = time_of_day();
  const std::vector<std::string> wanted = entry.core.uuids();
  const auto records = toolstack_.ports().journal.all();
  for (const DomainInfo& info : domains_) {
    std::string uuid = info.uuid_str();
    facts.all[info.domid] = uuid;
    if (std::find(wanted.begin(), wanted.end(), uuid) == wanted.end()) continue;
    facts.domains.emplace(std::move(uuid), facts_of(info, records));
  }
  // Reads of every domain's name: not while all is as it should be.
  const auto& instance = entry.core.state().instance;
  const auto ours = instance ? facts.domains.find(instance->uuid) : facts.domains.end();
  if (ours == facts.domains.end() || ours->second.info.gone() ||
      ours->second.name != entry.core.config().name)
    find_namesake(entry, facts);
  watch_namesake(entry, facts);
  watch_agents(entry, facts);
  return facts;
}

void Supervisor::find_namesake(const Entry& entry, Facts& facts) {
  facts.namesake_looked_for = true;
  for (const DomainInfo& info : domains_) {
    if (info.gone() || info.domid == kDom0 || info.domid >= kDomIo - 1) continue;
    if (facts.domains.contains(info.uuid_str())) continue;
    if (read(fmt::format("/local/domain/{}/name", info.domid)) != entry.core.config().name)
      continue;
    facts.namesake = {info.uuid_str(), info.domid, {}};
    if (is_from_our_file(entry, info.domid))
      facts.namesake->agent = known_state(read(agent_path(info.domid) + "/state"));
    return;
  }
}

/// What its agent says a domain can say of itself, whoever it is. What it was built from libxl has
/// written down where only dom0 writes: that stands in the entry's file for xl.
bool Supervisor::is_from_our_file(const Entry& entry, DomId domid) {
  const std::string vm = read(fmt::format("/local/domain/{}/vm", domid));
  if (vm.empty()) return false;
  const std::string config = text_of(entry.core.config().config);
  bool any = false;
  for (const char* part : {"/image/kernel", "/image/ramdisk"}) {
    const std::string path = read(vm + part);
    if (path.empty()) continue;
    any = true;
    if (config.find('"' + path + '"') == std::string::npos &&
        config.find('\'' + path + '\'') == std::string::npos)
      return false;
  }
  return any;
}

/// Its end wakes us by itself, and so does its agent; another name does not.
void Supervisor::watch_namesake(Entry& entry, const Facts& facts) {
  std::optional<DomId> domid;
  if (facts.namesake) domid = facts.namesake->domid;
  if (domid == entry.namesake) return;
  const auto name_of = [](DomId id) { return fmt::format("/local/domain/{}/name", id); };
  Store& store = toolstack_.ports().store;
  if (entry.namesake) (void)store.unwatch(name_of(*entry.namesake), token_of(entry));
  if (domid) (void)store.watch(name_of(*domid), token_of(entry));
  entry.namesake = domid;
}

/// The heartbeat of a domain that is to be gone wakes nobody.
void Supervisor::watch_agents(Entry& entry, const Facts& facts) {
  std::set<DomId> living;
  const auto& state = entry.core.state();
  for (const auto* instance : {&state.instance, &state.standby}) {
    if (!*instance) continue;
    const auto found = facts.domains.find((*instance)->uuid);
    if (found != facts.domains.end() && !found->second.info.gone())
      living.insert(found->second.info.domid);
  }
  if (facts.namesake) living.insert(facts.namesake->domid);
  Store& store = toolstack_.ports().store;
  std::erase_if(entry.watched, [&](DomId domid) {
    if (living.contains(domid)) return false;
    (void)store.unwatch(agent_path(domid), token_of(entry));
    return true;
  });
  for (const DomId domid : living) {
    if (entry.watched.insert(domid).second) (void)store.watch(agent_path(domid), token_of(entry));
  }
}

std::optional<Replacement> Supervisor::plan_of(const Dependent& dependent, const Entry& entry,
                                               std::vector<Dependent>& planned) {
  const std::string& name = entry.core.config().name;
  // The one that the addition is made for in the end is put in when it begins.
  const auto& instance = entry.core.state().instance;
  const DomId backend = instance ? instance->domid.value_or(kDomInvalid) : kDomInvalid;
  auto plan = plan_replacement(toolstack_.ports().store, dependent, backend, planned);
  if (plan) {
    planned.push_back(plan->added);
    return std::move(*plan);
  }
  if (plan.error().kind != ErrorKind::not_found)
    log_.warning("driver-domain", plan.error().message, {{"domain", name}});
  return std::nullopt;
}

/// Many reads, of every guest's devices. False: not all of them could be read.
bool Supervisor::find_dependents_of(Entry& entry, const Facts& facts) {
  const auto& state = entry.core.state();
  Store& store = toolstack_.ports().store;
  std::vector<Dependent> planned;  // Their numbers are taken, though nothing has them yet.
  for (const auto& pending : state.additions) planned.push_back(pending.added);
  entry.dependents.emplace();
  auto found = find_dependents(store, entry.backends);
  if (!found) {
    log_.warning("driver-domain", found.error().message, {{"domain", entry.core.config().name}});
    return false;
  }
  bool all = true;
  for (Dependent& dependent : *found) {
    // Records of guests that are gone stay behind where xl was killed.
    if (!facts.all.contains(dependent.guest)) continue;
    const auto recovery = recovery_of(store, dependent.guest);
    if (!recovery) {  // One that follows must not lose its device for that.
      all = false;
      continue;
    }
    supervision::DependentFacts& one = entry.dependents->emplace_back();
    one.recovery = *recovery;
    one.guest_name = bounded(toolstack_.domain_name(dependent.guest).value_or(""));
    const bool here = state.instance && state.instance->domid == dependent.backend;
    if (!here && one.recovery == Recovery::remove_and_add)
      one.replacement = plan_of(dependent, entry, planned);
    one.dependent = std::move(dependent);
  }
  return all;
}

void Supervisor::gather_dependents(Entry& entry, Facts& facts) {
  const auto& state = entry.core.state();
  std::set<DomId> backends;
  for (const auto& old : state.former) {
    const auto there = facts.all.find(*old.domid);
    if (there == facts.all.end() || there->second == old.uuid) backends.insert(*old.domid);
  }
  if (state.instance && state.instance->domid) backends.insert(*state.instance->domid);
  const auto find = [&] {
    entry.backends = backends;
    entry.moved = false;
    facts.dependents_seen = find_dependents_of(entry, facts);
    look_at_states(entry, facts, backends);
  };
  facts.dependents_seen = true;
  // What is to be added may be there by now: nothing is added twice.
  if (!entry.dependents || !std::ranges::includes(entry.backends, backends) ||
      !state.additions.empty())
    find();
  else
    look_at_states(entry, facts, backends);
  const bool connected =
      std::ranges::all_of(facts.dependents, [](const auto& one) { return one.state.connected(); });
  // Somebody may have got a device of the former domain since.
  if (entry.moved && connected) find();
  facts.dependents_complete = facts.dependents_seen && !entry.moved;
  if (!facts.dependents_seen) entry.dependents.reset();
  std::set<std::string> paths;
  for (const auto& one : facts.dependents)
    for (std::string& path : watched_paths(one.dependent)) paths.insert(std::move(path));
  follow(entry, entry.core.needs_dependents() ? std::move(paths) : std::set<std::string>());
}

void Supervisor::look_at_states(const Entry& entry, Facts& facts, const std::set<DomId>& backends) {
  const auto& state = entry.core.state();
  Store& store = toolstack_.ports().store;
  facts.dependents.clear();
  for (supervision::DependentFacts one : *entry.dependents) {
    const Dependent& dependent = one.dependent;
    if (!facts.all.contains(dependent.guest) || !backends.contains(dependent.backend)) continue;
    if (auto now = state_of(store, dependent)) one.state = *now;
    if (state.instance && state.instance->domid == dependent.backend)
      one.traffic =
          read(fmt::format("{}/traffic/{}-{}-{}", agent_path(dependent.backend),
                           to_string(dependent.kind), dependent.guest, dependent.devid)) == "1";
    facts.dependents.push_back(std::move(one));
  }
}

void Supervisor::follow(Entry& entry, std::set<std::string> paths) {
  Store& store = toolstack_.ports().store;
  for (const std::string& path : entry.followed)
    if (!paths.contains(path)) (void)store.unwatch(path, token_of(entry));
  for (const std::string& path : paths)
    if (!entry.followed.contains(path)) (void)store.watch(path, token_of(entry));
  entry.followed = std::move(paths);
}

}  // namespace pciassign::daemon
