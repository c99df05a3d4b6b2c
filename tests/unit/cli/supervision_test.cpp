// SPDX-License-Identifier: GPL-2.0-or-later
// The supervisor's decisions in a world of a few lines, whose time passes only when a test says so.
#include "pciassign/supervision.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace pciassign::supervision {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr auto kBoot = "this-boot";

/// One device of a guest.
struct Guest {
  Dependent dependent;
  Recovery recovery = Recovery::in_place;
  bool follows = true;
  bool connected = true;
  bool silent = false;  ///< It sends nothing.
};

/// A child of the daemon that removes or adds a device.
struct Running {
  bool adds;
  Dependent former;
  std::vector<std::string> command;
};

/// Xen, xl, the agents and the guests, and the daemon around a Supervision: it can die.
class World {
 public:
  config::DriverDomain config;
  Time now = Time(1000s);
  std::map<std::string, DomainFacts> domains;
  std::vector<Guest> guests;
  std::map<DomId, std::string> guest_domains;  ///< Their uuids.
  std::vector<Running> running;
  std::set<std::string> creating;  ///< xl runs, and has not told yet.
  std::set<std::string> others;    ///< Domains without an agent: somebody else's.
  std::optional<std::string> device_with;
  std::vector<Told> told;
  std::vector<std::string> done;  ///< Actions, in words.
  // How it behaves.
  bool creation_fails = false, agent_speaks = true, agent_ready = true, daemon_alive = true;
  bool taking_back_works = true, crashes_at_once = false, creation_takes_long = false;
  bool xenstore_works = true, removals_work = true, removals_end = true, additions_end = true;
  int failing_additions = 0;
  bool children_end_late = false;  ///< What the daemon's death kills has done its work already.
  int die_at = -1;                 ///< The daemon dies before this action (negative: it does not).
  int actions = 0;
  bool dependents_complete = true;

  World() {
    config.name = "net";
    config.config = "/v/net/domain.cfg";
    config.devices = {DeviceSpec::parse("00:04.0").value()};
    restart();
  }

  /// A daemon with what was saved; its children ended with the former one.
  void restart() {
    creating.clear();
    for (const Running& child : std::exchange(running, {}))
      if (children_end_late) (void)take_effect(child);
    core.emplace(config, read_state(saved_, kBoot, true),
                 [this] { return fmt::format("00000000-0000-4000-8000-{:012}", ++uuids_); });
    daemon_alive = true;
  }

  Facts facts() {
    Facts facts;
    facts.now = facts.noticed = now;
    facts.utc = "2026-01-31T12:00:00Z";
    const auto wanted = core->uuids();
    for (auto& [uuid, domain] : domains) {
      facts.all[domain.info.domid] = uuid;
      domain.holds_devices = domain.has_devices = device_with == uuid;
      if (std::find(wanted.begin(), wanted.end(), uuid) != wanted.end())
        facts.domains[uuid] = domain;
      else if (domain.name == config.name && !domain.info.gone())
        facts.namesake = {uuid, domain.info.domid, domain.agent};
    }
    facts.namesake_looked_for = true;
    for (const auto& [domid, uuid] : guest_domains) facts.all[domid] = uuid;
    if (core->needs_dependents() && core->can_connect(facts)) find_dependents(facts);
    facts.dependents_complete = dependents_complete;
    return facts;
  }
  void find_dependents(Facts& facts) {
    facts.dependents_seen = xenstore_works;
    if (!xenstore_works) return;
    const State& state = core->state();
    std::set<DomId> backends;
    if (state.instance) backends.insert(state.instance->domid.value_or(0));
    for (const Instance& old : state.former) backends.insert(*old.domid);
    std::vector<Dependent> planned;
    for (const auto& pending : state.additions) planned.push_back(pending.added);
    for (const Guest& guest : guests)
      if (backends.contains(guest.dependent.backend) &&
          guest_domains.contains(guest.dependent.guest))
        facts.dependents.push_back(facts_of(guest, planned));
  }

  /// Until nothing is left to do at this moment.
  void settle() {
    for (int i = 0; i < 100; ++i) {
      if (!daemon_alive) restart();
      if (!look() && !move()) return;
    }
    ADD_FAILURE() << "does not come to rest: " << done.back();
  }
  void pass(Time::duration time) {
    for (const Time end = now + time; now < end;) {
      now = std::min(end, std::max(now + 1ms, core->wake().value_or(end)));
      settle();
    }
  }

  DomainFacts* named(const std::string& name) {
    for (auto& [uuid, domain] : domains)
      if (domain.name == name && !domain.info.gone()) return &domain;
    return nullptr;
  }
  /// A domain of that name that somebody made; without an agent it has nothing to do with us.
  DomainFacts& add_by_hand(DomId domid, const std::string& agent) {
    DomainFacts domain;
    domain.info.domid = domid;
    domain.info.uuid[15] = static_cast<std::uint8_t>(domid);
    domain.name = "net";
    domain.agent = agent;
    const std::string uuid = domain.info.uuid_str();
    domids_[uuid] = domid;
    if (agent.empty()) others.insert(uuid);
    return domains[uuid] = domain;
  }
  void crash(const std::string& name = "net", int code = 3) {
    auto& info = named(name)->info;
    info.shutdown = true;
    info.shutdown_code = code;
    for (Guest& guest : guests) guest.connected = false;
  }
  Guest& add_guest(DomId guest, Recovery recovery = Recovery::in_place,
                   DependentKind kind = DependentKind::vif, std::uint32_t devid = 0) {
    const DomId backend = named("net")->info.domid;
    guest_domains[guest] = fmt::format("guest-{}", guest);
    guests.push_back({{guest, kind, devid, backend, name_of(kind, devid)}, recovery});
    return guests.back();
  }
  void destroy_guest(DomId guest) {
    std::erase_if(guests, [&](const Guest& one) { return one.dependent.guest == guest; });
    guest_domains.erase(guest);
  }
  static std::string name_of(DependentKind kind, std::uint32_t devid) {
    return kind == DependentKind::vif ? "00:16:3e:00:00:01" : fmt::format("disk-{}", devid);
  }
  std::vector<std::string> phases() {
    std::vector<std::string> names;
    for (const auto& phase : core->state().recoveries.back().phases) names.push_back(phase.phase);
    return names;
  }
  bool was_told(Told::What what) {
    return std::any_of(told.begin(), told.end(), [&](const Told& one) { return one.what == what; });
  }
  rpc::DriverDomainView view() {
    Facts now_facts = facts();
    if (!now_facts.dependents_seen) find_dependents(now_facts);
    return core->view(now_facts);
  }
  std::ptrdiff_t count(const std::string& what) {
    return std::count(done.begin(), done.end(), what);
  }
  std::size_t living() {
    return static_cast<std::size_t>(std::count_if(
        domains.begin(), domains.end(), [](auto& item) { return !item.second.info.gone(); }));
  }

