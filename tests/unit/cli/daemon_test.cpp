// SPDX-License-Identifier: GPL-2.0-or-later
// What the daemon does by itself: new domains, dead domains, its own end.
#include <array>
#include <fstream>
#include <future>
#include <new>

#include "fixture.hpp"

namespace pciassign::test {
namespace {

using ::testing::HasSubstr;

class Introduced : public DaemonTest {
 protected:
  /// As xl makes it: paused by its creation until xl unpauses last.
  void introduce(DomId domid, const std::string& name, int pauses = 1) {
    on_loop([&] {
      world.add_domain(domid, name);
      world.xen.all[domid].pause_count = pauses;
      world.xen.all[domid].info.paused = pauses > 0;
      return 0;
    });
  }
  int pauses(DomId domid) {
    return on_loop([&] { return world.xen.all[domid].pause_count; });
  }
  bool attached(const Sbdf& device, DomId domid) {
    return eventually([&] {
      const auto record = world.records().find(device);
      return record && *record && (*record)->domid == domid && (*record)->phase == Phase::attached;
    });
  }
};

TEST_F(Introduced, a_configured_domain_has_its_devices_before_it_runs) {
  start(assigned("net", {"00:04.0", "00:05.0"}));
  introduce(3, "net");
  ASSERT_TRUE(attached(nic, 3));
  ASSERT_TRUE(attached(disk, 3));
  EXPECT_TRUE(eventually([&] { return logged("domain-ready"); }));
  EXPECT_EQ(pauses(3), 1) << "the toolstack's own pause is left, ours is gone";
  EXPECT_TRUE(on_loop([&] { return world.xen.all[3].has_rights(); }));
  EXPECT_TRUE(std::filesystem::is_empty(config.paths.runtime / "paused"));
}

TEST_F(Introduced, a_domain_without_configuration_is_left_alone) {
  start(assigned("net", {"00:04.0"}));
  introduce(3, "other");
  EXPECT_EQ(pciassign({"status"}).status, 0);
  EXPECT_EQ(pauses(3), 1);
  EXPECT_FALSE(logged("domain-paused"));
}

TEST_F(Introduced, a_name_that_comes_later_is_waited_for) {
  start(assigned("net", {"00:04.0"}));
  on_loop([&] {
    world.add_domain(3, "net");
    world.xen.all[3].pause_count = 1;
    world.xen.all[3].info.paused = true;
    world.store.tree().remove("/local/domain/3/name");
    return 0;
  });
  EXPECT_EQ(pciassign({"status"}).status, 0);
  EXPECT_FALSE(logged("domain-paused"));
  on_loop([&] {
    world.store.put("/local/domain/3/name", "net");
    return 0;
  });
  EXPECT_TRUE(attached(nic, 3));
}

TEST_F(Introduced, a_failure_keeps_the_domain_paused) {
  world.xen.host_info.iommu = false;
  start(assigned("net", {"00:04.0"}));
  introduce(3, "net");
  ASSERT_TRUE(eventually([&] { return logged("attach-failed"); }));
  EXPECT_EQ(pauses(3), 2);
  EXPECT_FALSE(on_loop([&] { return world.xen.all[3].has_rights(); }));
}

TEST_F(Introduced, a_failure_starts_the_domain_where_that_is_configured) {
  world.xen.host_info.iommu = false;
  start(assigned("net", {"00:04.0"}, config::OnFailure::start));
  introduce(3, "net");
  ASSERT_TRUE(eventually([&] { return logged("attach-failed"); }));
  EXPECT_TRUE(eventually([&] { return world.xen.all[3].pause_count == 1; }));
}

TEST_F(Introduced, a_domain_that_runs_already_gets_its_devices_hot) {
  introduce(3, "net", 0);
  start(assigned("net", {"00:04.0"}));
  EXPECT_TRUE(attached(nic, 3));
  EXPECT_TRUE(logged("domain-runs-already"));
  EXPECT_EQ(pauses(3), 0);
}

TEST_F(Introduced, the_successor_of_a_crashed_domain_gets_the_devices) {
  start(assigned("net", {"00:04.0"}));
  introduce(3, "net");
  ASSERT_TRUE(attached(nic, 3));
  on_loop([&] {
    world.crash(3);
    world.destroy(3);
    return 0;
  });
  introduce(4, "net");
  EXPECT_TRUE(attached(nic, 4));
  EXPECT_TRUE(eventually([&] { return world.xen.all[4].pause_count == 1; }));
}

TEST_F(Introduced, a_restarted_daemon_lets_go_what_its_predecessor_paused) {
  start(assigned("net", {"00:04.0"}));
  introduce(3, "net");
  ASSERT_TRUE(attached(nic, 3));
  ASSERT_TRUE(eventually([&] { return logged("domain-ready"); }));
  kill();
  // As if it had died between the attachment and the unpause.
  std::filesystem::create_directories(config.paths.runtime / "paused");
  std::ofstream(config.paths.runtime / "paused" / "3") << "boot " << boot << '\n'
                                                       << world.xen.all[3].info.uuid_str() << '\n';
  world.xen.all[3].pause_count = 2;
  start(assigned("net", {"00:04.0"}));
  EXPECT_TRUE(eventually([&] { return world.xen.all[3].pause_count == 1; }));
  EXPECT_TRUE(std::filesystem::is_empty(config.paths.runtime / "paused"));
}

TEST_F(Introduced, a_failed_domain_that_stays_paused_is_tried_again) {
  world.xen.host_info.iommu = false;
  start(assigned("net", {"00:04.0"}));
  introduce(3, "net");
  ASSERT_TRUE(eventually([&] { return logged("attach-failed"); }));
  on_loop([&] {
    world.xen.host_info.iommu = true;
    return 0;
  });
  EXPECT_TRUE(attached(nic, 3));
  EXPECT_TRUE(eventually([&] { return world.xen.all[3].pause_count == 1; }));
  EXPECT_TRUE(
      eventually([&] { return std::filesystem::is_empty(config.paths.runtime / "paused"); }));
}

TEST_F(Introduced, status_and_doctor_name_a_damaged_record_and_the_rest_goes_on) {
  world.damaged_records = {disk};
  start(assigned("net", {"00:04.0"}));
  introduce(3, "net");
  EXPECT_TRUE(attached(nic, 3));
  const Ran status = pciassign({"status"});
  EXPECT_EQ(status.status, 0);
  EXPECT_THAT(status.out, HasSubstr("problem: 0000-00-05-0.json is damaged"));
  EXPECT_EQ(pciassign({"list"}).status, 0);
  for (const auto& [file, text] : {std::pair{"sys/hypervisor/type", "xen\n"},
                                   std::pair{"proc/xen/capabilities", "control_d\n"}}) {
    std::filesystem::create_directories((directory / "root" / file).parent_path());
    std::ofstream(directory / "root" / file) << text;
  }
  EXPECT_THAT(pciassign({"doctor"}).out, HasSubstr("D-JOURNAL: 0000-00-05-0.json is damaged"));
}

TEST_F(Introduced, status_tells_of_a_domain_that_waits_for_its_next_try) {
  world.xen.host_info.iommu = false;
  start(assigned("net", {"00:04.0"}));
  introduce(3, "net");
  ASSERT_TRUE(eventually([&] { return logged("attach-failed"); }));
  const auto status = rpc::from_json<rpc::StatusResult>(client().call("status", {}).value());
  ASSERT_TRUE(status) << status.error().message;
  ASSERT_EQ(status->retries.size(), 1U);
  const rpc::RetryView& retry = status->retries.front();
  EXPECT_EQ(retry.code, "E-NO-IOMMU");
  EXPECT_EQ(retry.domid, DomId{3});
  EXPECT_EQ(retry.domain_name, "net");
  EXPECT_GE(retry.failures, 1U);
  ASSERT_TRUE(retry.next_seconds);
  EXPECT_LE(*retry.next_seconds, 60);
  EXPECT_THAT(pciassign({"status"}).out,
              ::testing::AllOf(HasSubstr("again in "), HasSubstr("E-NO-IOMMU"),
                               HasSubstr("attach to net (domain 3)")));
}

TEST_F(Introduced, a_failed_domain_that_is_started_by_hand_is_left_alone) {
  world.xen.host_info.iommu = false;
  start(assigned("net", {"00:04.0"}));
  introduce(3, "net");
  ASSERT_TRUE(eventually([&] { return logged("attach-failed"); }));
  on_loop([&] {
    world.xen.all[3].pause_count = 0;
    world.xen.all[3].info.paused = false;
    world.xen.host_info.iommu = true;
    return 0;
  });
  EXPECT_TRUE(eventually([&] { return logged("started-without"); }));
  EXPECT_FALSE(on_loop([&] { return world.xen.all[3].has_rights(); }));
  EXPECT_TRUE(std::filesystem::is_empty(config.paths.runtime / "paused"));
}

TEST_F(Introduced, the_assignment_that_failed_may_be_taken_away) {
  world.xen.host_info.iommu = false;
  start(assigned("net", {"00:04.0"}));
  introduce(3, "net");
  ASSERT_TRUE(eventually([&] { return logged("attach-failed"); }));
  on_loop([&] {
    core().set_assignments({});
    return 0;
  });
  EXPECT_EQ(pauses(3), 1);
}

/// With real files.
class Files : public Introduced {
 protected:
  Files() {
    std::filesystem::create_directories(directory / "assignments.d");
    std::filesystem::create_directories(directory / "domains.d");
  }
  void write(const std::string& file, const std::string& text) {
    std::ofstream(directory / file) << text;
  }
  rpc::StatusResult status() {
    return rpc::from_json<rpc::StatusResult>(client().call("status", {}).value()).value();
  }
  rpc::ReloadResult reload() {
    return rpc::from_json<rpc::ReloadResult>(client().call("reload", {}).value()).value();
  }
  static std::string driver_domain(const std::string& name) {
    return "[driver-domain." + name +
           "]\nclass = \"net\"\ndevices = [\"00:05.0\"]\nconfig = \"/c\"\nautostart = false\n";
  }
  const std::string good = "[domain.net]\ndevices = [\"00:04.0\"]\n";
};

TEST_F(Files, the_daemon_starts_with_what_can_be_read_and_tells_the_rest) {
  write("assignments.d/a.toml", "x");
  write("assignments.d/b.toml", good);
  write("domains.d/c.toml", "[driver-domain");
  start_with_files();
  introduce(3, "net");
  EXPECT_TRUE(attached(nic, 3));
  EXPECT_TRUE(logged("config"));
  const auto told = status().problems;
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].file, directory / "assignments.d/a.toml");
  EXPECT_EQ(told[1].file, directory / "domains.d/c.toml");
  EXPECT_THAT(pciassign({"status"}).out, HasSubstr("problem: " + told[0].what));
  EXPECT_EQ(pciassign({"status", "--json"}).status, 0);
}

