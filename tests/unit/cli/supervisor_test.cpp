// SPDX-License-Identifier: GPL-2.0-or-later
// Driver domains on a simulated machine: a toolstack of ours, agents played by the tests.
#include <fstream>
#include <map>

#include "fixture.hpp"
#include "pciassign/rpc_domains.hpp"

namespace pciassign::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A guest's interface whose back end is in `backend`, connected.
void put_vif(sim::World& world, const std::string& guest, const std::string& devid, DomId backend) {
  const std::string record = "/libxl/" + guest + "/device/vif/" + devid;
  const std::string front = "/local/domain/" + guest + "/device/vif/" + devid;
  const std::string back =
      "/local/domain/" + std::to_string(backend) + "/backend/vif/" + guest + "/" + devid;
  world.store.put(record + "/mac", "00:16:3e:00:00:01");
  world.store.put(record + "/backend", back);
  world.store.put(front + "/backend-id", std::to_string(backend));
  world.store.put(front + "/state", "4");
  world.store.put(back + "/state", "4");
}

/// xl as far as a supervisor needs it, on the simulated machine. Touched on the loop alone.
struct Machine {
  explicit Machine(sim::World& its_world) : world(its_world) {}
  sim::World& world;
  DomId next = 10;
  std::map<DomId, std::string> made;          ///< Every domain that was created, with its name.
  std::vector<std::string> commands;          ///< As they were run.
  std::map<std::string, std::string> errors;  ///< First word of a command to its error.
  bool late_name = false;                     ///< The domain is there before its name.
  bool hold_create = false;                   ///< It does not come back, as if killed, or slow.
  bool hold_attach = false;                   ///< The same, and nothing happens.
};

class SimulatedXl final : public daemon::Xl {
 public:
  SimulatedXl(Machine& machine, daemon::Reactor& reactor) : machine_(machine), reactor_(reactor) {}
  void run(std::vector<std::string> words, std::chrono::milliseconds, Done done) override {
    std::string line;
    for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
    machine_.commands.push_back(line);
    if (const auto error = machine_.errors.find(words[0]); error != machine_.errors.end()) {
      done_later(done, fail(ErrorKind::failed, error->second));
      return;
    }
    if (words[0] == "create") {
      create(words);
      if (machine_.hold_create) return;
    } else if (words[0] == "destroy") {
      machine_.world.destroy(static_cast<DomId>(std::stoul(words[1])));
    } else if (words[0] == "network-detach") {
      for (const char* place : {"/libxl/", "/local/domain/"})
        machine_.world.store.drop(place + words[1] + "/device/vif/" + words[2]);
    } else if (words[0] == "network-attach") {
      if (machine_.hold_attach) return;
      put_vif(machine_.world, words[1], words[2].substr(6), machine_.next - 1);
    }
    done_later(done, {});
  }

 private:
  void done_later(const Done& done, const Result<void>& result) {
    reactor_.post([done, result] { done(result); });
  }
  void create(const std::vector<std::string>& words) {
    const std::filesystem::path config = words[3];
    std::string name = config.parent_path().filename();
    if (config.filename() == "standby.cfg") name += "-standby";
    const DomId domid = machine_.next++;
    machine_.made[domid] = name;
    machine_.world.add_domain(domid, name);
    if (machine_.late_name) {
      machine_.world.store.tree().remove("/local/domain/" + std::to_string(domid) + "/name");
      reactor_.post([this, domid, name] {
        machine_.world.store.put("/local/domain/" + std::to_string(domid) + "/name", name);
      });
    }
    auto& domain = machine_.world.xen.all[domid];
    std::string digits;
    for (const char c : words[4].substr(6, 36))
      if (c != '-') digits += c;
    for (std::size_t i = 0; i < 16; ++i)
      domain.info.uuid[i] =
          static_cast<std::uint8_t>(std::stoul(digits.substr(2 * i, 2), nullptr, 16));
    // xl's own pause is over before anybody looks; that of the daemon is to come.
    domain.pause_count = machine_.hold_create ? 1 : 0;
    domain.info.paused = machine_.hold_create;
  }
  Machine& machine_;
  daemon::Reactor& reactor_;
};

std::size_t count(const Machine& machine, std::string_view command) {
  return static_cast<std::size_t>(
      std::count_if(machine.commands.begin(), machine.commands.end(),
                    [&](const std::string& line) { return line.starts_with(command); }));
}