  std::optional<Supervision> core;

 private:
  bool look() {
    const std::vector<Action> to_do = core->step(facts());
    saved_ = boost::json::serialize(to_json(core->state(), kBoot));
    bool acted = false;
    for (const Action& action : to_do) {
      if (const Told* words = std::get_if<Told>(&action)) {
        told.push_back(*words);
        continue;
      }
      acted = true;
      if (actions++ == die_at) {
        daemon_alive = false;
        return true;
      }
      std::visit([this](const auto& what) { perform(what); }, action);
    }
    return acted;
  }

  /// What the others do by themselves; true when somebody did something.
  bool move() {
    bool moved = false;
    // The daemon's clean-up of what is gone, and the watcher that attaches to the instance.
    if (device_with && (!domains.contains(*device_with) || domains[*device_with].info.gone()) &&
        taking_back_works) {
      const DomId domid = domids_[*device_with];
      device_with.reset();
      core->taken_back(domid, 250ms, now);
      moved = true;
    }
    DomainFacts* owner = named("net");
    const auto& instance = core->state().instance;
    if (owner != nullptr && instance && instance->uuid != owner->info.uuid_str()) owner = nullptr;
    if (owner != nullptr && instance && !device_with &&
        !owner->agent_message.starts_with("no device")) {
      device_with = owner->info.uuid_str();
      owner->info.paused = creating.contains(*device_with);
      moved = true;
    }
    for (const std::string& uuid :
         creation_takes_long ? std::set<std::string>() : std::exchange(creating, {})) {
      moved = true;
      if (domains.contains(uuid)) domains[uuid].info.paused = false;
      core->created(uuid, std::nullopt, now);
    }
    for (auto& [uuid, domain] : domains) {
      if (domain.info.gone() || domain.info.paused || !agent_speaks || others.contains(uuid))
        continue;
      const std::string word = device_with != uuid ? "waiting" : agent_ready ? "ready" : "starting";
      if (std::exchange(domain.agent, word) != word) moved = true;
      if (crashes_at_once && word == "ready") {
        domain.info.shutdown = true;
        domain.info.shutdown_code = 3;
        moved = true;
      }
    }
    if (!running.empty() && (running.front().adds ? additions_end : removals_end)) {
      const Running child = running.front();
      running.erase(running.begin());
      const auto error = take_effect(child);
      if (child.adds)
        core->added(child.former, error, now);
      else
        core->removed(child.former, error);
      moved = true;
    }
    for (Guest& guest : guests) {
      const DomainFacts* backend = named("net");
      const bool served = backend != nullptr && guest.dependent.backend == backend->info.domid &&
                          backend->agent == "ready" && guest.follows;
      if (served != guest.connected && (served || backend == nullptr)) {
        guest.connected = served;
        moved = true;
      }
    }
    return moved;
  }

  std::optional<Error> take_effect(const Running& child) {
    const Error error{ErrorKind::failed, {}, "xl failed", {}, 0};
    const auto old = std::find_if(guests.begin(), guests.end(), [&](const Guest& guest) {
      return guest.dependent == child.former;
    });
    if (!child.adds) {
      if (!removals_work || old == guests.end()) return error;
      guests.erase(old);
      return std::nullopt;
    }
    const DomainFacts* backend = named("net");
    if (failing_additions > 0 || backend == nullptr || backend->agent.empty() ||
        !guest_domains.contains(child.former.guest)) {
      --failing_additions;
      return error;
    }
    Dependent added = child.former;
    added.devid = static_cast<std::uint32_t>(std::stoul(child.command.at(1)));
    added.name = name_of(added.kind, added.devid);
    added.backend = backend->info.domid;
    guests.push_back({added, Recovery::remove_and_add, true, false});
    return std::nullopt;
  }

  DependentFacts facts_of(const Guest& guest, std::vector<Dependent>& planned) {
    DependentFacts one;
    const auto& instance = core->state().instance;
    if (guest.recovery == Recovery::remove_and_add &&
        (!instance || guest.dependent.backend != instance->domid)) {
      Replacement plan;
      plan.added = guest.dependent;
      for (const Guest& other : guests)
        if (other.dependent.guest == guest.dependent.guest)
          plan.added.devid = std::max(plan.added.devid, other.dependent.devid + 1);
      for (const Dependent& other : planned)
        if (other.guest == guest.dependent.guest)
          plan.added.devid = std::max(plan.added.devid, other.devid + 1);
      plan.added.name = name_of(plan.added.kind, plan.added.devid);
      plan.remove = {"remove"};
      plan.add = {"add", std::to_string(plan.added.devid)};
      planned.push_back(plan.added);
      one.replacement = plan;
    }
    one.dependent = guest.dependent;
    one.recovery = guest.recovery;
    one.guest_name = "guest";
    one.traffic = guest.connected && !guest.silent;
    one.state.means_backend = true;
    one.state.frontend = one.state.backend =
        guest.connected ? XenbusState::connected : XenbusState::initialising;
    return one;
  }