TEST_F(Files, a_domain_whose_entry_is_bad_waits_until_it_is_right) {
  write("assignments.d/a.toml", "[domain.net]\ndevices = [\n");
  start_with_files();
  introduce(3, "net");
  ASSERT_TRUE(eventually([&] { return logged("attach-failed"); }));
  EXPECT_EQ(pauses(3), 2);
  const auto retries = status().retries;
  ASSERT_EQ(retries.size(), 1U);
  EXPECT_EQ(retries[0].domain_name, "net");
  EXPECT_THAT(retries[0].what, HasSubstr("a.toml:"));
  EXPECT_EQ(reload().problems.size(), 1U);
  EXPECT_EQ(pauses(3), 2) << "it is not paused once more";
  write("assignments.d/a.toml", good);
  EXPECT_TRUE(reload().problems.empty());
  EXPECT_TRUE(attached(nic, 3));
  EXPECT_TRUE(eventually([&] { return world.xen.all[3].pause_count == 1; }));
}

TEST_F(Files, a_domain_goes_on_when_its_bad_entry_is_taken_away) {
  write("assignments.d/a.toml", "[domain.net]\ndevices = [\n");
  start_with_files();
  introduce(3, "net");
  ASSERT_TRUE(eventually([&] { return logged("attach-failed"); }));
  std::filesystem::remove(directory / "assignments.d/a.toml");
  EXPECT_TRUE(reload().problems.empty());
  EXPECT_EQ(pauses(3), 1);
}

