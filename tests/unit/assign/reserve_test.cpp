// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "assign/scene.hpp"

namespace pciassign::test {
namespace {

struct Reserve : testing::Test {
  Scene scene;
  void SetUp() override { scene.world.pci.all[kNic].facts.driver = "e1000e"; }
};

TEST_F(Reserve, AndReleaseBringItBackToItsDriver) {
  ASSERT_FALSE(scene.run(scene.tools.plan_reserve(kNic)).error);
  EXPECT_EQ(scene.tools.show(kNic)->state, "reserved");
  EXPECT_EQ(scene.world.xen.devices[kNic].owner, kDomIo);
  EXPECT_EQ(scene.world.store.tree().read("/libxl/pci/0000-00-04-0/driver_path"),
            "/sys/bus/pci/drivers/e1000e");
  ASSERT_FALSE(scene.run(scene.tools.plan_release(kNic)).error);
  EXPECT_EQ(scene.world.pci.all[kNic].facts.driver, "e1000e");
  EXPECT_EQ(scene.world.xen.devices[kNic].owner, kDom0);
  EXPECT_FALSE(scene.world.store.tree().has("/libxl/pci/0000-00-04-0"));
}

TEST_F(Reserve, AFailureAtAnyCallLeavesItAsItWas) {
  for (std::size_t n = 1;; ++n) {
    Scene fresh;
    fresh.world.pci.all[kNic].facts.driver = "e1000e";
    fresh.world.faults.fail_nth(n);
    const auto report = fresh.run(fresh.tools.plan_reserve(kNic));
    if (n > fresh.world.faults.calls()) break;
    if (!report.error) continue;  // only the question for the group failed
    EXPECT_EQ(fresh.world.pci.all[kNic].facts.driver, "e1000e") << n;
    EXPECT_EQ(fresh.world.xen.devices[kNic].owner, kDom0) << n;
    EXPECT_FALSE(fresh.world.store.tree().has("/libxl/pci/0000-00-04-0")) << n;
  }
}

TEST_F(Reserve, RefusesWhatDom0Needs) {
  scene.world.pci.all[kNic].facts.in_use = {"default route through eth0"};
  auto plan = scene.tools.plan_reserve(kNic);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, "E-DOM0-USES");
  EXPECT_NE(plan.error().message.find("default route through eth0"), std::string::npos);
}

TEST_F(Reserve, OfADeviceHiddenAtBootOnlyQuarantinesIt) {
  ASSERT_FALSE(scene.run(scene.tools.plan_reserve(kDisk)).error);
  EXPECT_EQ(scene.world.xen.devices[kDisk].owner, kDomIo);
}

TEST_F(Reserve, ADeviceThatCannotBeResetStaysInQuarantine) {
  ASSERT_FALSE(scene.attach({kDisk}).error);
  scene.world.pci.all[kDisk].reset_fails = true;
  ASSERT_FALSE(scene.detach({kDisk}).error);
  EXPECT_TRUE(scene.run(scene.tools.plan_release(kDisk)).error);
  EXPECT_TRUE(scene.world.pci.all[kDisk].facts.on_pciback());
  EXPECT_EQ(scene.world.xen.devices[kDisk].owner, kDomIo);
}

TEST_F(Reserve, AnAttachedDeviceIsNotReleased) {
  ASSERT_FALSE(scene.attach({kDisk}).error);
  auto plan = scene.tools.plan_release(kDisk);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind, ErrorKind::busy);
}

TEST_F(Reserve, WhatWasNeverReservedIsNotReleased) {
  EXPECT_EQ(scene.tools.plan_release(kNic).error().code, "E-NOT-RESERVED");
  EXPECT_EQ(scene.tools.plan_release({0, 9, 0, 0}).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace pciassign::test