  DomainFacts* by_id(DomId domid) {
    for (auto& [uuid, domain] : domains)
      if (domain.info.domid == domid) return &domain;
    return nullptr;
  }
  void perform(const Rename& what) {
    done.push_back("rename " + what.name);
    if (DomainFacts* domain = by_id(what.domid)) domain->name = what.name;
  }
  void perform(const Create& what) {
    done.push_back(what.standby ? "create standby" : "create");
    if (creation_fails) {
      core->created(what.uuid, Error{ErrorKind::failed, {}, "no memory", {}, 0}, now);
      return;
    }
    DomainFacts domain;
    domain.info.domid = next_++;
    for (std::size_t i = 0; i < 16; ++i) {
      std::string digits;
      for (const char c : what.uuid)
        if (c != '-') digits += c;
      domain.info.uuid[i] =
          static_cast<std::uint8_t>(std::stoul(digits.substr(2 * i, 2), nullptr, 16));
    }
    domain.info.paused = true;
    domain.name = what.standby ? "net-standby" : "net";
    domids_[what.uuid] = domain.info.domid;
    domains[what.uuid] = domain;
    creating.insert(what.uuid);
  }
  void perform(const Destroy& what) {
    done.push_back("destroy");
    EXPECT_NE(device_with, what.uuid) << "libxl would reset the device";
    domains.erase(what.uuid);
    core->destroyed(what.uuid, std::nullopt, now);
  }
  void perform(const Fence& what) {
    done.push_back("fence");
    if (!taking_back_works) {
      core->fenced(what.domid, Error{ErrorKind::failed, {}, "no reset", {}, 0}, now);
      return;
    }
    DomainFacts* domain = by_id(what.domid);
    if (domain != nullptr) domain->info.paused = true;
    if (domain != nullptr && device_with == domain->info.uuid_str()) {
      device_with.reset();
      core->taken_back(what.domid, 250ms, now);
    }
    core->fenced(what.domid, std::nullopt, now);
  }
  void perform(const ShutDown&) {
    done.push_back("shut down");
    if (named("net") != nullptr && agent_speaks) crash("net", 0);
  }
  void perform(const GiveDevices&) { done.push_back("give"); }
  void perform(const Reconnect& what) {
    done.push_back("reconnect");
    for (Guest& guest : guests)
      if (guest.dependent.guest == what.dependent.guest) guest.dependent.backend = what.domid;
  }
  void perform(const Remove& what) {
    done.push_back("remove");
    EXPECT_THAT(saved_, HasSubstr("\"command\":[\"add\"")) << "its addition is to be known";
    running.push_back({false, what.former, what.command});
  }
  void perform(const Add& what) {
    done.push_back("add");
    running.push_back({true, what.former, what.command});
  }
  void perform(const Told&) {}

  std::map<std::string, DomId> domids_;
  std::string saved_;
  std::uint64_t uuids_ = 0;
  DomId next_ = 1;
};

class Life : public ::testing::Test {
 protected:
  void begin() {
    world.settle();
    ASSERT_EQ(world.core->state_word(), "ready");
    world.done.clear();
    world.told.clear();
  }
  World world;
};

/// Ready, alone, with the device and all guests.
void expect_good(World& world) {
  EXPECT_EQ(world.core->state_word(), "ready");
  ASSERT_NE(world.named("net"), nullptr);
  EXPECT_EQ(world.device_with, world.named("net")->info.uuid_str());
  EXPECT_THAT(world.core->state().fenced, IsEmpty());
  EXPECT_EQ(world.domains.size(), world.config.standby ? 2U : 1U);
  for (const Guest& guest : world.guests) EXPECT_TRUE(guest.connected || !guest.follows);
  EXPECT_THAT(world.core->state().additions, IsEmpty());
  EXPECT_THAT(world.running, IsEmpty());
}

TEST_F(Life, begins_once) {
  begin();
  EXPECT_FALSE(world.view().last_recovery);
  world.pass(60s);
  EXPECT_THAT(world.done, IsEmpty());
  EXPECT_FALSE(world.core->wake()) << "nothing is to be looked at by itself";
  expect_good(world);
}

TEST_F(Life, a_crash_is_recovered_from_and_the_guests_follow_in_place) {
  begin();
  world.add_guest(7);
  world.add_guest(8);
  world.crash();
  world.settle();
  expect_good(world);
  EXPECT_THAT(world.done, ElementsAre("rename net-dead-1", "fence", "create", "destroy",
                                      "reconnect", "reconnect"));
  EXPECT_THAT(world.phases(),
              ElementsAre("detect", "fence", "reset", "boot", "ready", "reattach", "first-packet"));
  EXPECT_EQ(world.view().last_recovery->result, "done");
  EXPECT_THAT(world.core->state().former, IsEmpty());
  world.pass(400s);
  EXPECT_EQ(world.view().crashes, 0U) << "the window is over";
}

TEST_F(Life, the_former_domain_is_remembered_while_somebody_may_have_a_device_of_it) {
  begin();
  world.add_guest(7);
  world.dependents_complete = false;
  world.crash();
  world.settle();
  expect_good(world);
  EXPECT_EQ(world.core->state().former.size(), 1U);
  world.dependents_complete = true;
  world.settle();
  EXPECT_THAT(world.core->state().former, IsEmpty());
}