TEST_F(Files, a_running_domain_whose_entry_is_bad_is_left_alone) {
  introduce(3, "net", 0);
  write("assignments.d/a.toml", "[domain.net]\n");
  start_with_files();
  EXPECT_EQ(reload().problems.size(), 1U);
  EXPECT_EQ(pauses(3), 0);
  EXPECT_FALSE(logged("attach-failed"));
}

TEST_F(Files, a_reload_keeps_what_a_bad_file_held_before_and_takes_the_rest) {
  write("assignments.d/a.toml", good);
  start_with_files();
  write("assignments.d/a.toml", "nonsense");
  write("assignments.d/b.toml", "[domain.disk]\ndevices = [\"00:05.0\"]\n");
  const auto answer = reload();
  EXPECT_THAT(answer.configured, ::testing::ElementsAre("disk", "net"));
  ASSERT_EQ(answer.problems.size(), 1U);
  EXPECT_THAT(answer.problems[0].what, HasSubstr("the former entries stay in effect: net"));
  EXPECT_NE(answer.problems[0].hint, "");
  introduce(3, "net");
  introduce(4, "disk");
  EXPECT_TRUE(attached(nic, 3));
  EXPECT_TRUE(attached(disk, 4));
}

TEST_F(Files, a_driver_domain_with_a_bad_entry_is_not_made_and_one_that_is_stays_supervised) {
  write("domains.d/a.toml", "[driver-domain.d]\nclass = 1\n");
  start_with_files();
  EXPECT_THAT(pciassign({"domain", "start", "d"}).err, HasSubstr("a.toml:2:9"));
  EXPECT_THAT(pciassign({"domain", "show", "d"}).err, HasSubstr("a.toml:2:9"));
  write("domains.d/a.toml", driver_domain("d"));
  EXPECT_TRUE(reload().problems.empty());
  EXPECT_EQ(pciassign({"domain", "show", "d"}).status, 0);
  write("domains.d/a.toml", "[driver-domain.d]\nclass = 1\n");
  EXPECT_EQ(reload().problems.size(), 1U);
  EXPECT_EQ(pciassign({"domain", "show", "d"}).status, 0);
}

