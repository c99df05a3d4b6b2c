// SPDX-License-Identifier: GPL-2.0-or-later
// What the agent says, when it looks, and how it lets go; with interfaces of guests, which are the
// simpler ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "world.hpp"

namespace pciassign::agent::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr BackendId kOther{4, 1};

struct AgentTest : ::testing::Test {
  World world{net_config()};

  void serve(BackendId id) {
    world.links.add(fmt::format("vif{}.{}", id.guest, id.devid));
    world.add(id, {{"bridge", "xenbr0"}, {"mac", "00:16:3e:00:00:01"}});
  }
};

TEST_F(AgentTest, SaysWaitingUntilTheDeviceComesAndReadyAfterwards) {
  world.start();
  EXPECT_EQ(world.data("agent"), "1.2.3");
  EXPECT_EQ(world.data("state"), "waiting");
  world.links.add("eth0", true);
  world.agent->devices_changed();
  world.settle();
  EXPECT_EQ(world.data("state"), "ready");
  world.links.interfaces.erase("eth0");
  world.agent->devices_changed();
  world.settle();
  EXPECT_EQ(world.data("state"), "waiting");
}

TEST_F(AgentTest, SaysStartingBeforeItServes) {
  ASSERT_TRUE(world.agent->open("1.2.3"));
  EXPECT_EQ(world.data("state"), "starting");
}

TEST_F(AgentTest, TellsWhatWentWrongOnlyWhileItsDeviceIsMissing) {
  world.notes = "module /x.ko: No such file or directory";
  world.start();
  EXPECT_EQ(world.data("message"), world.notes);
  world.links.add("eth0", true);
  world.agent->devices_changed();
  world.settle();
  EXPECT_EQ(world.data("message"), "-");
}

TEST_F(AgentTest, SaysFailedWithWordsAndRefusesGuestsWithThem) {
  ASSERT_TRUE(world.agent->open("1.2.3"));
  world.agent->fail("no back end");
  ASSERT_TRUE(world.agent->start(""));
  serve(kVif);
  EXPECT_EQ(world.data("state"), "failed");
  EXPECT_EQ(world.data("message"), "no back end");
  EXPECT_EQ(world.node(kVif, "hotplug-status"), "error");
  EXPECT_EQ(world.node(kVif, "hotplug-error"), "no back end");
}

TEST_F(AgentTest, HeartbeatGrows) {
  world.start();
  world.agent->beat();
  EXPECT_EQ(world.data("heartbeat"), "1");
  world.agent->beat();
  EXPECT_EQ(world.data("heartbeat"), "2");
}

TEST_F(AgentTest, ServesADeviceBeforeItsOwnIsThere) {
  world.start();
  serve(kVif);
  EXPECT_EQ(world.node(kVif, "hotplug-status"), "connected");
  EXPECT_EQ(world.data("state"), "waiting");
}

TEST_F(AgentTest, ServesDevicesThatWereThereBeforeIt) {
  serve(kVif);
  serve(kOther);
  world.start();
  EXPECT_EQ(world.node(kVif, "hotplug-status"), "connected");
  EXPECT_EQ(world.node(kOther, "hotplug-status"), "connected");
}

TEST_F(AgentTest, AnswersAgainWhenTheKernelTookTheAnswerAway) {
  world.start();
  serve(kVif);
  world.store.drop(world.path(kVif) + "/hotplug-status");
  world.settle();
  EXPECT_EQ(world.node(kVif, "hotplug-status"), "connected");
}

TEST_F(AgentTest, AnswersNothingToADeviceThatCloses) {
  world.start();
  serve(kVif);
  world.set(kVif, "state", "5");
  world.store.drop(world.path(kVif) + "/hotplug-status");
  world.settle();
  EXPECT_EQ(world.node(kVif, "hotplug-status"), "-");
}

TEST_F(AgentTest, RemovesAClosedDeviceOnlyAfterTheToolstackCouldSeeIt) {
  world.start();
  serve(kVif);
  world.set(kVif, "online", "0");
  world.set(kVif, "state", "5");
  world.pass(5s);
  EXPECT_EQ(world.node(kVif, "state"), "5") << "netback has not closed it yet";
  world.set(kVif, "state", "6");
  world.pass(900ms);
  EXPECT_EQ(world.node(kVif, "state"), "6");
  world.pass(200ms);
  EXPECT_FALSE(world.store.tree().has(world.path(kVif)));
}

