// SPDX-License-Identifier: GPL-2.0-or-later
// Guests' disks: what is given to blkback, who may write, and that a stop loses nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "world.hpp"

namespace pciassign::agent::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr BackendId kOne{3, 51728}, kTwo{4, 51728}, kThree{5, 51728};
constexpr int kExited = 0, kFailed = EINVAL << 8;

struct DisksTest : ::testing::Test {
  Config config = block_config();
  std::unique_ptr<World> world;

  void start() {
    world = std::make_unique<World>(config);
    world->start();
  }
  void add_disk(const std::string& name = "nvme0n1") {
    world->storage.add_disk(name, 2);
    world->agent->devices_changed();
    world->settle();
  }
  void serve(BackendId id, const std::string& path, const std::string& mode = "w") {
    world->add(id, {{"params", path}, {"mode", mode}, {"type", "phy"}});
  }
  std::string status(BackendId id) { return world->node(id, "hotplug-status"); }
  void close(BackendId id) {
    world->set(id, "online", "0");
    world->set(id, "state", "6");
  }
};

TEST_F(DisksTest, TellsBlkbackWhichDiskItIs) {
  start();
  add_disk();
  serve(kOne, "/dev/nvme0n1p2");
  EXPECT_EQ(status(kOne), "connected");
  EXPECT_EQ(world->node(kOne, "physical-device"), "103:3");
  EXPECT_EQ(world->node(kOne, "physical-device-path"), "/dev/nvme0n1p2");
}

TEST_F(DisksTest, KnowsTheFormsOfOldConfigurations) {
  start();
  add_disk();
  serve(kOne, "phy:/dev/nvme0n1p1");
  EXPECT_EQ(world->node(kOne, "physical-device-path"), "/dev/nvme0n1p1");
  serve(kTwo, "phy:nvme0n1p2");
  EXPECT_EQ(world->node(kTwo, "physical-device-path"), "/dev/nvme0n1p2");
}

TEST_F(DisksTest, WaitsForADiskWhileTheDomainWaits) {
  start();
  serve(kOne, "/dev/nvme0n1p2");
  world->pass(1h);
  EXPECT_EQ(status(kOne), "-");
  add_disk();
  EXPECT_EQ(status(kOne), "connected");
}

TEST_F(DisksTest, ADiskThatIsStillMissingWhenReadyIsAnErrorAfterAWhile) {
  start();
  add_disk();
  serve(kOne, "/dev/nvme1n1");
  world->pass(4s);
  EXPECT_EQ(status(kOne), "-");
  world->pass(2s);
  EXPECT_EQ(status(kOne), "error");
  EXPECT_EQ(world->node(kOne, "hotplug-error"), "/dev/nvme1n1 does not exist");
  add_disk("nvme1n1");
  EXPECT_EQ(status(kOne), "connected");
  EXPECT_EQ(world->node(kOne, "hotplug-error"), "-");
}

TEST_F(DisksTest, GivesAFileALoopDeviceAndTakesItBack) {
  start();
  world->storage.add_file("/srv/a");
  world->storage.add_file("/srv/b");
  serve(kOne, "/srv/a");
  serve(kTwo, "file:/srv/b", "r");
  EXPECT_EQ(world->node(kOne, "physical-device"), "7:0");
  EXPECT_EQ(world->node(kTwo, "physical-device-path"), "/dev/loop1");
  EXPECT_EQ(world->storage.loops["/dev/loop1"], "ro /srv/b");
  close(kOne);
  EXPECT_FALSE(world->storage.loops.contains("/dev/loop0")) << "at once, not with the directory";
  world->store.drop(world->path(kTwo));
  world->settle();
  EXPECT_THAT(world->storage.loops, IsEmpty());
}

TEST_F(DisksTest, TheSameLoopDeviceServesAGuestThatReconnects) {
  start();
  world->storage.add_file("/srv/a");
  serve(kOne, "/srv/a");
  world->set(kOne, "state", "6");
  world->store.drop(world->path(kOne) + "/hotplug-status");
  world->set(kOne, "state", "2");
  EXPECT_EQ(status(kOne), "connected");
  EXPECT_EQ(world->storage.loops.size(), 1U);
}

TEST_F(DisksTest, TheNextAgentKnowsLoopDevicesAgain) {
  start();
  world->storage.add_file("/srv/a");
  serve(kOne, "/srv/a");
  Disks disks(world->storage, config.block);
  Agent next(world->store, disks, [](const std::string&) {});
  ASSERT_TRUE(next.open("1.2.4"));
  ASSERT_TRUE(next.start(""));
  next.settle(world->now);
  EXPECT_EQ(world->storage.loops.size(), 1U);
  world->store.drop(world->path(kOne));
  next.store_changed(world->path(kOne));
  next.settle(world->now);
  EXPECT_THAT(world->storage.loops, IsEmpty());
}

TEST_F(DisksTest, OneMediumHasOneWriter) {
  start();
  add_disk();
  world->storage.add_file("/srv/a");
  for (const char* path : {"/dev/nvme0n1p2", "/srv/a"}) {
    serve(kOne, path);
    serve(kTwo, path);
    EXPECT_EQ(status(kTwo), "error");
    EXPECT_THAT(world->node(kTwo, "hotplug-error"), HasSubstr("in use by guest 3"));
    EXPECT_EQ(world->node(kTwo, "physical-device"), "-");
    serve(kThree, path, "r");
    EXPECT_EQ(status(kThree), "error") << "a reader would see half of what the writer writes";
    for (const BackendId id : {kOne, kTwo, kThree}) world->store.drop(world->path(id));
    world->settle();
  }
  EXPECT_THAT(world->storage.loops, IsEmpty());
}