TEST_F(Life, a_guest_without_the_module_loses_its_device_and_gets_another) {
  begin();
  world.add_guest(7, Recovery::remove_and_add);
  world.add_guest(8);
  world.crash();
  world.settle();
  expect_good(world);
  EXPECT_EQ(world.count("remove"), 1);
  EXPECT_EQ(world.count("add"), 1);
  EXPECT_EQ(world.count("reconnect"), 1);
  EXPECT_EQ(world.guests.back().dependent.devid, 1U);
  EXPECT_FALSE(world.was_told(Told::What::dependent_failed));
  EXPECT_THAT(world.phases(), Contains("reattach"));
}

TEST_F(Life, a_guest_that_never_follows_keeps_nobody) {
  begin();
  world.add_guest(7).follows = false;
  world.add_guest(8);
  world.crash();
  world.settle();
  EXPECT_TRUE(world.guests.back().connected);
  EXPECT_EQ(world.core->state_word(), "recovering");
  world.pass(30s);
  expect_good(world);
  EXPECT_TRUE(world.was_told(Told::What::dependent_failed));
  EXPECT_THAT(world.done, Not(Contains("remove"))) << "it may be paused, and follow later";
}

TEST_F(Life, a_guest_that_vanishes_in_the_middle_is_forgotten) {
  begin();
  world.add_guest(7).follows = false;
  world.crash();
  world.settle();
  world.guests.clear();
  world.settle();
  expect_good(world);
}

TEST_F(Life, a_crash_loop_backs_off_and_is_given_up) {
  begin();
  world.crashes_at_once = true;
  world.crash();
  std::vector<Time> creations;
  for (int i = 0; i < 200 && !world.core->state().given_up; ++i) {
    const auto before = std::count(world.done.begin(), world.done.end(), "create");
    world.pass(100ms);
    if (std::count(world.done.begin(), world.done.end(), "create") != before)
      creations.push_back(world.now);
  }
  ASSERT_TRUE(world.core->state().given_up);
  EXPECT_EQ(world.view().state, "given-up");
  EXPECT_EQ(std::count(world.done.begin(), world.done.end(), "create"), 4);
  ASSERT_EQ(creations.size(), 4U);
  EXPECT_LT(creations[1] - creations[0], 1200ms);
  EXPECT_GE(creations[2] - creations[1], 1800ms);
  EXPECT_GE(creations[3] - creations[2], 3800ms);
  EXPECT_TRUE(world.was_told(Told::What::gave_up));
  EXPECT_TRUE(world.domains.empty()) << "the last one is not left";
  EXPECT_FALSE(world.device_with);
  world.pass(1000s);
  EXPECT_EQ(std::count(world.done.begin(), world.done.end(), "create"), 4);
  world.restart();
  world.settle();
  EXPECT_EQ(world.view().state, "given-up") << "another daemon does not begin anew either";
  world.crashes_at_once = false;
  world.core->recover(world.now);
  world.settle();
  expect_good(world);
}

TEST_F(Life, crashes_far_from_each_other_are_no_loop) {
  begin();
  for (int i = 0; i < 3; ++i) {
    world.pass(40s);
    const auto before = std::count(world.done.begin(), world.done.end(), "create");
    world.crash();
    world.settle();
    EXPECT_EQ(std::count(world.done.begin(), world.done.end(), "create"), before + 1) << i;
  }
  EXPECT_FALSE(world.was_told(Told::What::backs_off));
}

TEST_F(Life, one_whose_device_is_taken_away_is_at_its_end) {
  begin();
  const auto former = world.core->view(world.facts()).domid;
  EXPECT_FALSE(world.core->loses_device(*former + 1));
  EXPECT_TRUE(world.core->loses_device(*former));
  world.settle();
  expect_good(world);
  EXPECT_NE(world.core->view(world.facts()).domid, former);
  EXPECT_EQ(world.core->state().recoveries.back().cause, Cause::gone);
}

TEST_F(Life, a_hang_is_silence_while_it_could_speak) {
  begin();
  const DomId domid = world.named("net")->info.domid;
  world.pass(100s);
  EXPECT_TRUE(world.done.empty()) << "before its first heartbeat it is not missed";
  EXPECT_TRUE(world.core->heard(domid, world.now));
  world.settle();
  for (int i = 0; i < 20; ++i) {
    world.pass(1s);
    EXPECT_FALSE(world.core->heard(domid, world.now));
  }
  EXPECT_TRUE(world.done.empty());
  world.named("net")->info.paused = true;
  world.pass(100s);
  EXPECT_TRUE(world.done.empty()) << "somebody has paused it";
  world.named("net")->info.paused = false;
  world.pass(6s);
  EXPECT_TRUE(world.done.empty());
  world.pass(6s);
  EXPECT_THAT(world.done, Contains("fence"));
  EXPECT_EQ(world.view().last_recovery->cause, "hang");
  EXPECT_GE(world.view().last_recovery->phases.front().seconds, 9.9);
  expect_good(world);
}

TEST_F(Life, silence_while_the_daemon_did_not_run_is_none) {
  begin();
  const DomId domid = world.named("net")->info.domid;
  world.core->heard(domid, world.now);
  world.settle();
  world.now += 50s;  // The daemon was stopped: it looks only now.
  world.settle();
  EXPECT_TRUE(world.done.empty());
  world.pass(11s);
  EXPECT_THAT(world.done, Contains("fence"));
}

TEST_F(Life, without_a_timeout_hangs_are_not_detected) {
  world.config.heartbeat_timeout = 0s;
  world.restart();
  begin();
  world.core->heard(1, world.now);
  world.pass(1000s);
  EXPECT_TRUE(world.done.empty());
}

