// SPDX-License-Identifier: GPL-2.0-or-later
// What is written into sysfs, and in which state of things.
#include <gmock/gmock.h>

#include "pci/tree.hpp"
#include "pciassign/pci_bus.hpp"

namespace pciassign::test {
namespace {

struct SysfsWrite : testing::Test {
  Tree tree;
  fs::path nic = tree.device("pci0000:00/0000:00:04.0", "0x8086", "0x10d3", config_82574());
  fs::path back = tree.sys() / "bus/pci/drivers/pciback";
  std::unique_ptr<PciBus> bus = make_sysfs_pci_bus(tree.sys().string());
  Sbdf sbdf{0, 0, 4, 0};

  void load_pciback() const {
    for (const char* name : {"new_slot", "remove_slot", "bind", "unbind", "permissive", "slots"})
      tree.file(back / name, "");
  }
};

TEST_F(SysfsWrite, ReadsConfigurationSpace) {
  EXPECT_EQ(bus->read_config(sbdf, 0, 2), 0x8086U);
  EXPECT_EQ(bus->read_config(sbdf, 0, 4), 0x10d38086U);
  EXPECT_EQ(bus->read_config(sbdf, 1, 4).error().kind, ErrorKind::usage);
  EXPECT_FALSE(bus->read_config(sbdf, 0xffc, 4));
}

TEST_F(SysfsWrite, SeizingUnbindsTellsTheSlotAndBinds) {
  load_pciback();
  tree.file(tree.sys() / "bus/pci/drivers/e1000e/unbind", "");
  tree.driver(nic, "e1000e");
  ASSERT_TRUE(bus->bind_pciback(sbdf));
  EXPECT_EQ(tree.text(tree.sys() / "bus/pci/drivers/e1000e/unbind"), "0000:00:04.0");
  EXPECT_EQ(tree.text(back / "new_slot"), "0000:00:04.0");
  EXPECT_EQ(tree.text(back / "bind"), "0000:00:04.0");
}

TEST_F(SysfsWrite, SeizingWhatIsOnPcibackDoesNothing) {
  load_pciback();
  tree.driver(nic, "pciback");
  ASSERT_TRUE(bus->bind_pciback(sbdf));
  EXPECT_EQ(tree.text(back / "new_slot"), "");
}

TEST_F(SysfsWrite, AKnownSlotIsNotGivenTwice) {
  load_pciback();
  tree.file(back / "slots", "0000:00:04.0\n");
  ASSERT_TRUE(bus->bind_pciback(sbdf));
  EXPECT_EQ(tree.text(back / "new_slot"), "");
  EXPECT_EQ(tree.text(back / "bind"), "0000:00:04.0");
}

TEST_F(SysfsWrite, DeniedWritesAreSummedUpForEachDevice) {
  tree.file(back / "denied_writes",
            "0000:00:04.0 004 3 header\n0000:00:04.0 0a0 4294967295 unknown capability\n"
            "0000:03:00.1 0cc 1 pm\nnonsense\n0000:03:00.1 0d0 many pm\n");
  const auto counts = bus->denied_writes();
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->size(), 2U);
  EXPECT_EQ(counts->at(sbdf), 4294967298U);
  EXPECT_EQ(counts->at({0, 3, 0, 1}), 1U);
}

TEST_F(SysfsWrite, WithoutTheModuleNoWriteIsDenied) {
  const auto counts = bus->denied_writes();
  ASSERT_TRUE(counts);
  EXPECT_TRUE(counts->empty());
}

TEST_F(SysfsWrite, WithoutTheModuleItIsUnavailable) {
  EXPECT_FALSE(bus->pciback_present());
  auto done = bus->bind_pciback(sbdf);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::unavailable);
}