TEST_F(Files, nobody_creates_a_domain_whose_entry_is_bad) {
  write("assignments.d/a.toml", "[domain.net]\n");
  start_with_files();
  const auto asked =
      client().call("create-prepare", {{"name", "net"}, {"devices", boost::json::array{}}});
  ASSERT_FALSE(asked);
  EXPECT_THAT(asked.error().message, HasSubstr("a.toml:1:1"));
}

/// What a daemon leaves that dies while it lets a domain go.
class Releasing : public Introduced {
 protected:
  void die_while_releasing(int pauses_left, const std::string& note) {
    start(assigned("net", {"00:04.0"}));
    introduce(3, "net");
    ASSERT_TRUE(attached(nic, 3));
    ASSERT_TRUE(eventually([&] { return logged("domain-ready"); }));
    kill();
    std::ofstream(config.paths.runtime / "paused" / "3") << "boot " << boot << '\n'
                                                         << world.xen.all[3].info.uuid_str() << '\n'
                                                         << note;
    world.xen.all[3].pause_count = pauses_left;
    world.xen.all[3].info.paused = pauses_left > 0;
  }
  bool noted() { return std::filesystem::exists(config.paths.runtime / "paused" / "3"); }
};

TEST_F(Releasing, the_toolstacks_pause_is_not_taken_for_the_former_daemons) {
  die_while_releasing(1, "releasing\n");
  start(assigned("net", {"00:04.0"}));
  EXPECT_EQ(pciassign({"status"}).status, 0);
  EXPECT_EQ(pauses(3), 1);
  EXPECT_TRUE(noted());
  on_loop([&] {
    world.xen.all[3].pause_count = 0;
    world.xen.all[3].info.paused = false;
    world.store.fire("@introduceDomain");
    return 0;
  });
  EXPECT_TRUE(eventually([&] { return !noted(); }));
}