class Supervised : public DaemonTest {
 protected:
  Supervised() {
    daemons_xl = [this](daemon::Reactor& reactor) {
      return std::make_unique<SimulatedXl>(machine, reactor);
    };
    entry.name = "net";
    entry.devices = {DeviceSpec::parse("00:04.0").value()};
    entry.config = "/v/net/domain.cfg";
    entry.origin = "test";
  }
  void supervise() { start({}, {{"net", entry}}); }
  void say(DomId domid, const std::string& state) {
    on_loop([&] {
      world.store.put("/local/domain/" + std::to_string(domid) + "/data/pciassign/state", state);
      return 0;
    });
  }
  void beat(DomId domid) {
    on_loop([&] {
      world.store.put("/local/domain/" + std::to_string(domid) + "/data/pciassign/heartbeat",
                      std::to_string(++beats_));
      return 0;
    });
  }
  bool has_nic(DomId domid) {
    return eventually([&] {
      const auto record = world.records().find(nic);
      return record && *record && (*record)->domid == domid && (*record)->phase == Phase::attached;
    });
  }
  rpc::DriverDomainView view() {
    return rpc::from_json<rpc::DriverDomainView>(
               client().call("driver-domain", {{"name", "net"}}).value())
        .value();
  }
  bool reaches(const std::string& state) {
    for (const auto end = std::chrono::steady_clock::now() + kPatience;
         std::chrono::steady_clock::now() < end;) {
      if (view().state == state) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  bool exists(DomId domid) {
    return on_loop([&] { return world.xen.all.contains(domid); });
  }
  bool vanishes(DomId domid) {
    return eventually([&] { return !world.xen.all.contains(domid); });
  }
  void crash(DomId domid) {
    on_loop([&] {
      world.crash(domid);
      return 0;
    });
  }
  /// Up to the first instance's word that it is ready.
  void begin() {
    supervise();
    ASSERT_TRUE(has_nic(10));
    say(10, "ready");
    ASSERT_TRUE(reaches("ready"));
  }
  std::vector<std::string> phases() {
    std::vector<std::string> names;
    for (const auto& phase : view().last_recovery.value_or(rpc::RecoveryView{}).phases)
      names.push_back(phase.phase);
    return names;
  }

  config::DriverDomain entry;
  Machine machine{world};

 private:
  int beats_ = 0;
};

TEST_F(Supervised, is_created_with_its_device_and_ready_when_its_agent_says_so) {
  begin();
  const auto now = view();
  EXPECT_EQ(now.domid, DomId{10});
  EXPECT_EQ(now.agent, "ready");
  EXPECT_EQ(now.crashes, 0U);
  EXPECT_FALSE(now.last_recovery);
  const auto all =
      rpc::from_json<rpc::DriverDomainsResult>(client().call("driver-domains", {}).value());
  ASSERT_TRUE(all);
  EXPECT_EQ(all->domains.size(), 1U);
}

TEST_F(Supervised, comes_back_after_a_crash) {
  begin();
  crash(10);
  ASSERT_TRUE(has_nic(11));
  EXPECT_TRUE(vanishes(10));
  EXPECT_EQ(view().state, "recovering");
  say(11, "ready");
  ASSERT_TRUE(reaches("ready"));
  const auto now = view();
  EXPECT_EQ(now.domid, DomId{11});
  EXPECT_EQ(now.crashes, 1U);
  ASSERT_TRUE(now.last_recovery);
  EXPECT_EQ(now.last_recovery->cause, "crash");
  EXPECT_EQ(now.last_recovery->way, "cold");
  EXPECT_EQ(now.last_recovery->result, "done");
  EXPECT_THAT(phases(), ElementsAre("detect", "fence", "reset", "boot", "ready"));
}

TEST_F(Supervised, is_stopped_before_it_notices_that_xl_takes_its_device) {
  begin();
  on_loop([&] {
    world.store.put("/local/domain/0/backend/pci/10/0/state-0", "5");
    return 0;
  });
  EXPECT_TRUE(eventually([&] {
    const auto at = world.xen.all.find(10);
    return at == world.xen.all.end() || at->second.pause_count > 0;
  }));
  EXPECT_TRUE(has_nic(11));
  EXPECT_TRUE(vanishes(10));
}

TEST_F(Supervised, has_its_device_though_its_name_comes_late) {
  machine.late_name = true;
  begin();
  crash(10);
  EXPECT_TRUE(has_nic(11));
}

TEST_F(Supervised, is_left_alone_by_a_daemon_that_starts_again) {
  begin();
  stop();
  supervise();
  EXPECT_TRUE(reaches("ready"));
  EXPECT_EQ(view().domid, DomId{10});
  EXPECT_EQ(machine.commands.size(), 1U);
}

TEST_F(Supervised, stops_and_starts_on_request) {
  begin();
  EXPECT_TRUE(client().call("driver-domain-stop", {{"name", "net"}, {"wait", false}}));
  EXPECT_TRUE(eventually(
      [&] { return world.store.tree().read("/local/domain/10/control/shutdown") == "poweroff"; }));
  EXPECT_EQ(view().state, "stopping");
  on_loop([&] {
    auto& info = world.xen.all.at(10).info;
    info.shutdown = true;
    info.shutdown_code = 0;
    world.store.fire("@releaseDomain");
    return 0;
  });
  EXPECT_TRUE(vanishes(10));
  ASSERT_TRUE(reaches("stopped"));
  stop();
  supervise();
  EXPECT_EQ(view().state, "stopped") << "what was asked for outlives the daemon";
  EXPECT_TRUE(client().call("driver-domain-start", {{"name", "net"}, {"wait", false}}));
  ASSERT_TRUE(has_nic(11));
  say(11, "ready");
  EXPECT_TRUE(reaches("ready"));
  EXPECT_FALSE(view().last_recovery);
  const auto started = client().call("driver-domain-start", {{"name", "net"}});
  ASSERT_TRUE(started) << "it runs already";
}

TEST_F(Supervised, is_replaced_on_request_though_it_lives) {
  begin();
  EXPECT_TRUE(client().call("driver-domain-recover", {{"name", "net"}, {"wait", false}}));
  EXPECT_TRUE(vanishes(10));
  ASSERT_TRUE(has_nic(11));
  say(11, "ready");
  EXPECT_TRUE(reaches("ready"));
  EXPECT_EQ(view().last_recovery->cause, "request");
  EXPECT_EQ(view().crashes, 0U);
}

/// A domain of somebody else's that has the name, from before the daemon is there.
class Namesake : public Supervised {
 protected:
  void add_namesake(int pauses) {
    world.add_domain(50, "net");
    world.xen.all[50].pause_count = pauses;
    world.xen.all[50].info.paused = pauses > 0;
  }
  /// As it was: nobody has paused it, renamed it, or given it anything.
  void expect_untouched(int pauses) {
    on_loop([&] {
      ASSERT_TRUE(world.xen.all.contains(50));
      EXPECT_EQ(world.xen.all[50].pause_count, pauses);
      EXPECT_EQ(world.store.tree().read("/local/domain/50/name"), "net");
      EXPECT_FALSE(world.store.tree().read("/local/domain/50/control/shutdown"));
      EXPECT_TRUE(world.records().all()->empty());
      EXPECT_THAT(machine.commands, IsEmpty());
    });
  }
};

TEST_F(Namesake, is_neither_adopted_nor_paused_nor_given_a_device) {
  for (const int pauses : {0, 1}) {
    SCOPED_TRACE(pauses);
    add_namesake(pauses);
    supervise();
    ASSERT_TRUE(reaches("blocked"));
    expect_untouched(pauses);
    EXPECT_THAT(view().message, HasSubstr("xl destroy 50"));
    EXPECT_TRUE(logged("driver-domain-blocked"));
    EXPECT_FALSE(logged("domain-paused"));
    stop();
  }
}

TEST_F(Namesake, is_told_of_to_whoever_asks_or_waits) {
  add_namesake(0);
  supervise();
  const auto started = client().call("driver-domain-start", {{"name", "net"}});
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message, HasSubstr("domain 50 has its name"));
  for (const char* command : {"list", "show"}) {
    std::vector<std::string> words{"domain", command};
    if (command == std::string("show")) words.emplace_back("net");
    const Ran ran = pciassign(words);
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("blocked"));
    EXPECT_THAT(ran.out, HasSubstr("domain 50 has its name"));
  }
  EXPECT_THAT(pciassign({"status"}).out, HasSubstr("domain 50 has its name"));
  EXPECT_EQ(pciassign({"domain", "show", "net", "--json"}).status, 0);
  expect_untouched(0);
}