TEST_F(Life, one_that_is_not_ready_in_time_is_replaced_and_counted) {
  world.agent_ready = false;
  world.settle();
  EXPECT_EQ(world.core->state_word(), "starting");
  world.pass(59s);
  EXPECT_EQ(world.view().crashes, 0U);
  world.pass(2s);
  EXPECT_EQ(world.view().crashes, 1U);
  EXPECT_THAT(world.view().message, HasSubstr("not ready within 60 s"));
  world.agent_ready = true;
  world.settle();
  expect_good(world);
}

TEST_F(Life, a_creation_that_fails_is_told_and_tried_again) {
  world.creation_fails = true;
  world.settle();
  EXPECT_EQ(world.view().message, "no memory");
  EXPECT_TRUE(world.was_told(Told::What::failed));
  world.pass(30s);
  EXPECT_EQ(world.view().state, "given-up");
  world.creation_fails = false;
  world.core->start(world.now);
  world.settle();
  expect_good(world);
}

TEST_F(Life, a_creation_that_fails_beside_the_former_domain_is_no_crash) {
  begin();
  world.taking_back_works = false;
  world.creation_fails = true;
  world.crash();
  world.settle();
  EXPECT_EQ(world.view().crashes, 1U) << "the crash alone";
  world.creation_fails = false;
  world.taking_back_works = true;
  world.pass(3s);
  expect_good(world);
  EXPECT_EQ(world.view().crashes, 1U);
}

TEST_F(Life, a_second_crash_in_the_middle_is_another_recovery) {
  begin();
  world.add_guest(7);
  world.agent_ready = false;
  world.crash();
  world.settle();
  EXPECT_EQ(world.core->state_word(), "recovering");
  world.crash();
  world.agent_ready = true;
  world.settle();
  world.pass(2s);
  expect_good(world);
  const auto& records = world.core->state().recoveries;
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].result, RecoveryResult::failed);
  EXPECT_EQ(records[1].result, RecoveryResult::done);
}

TEST_F(Life, stop_is_orderly_and_outlives_the_daemon) {
  begin();
  world.add_guest(7);
  world.core->stop(world.now);
  world.settle();
  EXPECT_EQ(world.core->state_word(), "stopped");
  EXPECT_TRUE(world.domains.empty());
  EXPECT_THAT(world.done, Contains("shut down"));
  world.restart();
  world.pass(100s);
  EXPECT_EQ(world.core->state_word(), "stopped");
  world.core->start(world.now);
  world.settle();
  expect_good(world);
  EXPECT_THAT(world.done, Contains("reconnect")) << "its guests waited for it";
}

TEST_F(Life, stop_of_one_that_does_not_listen_destroys_it) {
  begin();
  world.agent_speaks = false;
  world.core->stop(world.now);
  world.settle();
  EXPECT_EQ(world.core->state_word(), "stopping");
  world.pass(16s);
  EXPECT_EQ(world.core->state_word(), "stopped");
  EXPECT_TRUE(world.domains.empty());
}

TEST_F(Life, one_that_was_created_by_hand_is_adopted) {
  begin();
  world.core->stop(world.now);
  world.settle();
  world.add_by_hand(50, "waiting");
  world.done.clear();
  world.settle();
  EXPECT_EQ(world.view().domid, DomId{50});
  EXPECT_THAT(world.done, ElementsAre("give"));
  expect_good(world);
}

TEST_F(Life, a_domain_that_merely_has_its_name_is_left_alone_and_waited_for) {
  world.add_by_hand(50, "");
  world.settle();
  world.pass(200s);
  EXPECT_THAT(world.done, IsEmpty());
  EXPECT_EQ(world.core->state_word(), "blocked");
  EXPECT_THAT(world.view().message, HasSubstr("xl destroy 50"));
  EXPECT_EQ(world.view().domid, std::nullopt);
  ASSERT_EQ(world.told.size(), 1U) << "not at each look";
  EXPECT_EQ(world.told[0].what, Told::What::blocked);
  EXPECT_THAT(world.told[0].words, HasSubstr("domain 50"));
  world.named("net")->name = "other";
  world.settle();
  EXPECT_EQ(world.core->state_word(), "ready");
  EXPECT_EQ(world.domains.size(), 2U);
  EXPECT_EQ(world.device_with, world.named("net")->info.uuid_str());
  EXPECT_THAT(world.view().message, IsEmpty());
}

TEST_F(Life, a_namesake_of_one_that_is_not_to_run_is_nothing_to_speak_of) {
  world.core->stop(world.now);
  world.add_by_hand(50, "");
  world.settle();
  world.pass(200s);
  EXPECT_EQ(world.core->state_word(), "stopped");
  EXPECT_FALSE(world.core->state().wanted);
  EXPECT_THAT(world.done, IsEmpty());
  EXPECT_THAT(world.told, IsEmpty());
  EXPECT_THAT(world.view().message, IsEmpty());
}

TEST_F(Life, a_namesake_whose_agent_comes_later_is_adopted_then) {
  DomainFacts& domain = world.add_by_hand(50, "");
  world.settle();
  EXPECT_EQ(world.core->state_word(), "blocked");
  world.others.clear();
  domain.agent = "waiting";
  world.settle();
  EXPECT_EQ(world.view().domid, DomId{50});
  expect_good(world);
}

TEST_F(Life, an_agent_that_ends_or_failed_makes_nobody_ours) {
  for (const std::string agent : {"failed", "stopping"}) {
    SCOPED_TRACE(agent);
    world = World();
    world.restart();
    world.others.insert(world.add_by_hand(50, agent).info.uuid_str());
    world.settle();
    EXPECT_EQ(world.core->state_word(), "blocked");
    EXPECT_THAT(world.done, IsEmpty());
  }
}

