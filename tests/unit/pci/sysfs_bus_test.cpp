// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "pci/files.hpp"
#include "pci/tree.hpp"
#include "pciassign/pci_bus.hpp"

namespace pciassign::test {
namespace {

// The kernel gives such a list in pieces of less than a page; what stands at its end counts, too.
TEST(Files, AListOfProcfsIsReadToItsEnd) {
  const auto maps = detail::read_to_end("/proc/self/maps");
  ASSERT_TRUE(maps);
  EXPECT_GT(maps->size(), 4096U);
  EXPECT_NE(maps->find("[stack]"), std::string::npos);
}

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kResource =
    "0x00000000fe840000 0x00000000fe85ffff 0x0000000000040200\n"
    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
    "0x000000000000c000 0x000000000000c01f 0x0000000000040101\n";

struct SysfsBus : testing::Test {
  Tree tree;
  fs::path nic =
      tree.device("pci0000:00/0000:00:1c.0/0000:02:00.0", "0x8086", "0x10d3", config_82574());
  std::unique_ptr<PciBus> bus = make_sysfs_pci_bus(tree.sys().string());
  Sbdf sbdf{0, 2, 0, 0};

  void SetUp() override {
    tree.file(nic / "resource", kResource);
    tree.file(nic / "reset", "");
  }
};

TEST_F(SysfsBus, ReadsADevice) {
  tree.file(nic / "reset_method", "flr bus\n");
  tree.driver(nic, "e1000e");
  auto device = bus->device(sbdf);
  ASSERT_TRUE(device);
  EXPECT_EQ(device->vendor, 0x8086);
  EXPECT_EQ(device->device, 0x10d3);
  EXPECT_EQ(device->class_code, 0x020000U);
  EXPECT_EQ(device->irq, 20);
  EXPECT_EQ(device->regions.size(), 2U);
  EXPECT_EQ(device->driver, "e1000e");
  EXPECT_THAT(device->reset_methods, ElementsAre("flr", "bus"));
  EXPECT_EQ(device->parent_bus, "pci0000:00");
  EXPECT_THAT(device->path, ElementsAre(Sbdf{0, 0, 0x1c, 0}));
  EXPECT_THAT(device->in_use, IsEmpty());
  EXPECT_NE(device->name.find("82574L"), std::string::npos) << device->name;
}

TEST_F(SysfsBus, ADeviceThatNobodyKnowsHasNoName) {
  auto config = config_82574();
  config.replace(0, 4, bytes("f0 ff f1 ff", 4));
  const auto odd = tree.device("pci0000:00/0000:00:07.0", "0xfff0", "0xfff1", config);
  EXPECT_EQ(bus->device({0, 0, 7, 0})->name, "");
  config.replace(0, 2, bytes("86 80", 2));
  tree.file(odd / "config", config);
  EXPECT_EQ(bus->device({0, 0, 7, 0})->name, "Intel Corporation");
}

TEST_F(SysfsBus, NamesAreLookedUpOnSeveralThreads) {
  // As in the daemon: a reset looks at its device on the worker while a client lists them all.
  for (int round = 0; round < 5; ++round) {
    const auto fresh = make_sysfs_pci_bus(tree.sys().string());
    std::atomic<int> waiting{4};
    std::atomic<int> named{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        --waiting;
        while (waiting > 0) std::this_thread::yield();
        const auto device = fresh->device(sbdf);
        if (device && device->name.find("82574L") != std::string::npos) ++named;
      });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(named, 4);
  }
}

TEST_F(SysfsBus, WithoutResetMethodFileTheCapabilitiesTell) {
  EXPECT_THAT(bus->device(sbdf)->reset_methods, ElementsAre("flr"));
  fs::remove(nic / "reset");
  EXPECT_THAT(bus->device(sbdf)->reset_methods, IsEmpty());
}

TEST_F(SysfsBus, ListsAllSortedByAddress) {
  tree.device("pci0000:00/0000:00:03.0", "0x8086", "0x100e", config_82574());
  auto list = bus->devices();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 2U);
  EXPECT_EQ(list->front().sbdf.str(), "0000:00:03.0");
}

TEST_F(SysfsBus, AnAbsentDeviceIsNotFound) {
  auto device = bus->device({0, 9, 0, 0});
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().kind, ErrorKind::not_found);
  EXPECT_EQ(bus->read_config({0, 9, 0, 0}, 0, 2).error().kind, ErrorKind::not_found);
  EXPECT_EQ(bus->bind_pciback({0, 9, 0, 0}).error().kind, ErrorKind::not_found);
}