TEST_F(Releasing, a_domain_that_runs_is_not_taken_for_a_paused_one) {
  die_while_releasing(0, "");
  start(assigned("net", {"00:04.0", "00:05.0"}));
  ASSERT_TRUE(attached(disk, 3));
  EXPECT_TRUE(logged("domain-runs-already"));
  EXPECT_FALSE(noted());
}

TEST_F(Introduced, no_watch_is_left_of_a_domain_that_died_without_a_name) {
  start(assigned("net", {"00:04.0"}));
  EXPECT_EQ(pciassign({"status"}).status, 0);
  const auto before = on_loop([&] { return world.store.watches(); });
  const auto nameless = [&](DomId domid) {
    world.add_domain(domid, "x");
    world.store.tree().remove("/local/domain/" + std::to_string(domid) + "/name");
    world.store.fire("@introduceDomain");
  };
  on_loop([&] {
    nameless(7);
    return 0;
  });
  ASSERT_TRUE(eventually([&] { return world.store.watches() == before + 1; }));
  on_loop([&] {
    world.crash(7);
    return 0;
  });
  EXPECT_TRUE(eventually([&] { return world.store.watches() == before; }));
}

TEST_F(Introduced, a_name_is_waited_for_although_the_number_was_used_before) {
  start(assigned("net", {"00:04.0"}));
  const auto nameless = [&] {
    world.add_domain(3, "x");
    world.store.tree().remove("/local/domain/3/name");
    world.xen.all[3].pause_count = 1;
    world.xen.all[3].info.paused = true;
  };
  on_loop([&] {
    nameless();
    return 0;
  });
  EXPECT_EQ(pciassign({"status"}).status, 0);
  on_loop([&] {
    world.destroy(3);
    nameless();  // before anybody looked
    return 0;
  });
  EXPECT_EQ(pciassign({"status"}).status, 0);
  on_loop([&] {
    world.store.put("/local/domain/3/name", "net");
    return 0;
  });
  EXPECT_TRUE(attached(nic, 3));
}

TEST_F(Introduced, a_new_configuration_is_taken_over) {
  start();
  auto fresh = config;
  fresh.limits.clients = 2;
  fresh.settings.connect_limit = std::chrono::seconds(1);
  EXPECT_TRUE(on_loop([&] { return core().reconfigure(fresh); }));
  introduce(3, "net", 0);
  on_loop([&] {
    world.guest(3).front = sim::FrontMode::silent;
    return 0;
  });
  EXPECT_THAT(pciassign({"attach", "net", "00:04.0"}).err, HasSubstr("within 1.0 s"));
  {
    const auto first = connect(), second = connect(), third = connect();
    EXPECT_THAT(get_line(third), HasSubstr("busy"));
  }
  fresh.paths.state = "/elsewhere";
  EXPECT_FALSE(on_loop([&] { return core().reconfigure(fresh); }));
}