TEST_F(Life, one_that_crashes_while_another_has_its_name_waits_for_that) {
  begin();
  world.crash();
  world.add_by_hand(50, "");
  world.settle();
  world.pass(100s);
  EXPECT_EQ(world.core->state_word(), "blocked");
  EXPECT_THAT(world.done, ElementsAre("rename net-dead-1", "fence", "destroy"));
  world.domains.erase(world.named("net")->info.uuid_str());
  world.settle();
  expect_good(world);
}

TEST_F(Life, a_standby_does_not_get_a_name_that_another_domain_has) {
  world.config.standby = true;
  world.restart();
  begin();
  world.crash();
  world.add_by_hand(50, "");
  world.settle();
  EXPECT_THAT(world.done, Not(Contains("rename net")));
  EXPECT_EQ(world.core->state_word(), "blocked");
  world.domains.erase(world.named("net")->info.uuid_str());
  world.settle();
  world.pass(1s);
  EXPECT_EQ(world.view().last_recovery->way, "standby");
  expect_good(world);
}

TEST_F(Life, nothing_is_created_before_it_was_looked_who_has_the_name) {
  Facts facts = world.facts();
  facts.namesake_looked_for = false;
  EXPECT_THAT(world.core->step(facts), IsEmpty());
  ASSERT_TRUE(world.core->wake());
  EXPECT_LE(*world.core->wake(), world.now);
}

TEST_F(Life, a_standby_takes_over) {
  world.config.standby = true;
  world.restart();
  begin();
  ASSERT_EQ(world.view().standby->state, "waiting");
  const DomId standby = world.named("net-standby")->info.domid;
  world.add_guest(7);
  world.crash();
  world.settle();
  world.pass(1ms);
  EXPECT_EQ(world.view().domid, standby);
  EXPECT_EQ(world.view().last_recovery->way, "standby");
  // What its guests do not need waits until they have what they do.
  EXPECT_THAT(world.done, ElementsAre("rename net-dead-1", "fence", "rename net", "give",
                                      "reconnect", "destroy", "create standby"));
  expect_good(world);
}

TEST_F(Life, a_standby_without_a_first_packet_is_followed_by_the_rest_all_the_same) {
  world.config.standby = true;
  world.restart();
  begin();
  world.add_guest(7).silent = true;
  world.crash();
  world.settle();
  world.pass(1s);
  EXPECT_THAT(world.done, Not(Contains("destroy")));
  world.pass(2s);
  EXPECT_THAT(world.done, Contains("destroy"));
  expect_good(world);
}

TEST_F(Life, a_disk_waits_for_the_end_of_the_former_domain) {
  world.config.standby = true;
  world.config.driver_class = config::DriverClass::block;
  world.restart();
  begin();
  world.add_guest(7).dependent.kind = DependentKind::vbd;
  world.crash();
  world.settle();
  world.pass(1ms);
  EXPECT_THAT(world.done, ElementsAre("rename net-dead-1", "fence", "rename net", "give", "destroy",
                                      "reconnect", "create standby"));
  expect_good(world);
}

TEST_F(Life, a_creation_that_waits_for_memory_gets_that_of_the_former_domain) {
  begin();
  world.creation_takes_long = true;
  world.crash();
  world.settle();
  world.pass(4s);
  EXPECT_THAT(world.done, Not(Contains("destroy")));
  world.pass(2s);
  EXPECT_THAT(world.done, Contains("destroy"));
  world.creation_takes_long = false;
  world.settle();
  expect_good(world);
}

TEST_F(Life, what_the_daemon_cannot_take_back_is_not_asked_for_again_and_again) {
  begin();
  world.taking_back_works = false;
  world.crash();
  world.pass(20s);
  EXPECT_EQ(std::count(world.done.begin(), world.done.end(), "fence"), 1);
  world.taking_back_works = true;
  world.settle();
  expect_good(world);
}

TEST_F(Life, the_former_domain_is_destroyed_once_the_next_one_is_made) {
  begin();
  world.add_guest(7);
  world.crash();
  world.settle();
  EXPECT_THAT(world.done,
              ElementsAre("rename net-dead-1", "fence", "create", "destroy", "reconnect"));
  expect_good(world);
}

TEST_F(Life, a_standby_that_dies_is_replaced_without_harm) {
  world.config.standby = true;
  world.restart();
  begin();
  world.crash("net-standby");
  world.settle();
  world.pass(5s);
  expect_good(world);
  EXPECT_EQ(world.view().crashes, 0U);
  EXPECT_EQ(world.view().standby->state, "waiting");
}

TEST_F(Life, without_its_standby_it_starts_cold) {
  world.config.standby = true;
  world.restart();
  begin();
  world.crash("net-standby");
  world.crash("net");
  world.settle();
  world.pass(5s);
  EXPECT_EQ(world.view().last_recovery->way, "cold");
  expect_good(world);
}

/// A guest without the module, whose device is removed, and not yet added again.
class Replaced : public Life {
 protected:
  void lose(bool removals_end = true) {
    begin();
    world.add_guest(7, Recovery::remove_and_add);
    world.removals_end = removals_end;
    world.additions_end = false;
    world.crash();
    world.settle();
    ASSERT_EQ(world.guests.empty(), removals_end);
    ASSERT_EQ(world.core->state().additions.size(), 1U);
    ASSERT_EQ(world.core->state_word(), "recovering");
    world.removals_end = world.additions_end = true;
  }
  void expect_added() {
    expect_good(world);
    ASSERT_EQ(world.guests.size(), 1U);
    EXPECT_GT(world.guests[0].dependent.devid, 0U);
  }
};