TEST_F(Namesake, is_waited_for_until_it_has_another_name) {
  add_namesake(0);
  supervise();
  ASSERT_TRUE(reaches("blocked"));
  on_loop([&] {
    world.store.put("/local/domain/50/name", "other");
    return 0;
  });
  EXPECT_TRUE(has_nic(10));
  EXPECT_TRUE(exists(50));
}

TEST_F(Namesake, is_waited_for_until_it_is_gone) {
  add_namesake(0);
  supervise();
  ASSERT_TRUE(reaches("blocked"));
  on_loop([&] {
    world.destroy(50);
    return 0;
  });
  EXPECT_TRUE(has_nic(10));
}

TEST_F(Namesake, of_one_that_does_not_start_by_itself_is_nobodys_business) {
  entry.autostart = false;
  add_namesake(1);
  supervise();
  EXPECT_EQ(view().state, "stopped");
  EXPECT_EQ(view().message, "");
  EXPECT_FALSE(logged("driver-domain-blocked"));
  expect_untouched(1);
}

TEST_F(Namesake, that_says_that_it_is_ours_but_was_not_made_from_our_file_is_a_stranger) {
  entry.config = directory / "net/domain.cfg";
  std::filesystem::create_directories(entry.config.parent_path());
  std::ofstream(entry.config) << "kernel = \"/our/kernel\"\nramdisk = \"/our/initramfs\"\n";
  for (const char* ramdisk : {"/its/initramfs", "/our"}) {
    add_namesake(0);
    world.store.put("/local/domain/50/vm", "/vm/50");
    world.store.put("/vm/50/image/kernel", "/our/kernel");
    world.store.put("/vm/50/image/ramdisk", ramdisk);
    supervise();
    ASSERT_TRUE(reaches("blocked"));
    say(50, "waiting");
    say(50, "ready");
    EXPECT_EQ(view().state, "blocked");
    EXPECT_FALSE(on_loop([&] { return world.xen.all[50].has_rights(); }));
    stop();
  }
}