class Dead : public Introduced {
 protected:
  void attach_nic() {
    introduce(3, "net", 0);
    start();
    const Ran ran = pciassign({"attach", "net", "00:04.0"});
    ASSERT_EQ(ran.status, 0) << ran.err;
  }
  bool nothing_left() {
    return eventually([&] {
      const auto all = world.records().all();
      return all && all->empty() && world.xen.devices[nic].owner == kDomIo;
    });
  }
};

TEST_F(Dead, a_crashed_domain_gives_its_devices_back_without_being_waited_for) {
  attach_nic();
  on_loop([&] {
    world.crash(3);
    return 0;
  });
  EXPECT_TRUE(nothing_left());
  EXPECT_FALSE(on_loop([&] { return world.xen.all[3].has_rights(); }));
}

TEST_F(Dead, a_destroyed_domain_leaves_nothing) {
  attach_nic();
  on_loop([&] {
    world.destroy(3);
    return 0;
  });
  EXPECT_TRUE(nothing_left());
}

TEST_F(Dead, a_domain_that_died_while_no_daemon_ran_is_cleaned_up_at_the_start) {
  attach_nic();
  stop();
  world.destroy(3);
  start();
  EXPECT_TRUE(nothing_left());
}

TEST_F(Dead, a_cleanup_that_failed_is_tried_again) {
  attach_nic();
  on_loop([&] {
    world.crash(3);
    // Every call of the first attempt fails; the retry, a second later, finds a working machine.
    for (std::size_t i = 1; i < 200; ++i) world.faults.fail_nth(i);
    return 0;
  });
  EXPECT_TRUE(eventually([&] { return logged("retry"); }));
  on_loop([&] {
    world.faults.clear();
    return 0;
  });
  EXPECT_TRUE(nothing_left());
}

TEST_F(Dead, two_of_one_name_and_number_are_cleaned_up_each_for_itself) {
  for (const Sbdf& device : {nic, disk}) {
    AttachmentRecord record;
    record.device = device;
    record.domid = 3;
    record.domain_name = "net";
    record.domain_uuid = "uuid of the domain that had " + device.str();
    record.phase = Phase::attached;
    ASSERT_TRUE(world.records().put(record));
  }
  world.faults.fail_all("journal.erase");
  start();
  std::size_t retries = 0;
  for (const auto end = std::chrono::steady_clock::now() + kPatience;
       retries != 2 && std::chrono::steady_clock::now() < end;) {
    const auto status = rpc::from_json<rpc::StatusResult>(client().call("status", {}).value());
    ASSERT_TRUE(status);
    retries = status->retries.size();
  }
  EXPECT_EQ(retries, 2U);
  on_loop([&] {
    world.faults.clear();
    return 0;
  });
  EXPECT_TRUE(eventually([&] { return world.records().all()->empty(); }));
}

TEST_F(Dead, a_successor_waits_for_the_clean_up_of_its_predecessor) {
  introduce(3, "net", 0);
  start(assigned("net", {"00:04.0"}));
  ASSERT_TRUE(attached(nic, 3));
  on_loop([&] {
    // The clean-up cannot end, and is tried again only after a pause.
    world.faults.fail_all("journal.erase");
    world.destroy(3);
    return 0;
  });
  ASSERT_TRUE(eventually([&] { return logged("retry"); }));
  introduce(4, "net");
  ASSERT_TRUE(eventually([&] { return logged("domain-waits"); }));
  EXPECT_EQ(pauses(4), 2);
  EXPECT_THAT(pciassign({"status"}).out, HasSubstr("in line: attach to net (domain 4)"));
  on_loop([&] {
    world.faults.clear();
    return 0;
  });
  EXPECT_TRUE(attached(nic, 4));
  EXPECT_FALSE(logged("attach-failed"));
  EXPECT_TRUE(eventually([&] { return world.xen.all[4].pause_count == 1; }));
}