TEST_F(Replaced, is_told_of_as_a_device_of_the_domain) {
  lose();
  ASSERT_EQ(world.view().dependents.size(), 1U);
  const rpc::DependentView view = world.view().dependents[0];
  EXPECT_EQ(view.domid, DomId{7});
  EXPECT_EQ(view.guest, "guest");
  EXPECT_EQ(view.state, "reconnecting");
  world.settle();
  expect_added();
  ASSERT_EQ(world.view().dependents.size(), 1U);
  EXPECT_EQ(world.view().dependents[0].state, "connected");
}

TEST_F(Replaced, after_the_daemons_death_it_is_added_once) {
  for (const bool late : {false, true}) {
    SCOPED_TRACE(late);
    world = World();
    world.restart();
    lose();
    world.children_end_late = late;
    world.restart();
    world.settle();
    expect_added();
    EXPECT_EQ(world.count("add"), late ? 1 : 2);
    EXPECT_EQ(world.count("remove"), 1);
    EXPECT_FALSE(world.was_told(Told::What::dependent_failed));
  }
}

TEST_F(Replaced, one_whose_removal_died_is_a_dependent_again) {
  lose(false);
  world.restart();
  world.settle();
  expect_added();
  EXPECT_EQ(world.count("remove"), 2);
  EXPECT_FALSE(world.was_told(Told::What::dependent_failed));
}

TEST_F(Replaced, one_whose_removal_died_may_follow_in_place_by_now) {
  lose(false);
  world.guests[0].recovery = Recovery::in_place;
  world.restart();
  world.settle();
  expect_good(world);
  EXPECT_EQ(world.count("remove"), 1);
  EXPECT_EQ(world.guests[0].dependent.devid, 0U);
}

TEST_F(Replaced, waits_for_no_guest_that_is_gone) {
  lose();
  world.destroy_guest(7);
  world.restart();
  world.settle();
  expect_good(world);
  EXPECT_EQ(world.count("add"), 1) << "that of the former daemon";
  EXPECT_THAT(world.guests, IsEmpty());
}

TEST_F(Replaced, is_not_for_another_guest_with_the_same_number) {
  lose();
  world.guest_domains[7] = "another guest";
  world.restart();
  world.settle();
  expect_good(world);
  EXPECT_THAT(world.guests, IsEmpty());
}

TEST_F(Replaced, guest_that_goes_while_xl_runs_is_forgotten) {
  lose();
  world.additions_end = false;
  world.destroy_guest(7);
  world.settle();
  EXPECT_THAT(world.core->state().additions, IsEmpty());
  world.additions_end = true;
  world.settle();
  expect_good(world);
  EXPECT_THAT(world.guests, IsEmpty());
}

TEST_F(Replaced, is_added_to_the_instance_after_the_next) {
  lose();
  world.restart();
  world.agent_speaks = false;
  world.crash();
  world.settle();
  EXPECT_EQ(world.count("add"), 1) << "nobody could serve it";
  world.agent_speaks = true;
  world.settle();
  world.pass(5s);
  expect_added();
}

TEST_F(Replaced, failure_with_the_instance_that_fails_is_none) {
  lose();
  world.failing_additions = 1;
  world.agent_speaks = world.additions_end = false;
  world.crash();
  world.settle();
  world.pass(2s);
  ASSERT_TRUE(world.core->state().instance);
  world.additions_end = true;
  world.settle();
  ASSERT_EQ(world.core->state().additions.size(), 1U);
  EXPECT_EQ(world.core->state().additions[0].failures, 0U);
  world.agent_speaks = true;
  world.settle();
  world.pass(5s);
  expect_added();
}

TEST_F(Replaced, addition_that_the_next_crash_follows_is_replaced_again) {
  lose();
  world.children_end_late = true;
  world.crash();
  world.restart();  // It was added to what has crashed, or to nobody.
  world.settle();
  world.pass(5s);
  expect_good(world);
  EXPECT_EQ(world.guests.size(), 1U);
}

TEST_F(Replaced, waits_while_the_domain_is_stopped) {
  lose();
  world.restart();
  world.core->stop(world.now);
  world.settle();
  EXPECT_EQ(world.core->state_word(), "stopped");
  world.pass(1000s);
  world.restart();
  world.settle();
  ASSERT_EQ(world.core->state().additions.size(), 1U);
  EXPECT_EQ(world.view().dependents.size(), 1U) << "it refuses to be removed";
  EXPECT_EQ(world.count("add"), 1);
  world.core->start(world.now);
  world.settle();
  expect_added();
}

TEST_F(Replaced, addition_that_fails_is_tried_again_with_pauses) {
  lose();
  world.failing_additions = 3;
  world.settle();
  EXPECT_EQ(world.core->state_word(), "ready") << "it holds nobody up";
  world.pass(6900ms);
  EXPECT_EQ(world.count("add"), 3);
  world.pass(200ms);
  EXPECT_EQ(world.count("add"), 4);
  expect_added();
  EXPECT_FALSE(world.was_told(Told::What::dependent_failed));
}

TEST_F(Replaced, addition_that_always_fails_is_told_and_forgotten) {
  lose();
  world.failing_additions = 1000;
  for (int i = 0; i < 4; ++i) {
    world.settle();
    world.pass(1s);
    world.restart();  // Which does not begin anew.
  }
  world.settle();
  world.pass(1000s);
  EXPECT_LE(world.count("add"), 5 + 1) << "and that whose end nobody saw";
  EXPECT_EQ(std::count_if(world.told.begin(), world.told.end(),
                          [](const Told& one) {
                            return one.what == Told::What::dependent_failed &&
                                   one.words.find("xl failed") != std::string::npos;
                          }),
            1);
  expect_good(world);
  EXPECT_FALSE(world.core->wake());
}