TEST_F(Namesake, that_was_made_from_our_file_is_adopted_when_its_agent_speaks) {
  entry.autostart = false;
  entry.config = directory / "net/domain.cfg";
  std::filesystem::create_directories(entry.config.parent_path());
  std::ofstream(entry.config) << "kernel = \"/our/kernel\"\nramdisk = '/our/initramfs'\n";
  add_namesake(0);
  world.store.put("/local/domain/50/vm", "/vm/50");
  world.store.put("/vm/50/image/kernel", "/our/kernel");
  world.store.put("/vm/50/image/ramdisk", "/our/initramfs");
  supervise();
  EXPECT_EQ(view().state, "stopped");
  say(50, "waiting");
  ASSERT_TRUE(has_nic(50));
  say(50, "ready");
  EXPECT_TRUE(reaches("ready"));
  EXPECT_EQ(view().domid, DomId{50});
  EXPECT_THAT(machine.commands, IsEmpty());
  stop();
  supervise();
  EXPECT_TRUE(reaches("ready")) << "it is known from now on";
}

/// The list by which it is decided is older than what is done: its number is another domain's.
class TakenOver : public Supervised {
 protected:
  /// Domain 10 is a stranger's from now on, while lists still have `listed`.
  void take_over(const std::function<void(DomainInfo&)>& change) {
    DomainInfo listed = world.xen.all.at(10).info;
    change(listed);
    world.xen.outdated[10] = listed;
    world.xen.devices[nic].owner = kDomIo;  // As Xen leaves it behind the end of a domain.
    world.xen.all.at(10).info.uuid[15] ^= 0xff;
  }
  void expect_untouched() {
    on_loop([&] {
      ASSERT_TRUE(world.xen.all.contains(10));
      EXPECT_EQ(world.xen.all[10].pause_count, 0);
      EXPECT_EQ(world.store.tree().read("/local/domain/10/name"), "net");
      EXPECT_FALSE(world.store.tree().read("/local/domain/10/control/shutdown"));
      EXPECT_EQ(count(machine, "destroy 10"), 0U);
    });
  }
};

TEST_F(TakenOver, number_of_a_crashed_domain_is_neither_renamed_nor_fenced_nor_destroyed) {
  begin();
  on_loop([&] {
    take_over([](DomainInfo& info) {
      info.shutdown = true;
      info.shutdown_code = 3;
    });
    world.store.fire("@releaseDomain");
    return 0;
  });
  ASSERT_TRUE(eventually([&] { return logged("driver-domain-failed"); }));
  ASSERT_TRUE(has_nic(11));
  expect_untouched();
}

TEST_F(TakenOver, number_of_a_domain_that_is_stopped_is_not_shut_down) {
  begin();
  on_loop([&] {
    take_over([](DomainInfo&) {});
    return 0;
  });
  EXPECT_TRUE(client().call("driver-domain-stop", {{"name", "net"}, {"wait", false}}));
  EXPECT_EQ(view().state, "stopping");
  expect_untouched();
}

TEST_F(TakenOver, number_of_a_domain_whose_device_goes_is_not_paused) {
  begin();
  on_loop([&] {
    take_over([](DomainInfo&) {});
    world.store.put("/local/domain/0/backend/pci/10/0/state-0", "5");
    return 0;
  });
  EXPECT_EQ(view().state, "ready");
  expect_untouched();
}