TEST_F(AgentTest, ClosesWhatNoDriverAnswersFor) {
  world.start();
  serve(kVif);
  world.links.answered.erase(kVif);
  world.set(kVif, "online", "0");
  world.set(kVif, "state", "5");
  EXPECT_EQ(world.node(kVif, "state"), "6");
  world.pass(2s);
  EXPECT_FALSE(world.store.tree().has(world.path(kVif)));
}

TEST_F(AgentTest, KeepsADeviceWhoseGuestClosesItForAnotherKernel) {
  world.start();
  serve(kVif);
  world.set(kVif, "state", "6");
  world.pass(10s);
  EXPECT_TRUE(world.store.tree().has(world.path(kVif)));
  world.store.drop(world.path(kVif) + "/hotplug-status");
  world.set(kVif, "state", "2");
  EXPECT_EQ(world.node(kVif, "hotplug-status"), "connected");
}

TEST_F(AgentTest, ANewDeviceInThePlaceOfAClosedOneIsNotRemoved) {
  world.start();
  serve(kVif);
  world.set(kVif, "online", "0");
  world.set(kVif, "state", "6");
  world.store.drop(world.path(kVif));
  serve(kVif);
  world.pass(10s);
  EXPECT_EQ(world.node(kVif, "hotplug-status"), "connected");
}

TEST_F(AgentTest, SeesAWholeGuestVanish) {
  world.start();
  serve(kVif);
  world.set(kVif, "state", "4");
  world.links.interfaces["vif3.0"].received = 1;
  world.pass(1s);
  ASSERT_EQ(world.data("traffic/vif-3-0"), "1");
  world.store.drop(kOwn + "/backend/vif/3");
  world.settle();
  EXPECT_EQ(world.data("traffic/vif-3-0"), "-");
  EXPECT_EQ(world.agent->wake_at(world.now), std::nullopt);
}

TEST_F(AgentTest, FirstPacketIsSeenSoonAndThenNobodyLooksAnyMore) {
  world.start();
  serve(kVif);
  world.pass(10s);
  EXPECT_EQ(world.links.looks, 0) << "not connected yet";
  world.set(kVif, "state", "4");
  world.pass(100ms);
  EXPECT_EQ(world.data("traffic/vif-3-0"), "-");
  world.links.interfaces["vif3.0"].received = 1;
  world.pass(20ms);
  EXPECT_EQ(world.data("traffic/vif-3-0"), "1");
  EXPECT_EQ(world.agent->wake_at(world.now), std::nullopt);
}

TEST_F(AgentTest, FirstPacketIsNotAwaitedForEver) {
  world.start();
  serve(kVif);
  world.set(kVif, "state", "4");
  world.pass(1h);
  EXPECT_LT(world.wakes, 600);
  EXPECT_EQ(world.agent->wake_at(world.now), std::nullopt);
  EXPECT_EQ(world.data("traffic/vif-3-0"), "-");
}

TEST_F(AgentTest, FirstPacketIsAwaitedAgainAfterAReconnection) {
  world.start();
  serve(kVif);
  world.set(kVif, "state", "4");
  world.links.interfaces["vif3.0"].received = 1;
  world.pass(1s);
  world.links.interfaces["vif3.0"].received = 0;
  world.set(kVif, "state", "6");
  EXPECT_EQ(world.data("traffic/vif-3-0"), "-");
  world.set(kVif, "state", "2");
  world.set(kVif, "state", "4");
  world.links.interfaces["vif3.0"].received = 1;
  world.pass(1s);
  EXPECT_EQ(world.data("traffic/vif-3-0"), "1");
}