TEST_F(SysfsBus, WithoutABusItIsUnavailable) {
  Tree empty;
  fs::remove_all(empty.sys());
  auto list = make_sysfs_pci_bus(empty.sys().string())->devices();
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().kind, ErrorKind::unavailable);
}

TEST_F(SysfsBus, TheKernelKnowsWhatAVirtualFunctionIs) {
  auto config = config_82574();
  config.replace(0, 4, bytes("ff ff ff ff", 4));
  tree.device("pci0000:00/0000:00:07.0", "0x8086", "0x10ca", config);
  EXPECT_EQ(bus->device({0, 0, 7, 0})->device, 0x10ca);
}

TEST_F(SysfsBus, KnowsTheVirtualFunctionsParent) {
  tree.link(nic / "physfn", "../0000:01:00.0");
  EXPECT_EQ(bus->device(sbdf)->physfn, (Sbdf{0, 1, 0, 0}));
}

TEST_F(SysfsBus, AMountedDiskThroughDeviceMapperIsInUse) {
  const auto disk = nic / "ata1/block/sda";
  tree.file(disk / "dev", "8:0\n");
  tree.file(disk / "sda1/dev", "8:1\n");
  tree.file(disk / "sda1/holders/dm-0", "");
  const auto mapped = tree.sys() / "devices/virtual/block/dm-0";
  tree.file(mapped / "dev", "254:0\n");
  tree.link(tree.sys() / "class/block/sda", disk);
  tree.link(tree.sys() / "class/block/sda1", disk / "sda1");
  tree.link(tree.sys() / "class/block/dm-0", mapped);
  tree.file(tree.proc() / "self/mountinfo",
            "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/mapper/root rw\n");
  EXPECT_THAT(bus->device(sbdf)->in_use, ElementsAre("mounted on /"));
}

TEST_F(SysfsBus, WhatOnlyDom0sFirstProcessHasMountedIsInUse) {
  // A service that systemd started does not see what is below /home with ProtectHome=yes.
  const auto disk = nic / "nvme/nvme0/nvme0n1";
  tree.file(disk / "dev", "259:0\n");
  tree.link(tree.sys() / "class/block/nvme0n1", disk);
  tree.file(tree.proc() / "1/mountinfo", "30 1 259:0 / /home rw - ext4 /dev/nvme0n1 rw\n");
  EXPECT_THAT(bus->device(sbdf)->in_use, ElementsAre("mounted on /home"));
  tree.file(tree.proc() / "self/mountinfo", "30 1 259:0 / /mnt rw - ext4 /dev/nvme0n1 rw\n");
  EXPECT_THAT(bus->device(sbdf)->in_use, ElementsAre("mounted on /home", "mounted on /mnt"));
  fs::remove(tree.proc() / "1/mountinfo");
  EXPECT_THAT(bus->device(sbdf)->in_use, ElementsAre("mounted on /mnt"));
}

TEST_F(SysfsBus, SwapIsInUse) {
  const auto disk = nic / "nvme/nvme0/nvme0n1";
  tree.file(disk / "dev", "259:0\n");
  tree.link(tree.sys() / "class/block/nvme0n1", disk);
  tree.file(tree.proc() / "swaps",
            "Filename Type Size Used Priority\n/dev/nvme0n1 partition 1 0 -2\n");
  EXPECT_THAT(bus->device(sbdf)->in_use, ElementsAre("swap on /dev/nvme0n1"));
}

TEST_F(SysfsBus, TheDefaultRouteIsInUseAlsoThroughABridge) {
  tree.file(nic / "net/eth0/ifindex", "2");
  tree.link(tree.sys() / "class/net/eth0", nic / "net/eth0");
  const std::string head =
      "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n";
  tree.file(tree.proc() / "net/route", head + "eth0 00000000 0202000A 0003 0 0 0 00000000 0 0 0\n" +
                                           "eth0 0002000A 00000000 0001 0 0 0 00FFFFFF 0 0 0\n");
  EXPECT_THAT(bus->device(sbdf)->in_use, ElementsAre("default route through eth0"));
  tree.file(tree.proc() / "net/route",
            head + "xenbr0 00000000 0202000A 0003 0 0 0 00000000 0 0 0\n");
  EXPECT_THAT(bus->device(sbdf)->in_use, IsEmpty());
  tree.link(nic / "net/eth0/master", "../../../../virtual/net/xenbr0");
  EXPECT_THAT(bus->device(sbdf)->in_use, ElementsAre("default route through xenbr0"));
}

}  // namespace
}  // namespace pciassign::test