class Waiting : public Introduced {
 protected:
  /// An attach that waits for a guest that never answers.
  void begin() {
    on_loop([&] {
      world.add_domain(3, "net", sim::FrontMode::silent);
      world.add_domain(4, "other");
      return 0;
    });
    start();
    thread = std::thread([this] { ran = pciassign({"attach", "net", "00:04.0"}); });
    ASSERT_TRUE(eventually([&] { return world.store.tree().has("/local/domain/3/device/pci/0"); }));
  }
  ~Waiting() override {
    if (thread.joinable()) thread.join();
  }
  std::thread thread;
  Ran ran;
};

TEST_F(Waiting, others_are_told_what_is_running) {
  begin();
  const Ran device = pciassign({"attach", "other", "00:04.0"});
  EXPECT_EQ(device.status, 5);
  EXPECT_THAT(device.err, HasSubstr("attach 0000:00:04.0 to net"));
  const Ran domain = pciassign({"attach", "net", "00:05.0"});
  EXPECT_EQ(domain.status, 5);
  const Ran neither = pciassign({"attach", "other", "00:05.0"});
  EXPECT_EQ(neither.status, 0) << neither.err;
  EXPECT_THAT(pciassign({"status"}).out, HasSubstr("running: attach 0000:00:04.0 to net"));
  stop();
}

TEST_F(Waiting, an_end_of_the_daemon_undoes_it) {
  begin();
  stop();
  thread.join();
  EXPECT_NE(ran.status, 0);
  EXPECT_FALSE(world.xen.all[3].has_rights());
  EXPECT_NE(world.xen.devices[nic].owner, 3U);
  EXPECT_TRUE(world.records().all()->empty());
}

TEST(Lifetime, a_worker_that_is_busy_may_outlive_the_scheduler) {
  // As when xenstored goes away during a reset: the loop ends, and the worker is waited for last.
  sim::World world;
  std::promise<void> begun, over;
  alignas(daemon::Scheduler) std::array<std::byte, sizeof(daemon::Scheduler)> place;
  daemon::Log log([](const daemon::LogRecord&) {}, daemon::LogLevel::error);
  daemon::Metrics metrics;
  {
    daemon::Reactor reactor;
    auto* scheduler = new (place.data()) daemon::Scheduler(reactor, world.ports(), log, metrics, 4);
    Plan plan;
    plan.title = "slow";
    Step step;
    step.words = "takes its time";
    step.slow = true;
    step.run = [&](Ports&) -> Result<void> {
      begun.set_value();
      over.get_future().wait();
      return {};
    };
    plan.steps.push_back(std::move(step));
    ASSERT_TRUE(scheduler->submit(std::move(plan), {}));
    std::thread loop([&] { reactor.run(); });
    begun.get_future().wait();
    reactor.stop();
    loop.join();
    scheduler->~Scheduler();
    place.fill(std::byte{});
    over.set_value();
  }
}

TEST_F(Introduced, cancel_undoes_a_request_of_the_same_connection) {
  on_loop([&] {
    world.add_domain(3, "net", sim::FrontMode::silent);
    return 0;
  });
  start();
  const auto fd = connect();
  put(fd,
      R"({"jsonrpc":"2.0","id":7,"method":"attach","params":{"domain":"net","devices":["00:04.0"]}})"
      "\n");
  ASSERT_TRUE(eventually([&] { return world.xen.devices[nic].owner == 3; }));
  put(fd, R"({"jsonrpc":"2.0","id":8,"method":"cancel","params":{"request":7}})"
          "\n");
  std::string line;
  do {
    line = get_line(fd);
  } while (!line.empty() && line.find("\"id\":7") == std::string::npos);
  EXPECT_THAT(line, HasSubstr("cancelled"));
  EXPECT_FALSE(on_loop([&] { return world.xen.all[3].has_rights(); }));
}

}  // namespace
}  // namespace pciassign::test