TEST_F(Replaced, one_that_another_device_has_the_number_of_is_added_all_the_same) {
  lose();
  world.add_guest(7, Recovery::remove_and_add).dependent.name = "by hand";
  world.restart();
  world.settle();
  expect_good(world);
  EXPECT_EQ(world.guests.size(), 2U);
}

TEST_F(Replaced, one_that_somebody_has_added_by_hand_is_not_added_twice) {
  lose();
  world.add_guest(7, Recovery::remove_and_add);
  world.restart();
  world.settle();
  expect_good(world);
  EXPECT_EQ(world.guests.size(), 1U);
  EXPECT_FALSE(world.was_told(Told::What::dependent_failed));
}

TEST_F(Replaced, is_not_looked_for_in_a_xenstore_that_says_nothing) {
  lose();
  world.children_end_late = true;
  world.xenstore_works = false;
  world.restart();
  world.pass(30s);
  EXPECT_EQ(world.count("add"), 1) << "it may be there";
  ASSERT_EQ(world.core->state().additions.size(), 1U);
  world.xenstore_works = true;
  ASSERT_TRUE(world.core->wake());
  EXPECT_LE(*world.core->wake(), world.now + 2s);
  world.pass(2s);
  expect_added();
}

TEST_F(Replaced, removal_that_fails_keeps_nobody) {
  begin();
  world.add_guest(7, Recovery::remove_and_add).follows = false;
  world.add_guest(8);
  world.removals_work = false;
  world.crash();
  world.settle();
  world.pass(100s);
  expect_good(world);
  EXPECT_EQ(world.count("remove"), 1);
  EXPECT_EQ(world.count("add"), 0);
  EXPECT_TRUE(world.was_told(Told::What::dependent_failed));
  world.removals_work = true;
  world.crash();
  world.settle();
  EXPECT_EQ(world.count("add"), 1) << "the next instance tries it again";
}

TEST_F(Replaced, two_devices_of_one_guest_get_two_numbers) {
  begin();
  for (const std::uint32_t devid : {0, 1})
    world.add_guest(7, Recovery::remove_and_add, DependentKind::vif, devid);
  world.crash();
  world.settle();
  expect_good(world);
  ASSERT_EQ(world.guests.size(), 2U);
  EXPECT_NE(world.guests[0].dependent.devid, world.guests[1].dependent.devid);
}

/// The daemon dies before its nth action, for every n that there is; what it has begun has done
/// nothing, or everything.
class Death : public ::testing::TestWithParam<std::tuple<bool, bool>> {
 protected:
  const bool standby = std::get<0>(GetParam()), late = std::get<1>(GetParam());
};

TEST_P(Death, at_any_action_of_a_recovery_loses_nothing) {
  bool died = true;
  for (int n = 0; died && n < 50; ++n) {
    SCOPED_TRACE(n);
    World world;
    world.config.standby = standby;
    world.children_end_late = late;
    world.restart();
    world.settle();
    world.add_guest(7);
    world.add_guest(8, Recovery::remove_and_add);
    world.add_guest(8, Recovery::remove_and_add, DependentKind::vif, 1);
    world.add_guest(9, Recovery::remove_and_add, DependentKind::vbd, 51712);
    world.actions = 0;
    world.die_at = n;
    world.crash();
    world.settle();
    world.pass(80s);
    died = world.actions > n;
    expect_good(world);
    EXPECT_EQ(world.living(), standby ? 2U : 1U);
    std::multiset<DomId> served;
    for (const Guest& guest : world.guests) served.insert(guest.dependent.guest);
    EXPECT_THAT(served, ElementsAre(7, 8, 8, 9)) << "each has what it had, and nothing twice";
    EXPECT_FALSE(world.was_told(Told::What::dependent_failed));
    ASSERT_FALSE(::testing::Test::HasFailure());
  }
  EXPECT_FALSE(died);
}

TEST_P(Death, at_any_action_of_a_first_start_loses_nothing) {
  for (int n = 0; n < 10; ++n) {
    SCOPED_TRACE(n);
    World world;
    world.config.standby = standby;
    world.die_at = n;
    world.restart();
    world.settle();
    world.pass(80s);
    expect_good(world);
  }
}
INSTANTIATE_TEST_SUITE_P(ColdAndStandby, Death,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool()));

TEST(SupervisionState, survives_writing_and_reading) {
  World world;
  world.config.standby = true;
  world.restart();
  world.settle();
  world.add_guest(7).follows = false;
  world.add_guest(8, Recovery::remove_and_add);
  world.failing_additions = 1;
  world.crash();
  world.settle();
  const State& state = world.core->state();
  ASSERT_EQ(state.additions.size(), 1U);
  EXPECT_TRUE(state.additions[0].next_try);
  const std::string text = boost::json::serialize(to_json(state, "b"));
  EXPECT_EQ(boost::json::serialize(to_json(read_state(text, "b", true), "b")), text);
  const State other = read_state(text, "another boot", true);
  EXPECT_FALSE(other.instance);
  EXPECT_FALSE(read_state(boost::json::serialize(to_json(state, "")), "", true).instance)
      << "boots without a name are not the same";
  EXPECT_EQ(other.recoveries.size(), 1U);
  for (std::size_t i = 0; i < text.size(); ++i)
    (void)read_state(text.substr(0, i), "b", true);  // A file that is cut short harms nobody.
  EXPECT_FALSE(read_state("", "b", false).wanted);
  EXPECT_TRUE(read_state("{\"boot\": 5, \"instance\": []}", "b", true).wanted);
}

}  // namespace
}  // namespace pciassign::supervision