TEST_F(AgentTest, OneChangeAmongHundredsCostsNoMoreThanAlone) {
  world.start();
  world.links.add("eth0", true);
  world.agent->devices_changed();
  world.settle();
  const auto cost_of_one_more = [&](unsigned devid) {
    const std::size_t before = world.faults.calls();
    serve({9, devid});
    return world.faults.calls() - before;
  };
  const std::size_t alone = cost_of_one_more(0);
  for (unsigned devid = 1; devid < 500; ++devid) serve({10, devid});
  EXPECT_EQ(cost_of_one_more(1), alone);
  for (unsigned devid = 1; devid < 500; ++devid)
    ASSERT_EQ(world.node({10, devid}, "hotplug-status"), "connected");
  EXPECT_EQ(world.agent->wake_at(world.now), std::nullopt);
}

TEST_F(AgentTest, IgnoresWhatIsNoDevice) {
  world.start();
  for (const char* name : {"x/0", "3/x", "-1/0", "99999/0", "3/", "3/0x1", "3/99999999999"})
    world.store.put(fmt::format("{}/backend/vif/{}/state", kOwn, name), "2");
  world.store.put(kOwn + "/backend/vif/3/7/state", "9");
  world.store.put(kOwn + "/backend/vif/3/8/state", "two");
  world.settle();
  for (const auto& [path, value] : world.store.tree().dump(kOwn + "/backend"))
    EXPECT_THAT(path, ::testing::Not(HasSubstr("hotplug"))) << value;
}

TEST_F(AgentTest, AServiceThatStopsLeavesGuestsAlone) {
  world.start();
  serve(kVif);
  world.agent->leave();
  EXPECT_EQ(world.data("state"), "stopping");
  EXPECT_EQ(world.links.interfaces["vif3.0"].master, "xenbr0");
}

TEST_F(AgentTest, TheNextAgentTakesOverWhatIsServed) {
  world.start();
  serve(kVif);
  world.set(kVif, "state", "4");
  world.restart();
  world.start();
  EXPECT_EQ(world.node(kVif, "hotplug-status"), "connected");
  world.links.interfaces["vif3.0"].received = 1;
  world.pass(1s);
  EXPECT_EQ(world.data("traffic/vif-3-0"), "1");
}

// xenstore refuses each request once, in turn: afterwards everything is as it should be.
TEST(AgentFaults, WhateverXenstoreRefusesOnceIsDoneLater) {
  std::size_t calls = 0;
  {
    World world(net_config());
    const std::size_t before = world.faults.calls();
    world.start();
    calls = world.faults.calls() - before + 40;
  }
  for (std::size_t nth = 1; nth < calls; ++nth) {
    SCOPED_TRACE(nth);
    World world(net_config());
    ASSERT_TRUE(world.agent->open("1.2.3"));
    ASSERT_TRUE(world.agent->start(""));
    world.faults.fail_nth(nth, ENOSPC);
    world.links.add("eth0", true);
    world.links.add("vif3.0");
    world.settle();
    world.store.put(world.path(kVif) + "/online", "1");
    world.store.put(world.path(kVif) + "/bridge", "xenbr0");
    world.store.put(world.path(kVif) + "/state", "4");
    world.settle();
    world.links.interfaces["vif3.0"].received = 1;
    world.pass(10s);
    EXPECT_EQ(world.data("state"), "ready");
    EXPECT_EQ(world.node(kVif, "hotplug-status"), "connected");
    EXPECT_EQ(world.data("traffic/vif-3-0"), "1");
    world.store.put(world.path(kVif) + "/online", "0");
    world.store.put(world.path(kVif) + "/state", "6");
    world.settle();
    world.pass(10s);
    EXPECT_FALSE(world.store.tree().has(world.path(kVif)));
    EXPECT_EQ(world.agent->wake_at(world.now), std::nullopt);
  }
}

TEST(AgentFaults, AXenstoreThatRefusesEverythingIsAskedLessAndLess) {
  World world(net_config());
  world.start();
  world.faults.fail_all("store.list");
  world.agent->store_changed(kOwn + "/backend/vif");
  world.settle();
  world.pass(1h);
  EXPECT_LT(world.wakes, 80);
  world.faults.clear();
  world.pass(2min);
  EXPECT_EQ(world.agent->wake_at(world.now), std::nullopt);
}

}  // namespace
}  // namespace pciassign::agent::test