TEST_F(SysfsWrite, ReleasingUnbindsRemovesTheSlotAndBindsTheDriver) {
  load_pciback();
  tree.file(back / "slots", "0000:00:04.0\n");
  tree.driver(nic, "pciback");
  tree.file(tree.sys() / "bus/pci/drivers/e1000e/bind", "");
  ASSERT_TRUE(bus->unbind_pciback(sbdf, "e1000e"));
  EXPECT_EQ(tree.text(back / "unbind"), "0000:00:04.0");
  EXPECT_EQ(tree.text(back / "remove_slot"), "0000:00:04.0");
  EXPECT_EQ(tree.text(tree.sys() / "bus/pci/drivers/e1000e/bind"), "0000:00:04.0");
}

TEST_F(SysfsWrite, ADriverThatDom0DoesNotHaveIsNotFound) {
  load_pciback();
  // Both lead to a file "bind" that is no driver's.
  tree.file(tree.sys() / "bus/pci/drivers/bind", "");
  tree.file(tree.sys() / "bus/pci/bind", "");
  for (const char* driver : {"nosuch", "../../../etc", ".", ".."}) {
    auto done = bus->unbind_pciback(sbdf, driver);
    ASSERT_FALSE(done) << driver;
    EXPECT_EQ(done.error().kind, ErrorKind::not_found);
  }
}

TEST_F(SysfsWrite, ResetTurnsTheBusMasterOffFirst) {
  tree.file(nic / "reset", "");
  tree.file(nic / "reset_method", "flr\n");
  EXPECT_EQ(bus->read_config(sbdf, 4, 2), 0x0406U);
  EXPECT_EQ(bus->reset(sbdf), "flr");
  EXPECT_EQ(tree.text(nic / "reset"), "1");
  EXPECT_EQ(bus->read_config(sbdf, 4, 2), 0x0402U);
}

TEST_F(SysfsWrite, ResetGoesThroughPcibackWhereItCan) {
  load_pciback();
  tree.file(back / "do_flr", "");
  tree.file(nic / "reset", "");
  tree.driver(nic, "pciback");
  ASSERT_TRUE(bus->reset(sbdf));
  EXPECT_EQ(tree.text(back / "do_flr"), "0000:00:04.0");
  EXPECT_EQ(tree.text(nic / "reset"), "");
}

TEST_F(SysfsWrite, WhatADriverOfDom0HasIsNotReset) {
  load_pciback();
  tree.file(back / "do_flr", "");
  tree.file(nic / "reset", "");
  tree.driver(nic, "nvme");
  const auto done = bus->reset(sbdf);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "E-NOT-RESERVED");
  EXPECT_EQ(tree.text(nic / "reset"), "");
  EXPECT_EQ(tree.text(back / "do_flr"), "");
  EXPECT_EQ(bus->read_config(sbdf, 4, 2), 0x0406U);
}

TEST_F(SysfsWrite, WhichDeviceItIsCanBeToldWithoutWhatDom0DoesWithIt) {
  tree.driver(nic, "nvme");
  const auto whole = bus->device(sbdf), part = bus->identify(sbdf);
  ASSERT_TRUE(whole && part);
  EXPECT_EQ(part->vendor, whole->vendor);
  EXPECT_EQ(part->device, whole->device);
  EXPECT_EQ(part->driver, "nvme");
  EXPECT_EQ(part->serial, whole->serial);
  EXPECT_EQ(part->location(), whole->location());
  EXPECT_EQ(bus->identify({0, 0, 9, 0}).error().kind, ErrorKind::not_found);
}

TEST_F(SysfsWrite, WithoutAWayToResetItSaysSo) {
  auto done = bus->reset(sbdf);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "E-NO-RESET");
}

TEST_F(SysfsWrite, PermissiveIsWrittenForOneDevice) {
  load_pciback();
  ASSERT_TRUE(bus->set_permissive(sbdf));
  EXPECT_EQ(tree.text(back / "permissive"), "0000:00:04.0");
}

}  // namespace
}  // namespace pciassign::test