TEST_F(DisksTest, ReadersShare) {
  start();
  add_disk();
  serve(kOne, "/dev/nvme0n1p2", "r");
  serve(kTwo, "/dev/nvme0n1p2", "r");
  EXPECT_EQ(status(kTwo), "connected");
  serve(kThree, "/dev/nvme0n1p2", "w");
  EXPECT_EQ(status(kThree), "error");
}

TEST_F(DisksTest, AWriterMayBeForced) {
  start();
  add_disk();
  serve(kOne, "/dev/nvme0n1p2");
  serve(kTwo, "/dev/nvme0n1p2", "w!");
  EXPECT_EQ(status(kTwo), "connected");
}

TEST_F(DisksTest, ADiskAndItsPartitionsAreOneMediumPartitionsAreNot) {
  start();
  add_disk();
  serve(kOne, "/dev/nvme0n1p1");
  serve(kTwo, "/dev/nvme0n1p2");
  EXPECT_EQ(status(kTwo), "connected");
  serve(kThree, "/dev/nvme0n1");
  EXPECT_EQ(status(kThree), "error");
}

TEST_F(DisksTest, WhatTheDomainItselfUsesIsRefused) {
  start();
  add_disk();
  world->storage.used.insert("/dev/nvme0n1p1");
  serve(kOne, "/dev/nvme0n1p1", "r");
  EXPECT_THAT(world->node(kOne, "hotplug-error"), HasSubstr("is mounted"));
}

TEST_F(DisksTest, TheNextWriterIsServedWhenTheFirstLetsGo) {
  start();
  add_disk();
  serve(kOne, "/dev/nvme0n1p2");
  serve(kTwo, "/dev/nvme0n1p2");
  close(kOne);
  EXPECT_EQ(status(kTwo), "connected");
}

TEST_F(DisksTest, NodesThatAreNoneAreRefused) {
  start();
  add_disk();
  serve(kOne, "");
  EXPECT_EQ(status(kOne), "error");
  serve(kTwo, "/dev/nvme0n1p2\n/etc/passwd");
  EXPECT_EQ(status(kTwo), "error");
  serve(kThree, std::string(5000, '/') + "dev/nvme0n1p2");
  EXPECT_EQ(status(kThree), "error");
}

TEST_F(DisksTest, FirstRequestIsSeen) {
  start();
  add_disk();
  serve(kOne, "/dev/nvme0n1p2");
  world->set(kOne, "state", "4");
  world->pass(1s);
  EXPECT_EQ(world->data("traffic/vbd-3-51728"), "-");
  world->storage.counts[kOne] = 1;
  world->pass(1s);
  EXPECT_EQ(world->data("traffic/vbd-3-51728"), "1");
}

TEST_F(DisksTest, IsReadyWhenVolumesAreActiveAndMountsAreMade) {
  config.block.volumes = true;
  config.block.mounts = {{"/dev/nvme0n1p1", "/srv", "ext4"}};
  start();
  EXPECT_EQ(world->data("state"), "waiting");
  EXPECT_THAT(world->storage.log, IsEmpty());
  add_disk();
  EXPECT_THAT(world->storage.log, ElementsAre("volumes on", "mount /srv"));
  world->agent->job_ended(101, kExited);
  world->settle();
  EXPECT_EQ(world->data("state"), "waiting");
  world->agent->job_ended(102, kExited);
  world->settle();
  EXPECT_EQ(world->data("state"), "ready");
  world->agent->devices_changed();
  world->settle();
  EXPECT_EQ(world->storage.log.size(), 2U) << "nothing is done twice";
}

TEST_F(DisksTest, AMountThatFailsIsAFailureWithWords) {
  config.block.mounts = {{"/dev/nvme0n1p1", "/srv", "ext4"}};
  start();
  add_disk();
  world->agent->job_ended(101, kFailed);
  world->settle();
  EXPECT_EQ(world->data("state"), "failed");
  EXPECT_EQ(world->data("message"),
            "/dev/nvme0n1p1 could not be mounted at /srv: Invalid argument");
}

TEST_F(DisksTest, AStopLosesNothing) {
  config.block.volumes = true;
  config.block.mounts = {{"/dev/nvme0n1p1", "/srv", "ext4"}, {"/dev/nvme0n1p2", "/srv/x", "ext4"}};
  start();
  add_disk();
  for (const int job : {101, 102, 103}) world->agent->job_ended(job, kExited);
  world->storage.add_file("/srv/a");
  serve(kOne, "/srv/a");
  world->storage.log.clear();
  world->agent->stop();
  EXPECT_EQ(world->data("state"), "stopping");
  EXPECT_THAT(world->storage.log,
              ElementsAre("unbind 3-51728", "flush /dev/loop0", "detach /dev/loop0",
                          "unmount /srv/x", "unmount /srv", "volumes off"));
  EXPECT_EQ(status(kOne), "connected") << "the guest is not told that its disk closes";
}

}  // namespace
}  // namespace pciassign::agent::test