/// A guest without the module: its device is removed, and added.
class SupervisedWithGuest : public Supervised {
 protected:
  void begin_with_guest() {
    begin();
    on_loop([&] {
      world.add_domain(30, "guest");
      put_vif(world, "30", "0", 10);
      return 0;
    });
  }
  std::size_t ran(std::string_view command) {
    return on_loop([&] { return count(machine, command); });
  }
};

TEST_F(SupervisedWithGuest, its_device_outlives_a_daemon_that_dies_before_it_is_added) {
  machine.hold_attach = true;
  begin_with_guest();
  crash(10);
  ASSERT_TRUE(has_nic(11));
  say(11, "ready");
  ASSERT_TRUE(eventually([&] { return count(machine, "network-attach") == 1; }));
  kill();
  EXPECT_FALSE(world.store.tree().read("/libxl/30/device/vif/0/backend"));
  machine.hold_attach = false;
  supervise();
  EXPECT_TRUE(reaches("ready"));
  EXPECT_EQ(on_loop([&] { return world.store.tree().read("/libxl/30/device/vif/1/backend"); }),
            "/local/domain/11/backend/vif/30/1");
  EXPECT_EQ(ran("network-detach 30 0"), 1U);
  EXPECT_EQ(ran("network-attach 30 devid=1 backend=11 mac=00:16:3e:00:00:01"), 2U);
  EXPECT_FALSE(logged("dependent-failed"));
}

TEST_F(SupervisedWithGuest, a_device_that_the_former_domain_got_last_follows_too) {
  begin_with_guest();
  on_loop([&] {
    world.store.put("/local/domain/30/data/pciassign/reconnect", "1");
    return 0;
  });
  crash(10);
  ASSERT_TRUE(has_nic(11));
  ASSERT_TRUE(vanishes(10));
  say(11, "ready");
  const auto follows = [&](const std::string& device) {
    return eventually([&] {
      return world.store.tree().read("/libxl/30/device/vif/" + device + "/backend") ==
             "/local/domain/11/backend/vif/30/" + device;
    });
  };
  ASSERT_TRUE(follows("0"));
  on_loop([&] {
    put_vif(world, "30", "1", 10);
    world.store.put("/local/domain/30/device/vif/0/state", "4");
    world.store.put("/local/domain/11/backend/vif/30/0/state", "4");
    return 0;
  });
  EXPECT_TRUE(follows("1"));
}

TEST_F(SupervisedWithGuest, another_one_with_its_number_loses_nothing) {
  begin_with_guest();
  on_loop([&] {
    world.xen.outdated[30] = world.xen.all.at(30).info;
    world.xen.all.at(30).info.uuid[15] ^= 0xff;
    return 0;
  });
  crash(10);
  ASSERT_TRUE(has_nic(11));
  say(11, "ready");
  EXPECT_TRUE(reaches("ready"));
  EXPECT_EQ(ran("network-"), 0U);
}

TEST_F(SupervisedWithGuest, its_device_is_not_removed_where_nothing_can_be_written_down) {
  begin_with_guest();
  std::filesystem::create_directory(config.paths.runtime / "supervisor" / "net.json.new");
  crash(10);
  ASSERT_TRUE(has_nic(11));
  say(11, "ready");
  EXPECT_TRUE(reaches("ready"));
  EXPECT_EQ(ran("network-detach"), 0U);
  EXPECT_TRUE(logged("driver-domain-state"));
  EXPECT_TRUE(logged("dependent-failed"));
}

TEST_F(Supervised, nobody_but_root_and_no_unknown_name) {
  begin();
  const auto wrong = client().call("driver-domain", {{"name", "other"}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().kind, ErrorKind::not_found);
  EXPECT_FALSE(client().call("driver-domain-start", {{"name", "other"}}));
}

TEST_F(Supervised, what_is_no_name_is_a_mistake_in_the_request) {
  begin();
  for (const std::string method :
       {"driver-domain", "driver-domain-start", "driver-domain-stop", "driver-domain-recover"})
    for (const std::string name : {"", "..", "/etc", "12", "net-standby", "net-dead-3"}) {
      const auto wrong = client().call(method, {{"name", name}});
      ASSERT_FALSE(wrong) << method << name;
      EXPECT_EQ(wrong.error().kind, ErrorKind::usage) << method << name;
      EXPECT_THAT(wrong.error().message, ::testing::HasSubstr("is no name"));
    }
}

}  // namespace
}  // namespace pciassign::test
