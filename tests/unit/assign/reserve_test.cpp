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

/// Kills the process in each call of what `work` does, in a scene that `prepare` has made; a
/// restart has to bring the device to `driver`, or leave it wholly reserved.
void kill_everywhere(const std::string& driver, const std::function<void(Scene&)>& prepare,
                     const std::function<PlanReport(Scene&)>& work) {
  for (const auto when : {sim::When::before, sim::When::after})
    for (std::size_t n = 1;; ++n) {
      Scene fresh;
      fresh.world.pci.all[kNic].facts.driver = driver;
      prepare(fresh);
      fresh.world.faults.kill_nth(n, when);
      bool killed = false;
      try {
        ASSERT_FALSE(work(fresh).error);
      } catch (const sim::Killed&) {
        killed = true;
      }
      if (!killed) {
        EXPECT_GT(n, 4U);
        break;
      }
      SCOPED_TRACE(fmt::format("killed in call {} ({})", n, fresh.world.faults.log().back()));
      fresh.world.faults.clear();
      fresh.reconcile();
      const auto& now = fresh.world.pci.all[kNic].facts.driver;
      const bool reserved = now == "pciback";
      const auto& tree = fresh.world.store.tree();
      EXPECT_FALSE(tree.has("/libxl/pci/0000-00-04-0/pciassign-changing"));
      if (reserved) {
        EXPECT_EQ(fresh.world.xen.devices[kNic].owner, kDomIo);
        EXPECT_EQ(tree.has("/libxl/pci/0000-00-04-0/driver_path"), !driver.empty());
      } else {
        EXPECT_EQ(now, driver);
        EXPECT_EQ(fresh.world.xen.devices[kNic].owner, kDom0);
        EXPECT_FALSE(tree.has("/libxl/pci/0000-00-04-0"));
      }
      if (testing::Test::HasFailure()) return;
    }
}

PlanReport reserve(Scene& scene) {
  return scene.run(scene.tools.plan_reserve(kNic));
}

PlanReport release(Scene& scene) {
  return scene.run(scene.tools.plan_release(kNic));
}

TEST_F(Reserve, KilledAtAnyInstantARestartConverges) {
  kill_everywhere(
      "e1000e", [](Scene&) {}, reserve);
}

TEST_F(Reserve, OfADeviceWithoutADriverKilledAtAnyInstantConverges) {
  kill_everywhere(
      "", [](Scene&) {}, reserve);
}

TEST_F(Reserve, ReleaseKilledAtAnyInstantConverges) {
  kill_everywhere(
      "e1000e", [](Scene& s) { ASSERT_FALSE(reserve(s).error); }, release);
}

TEST_F(Reserve, KilledBetweenTwoDriversItComesHome) {
  ASSERT_FALSE(reserve(scene).error);
  auto plan = scene.tools.plan_release(kNic);
  ASSERT_TRUE(plan);
  scene.world.faults.kill_nth(2, sim::When::after);  // The mark is written.
  EXPECT_THROW((void)scene.world.run(std::move(*plan)), sim::Killed);
  scene.world.faults.clear();
  scene.world.pci.all[kNic].facts.driver.clear();  // What "unbind" leaves half-way.
  scene.reconcile();
  EXPECT_EQ(scene.world.pci.all[kNic].facts.driver, "e1000e");
  EXPECT_EQ(scene.world.xen.devices[kNic].owner, kDom0);
  EXPECT_FALSE(scene.world.store.tree().has("/libxl/pci/0000-00-04-0"));
}

TEST_F(Reserve, AnInterruptedReleaseOfWhatXlGaveAwaySinceIsForgotten) {
  ASSERT_FALSE(reserve(scene).error);
  auto& tree = scene.world.store.tree();
  tree.write("/libxl/pci/0000-00-04-0/pciassign-changing", "1");
  tree.write("/libxl/pci/0000-00-04-0/domid", std::to_string(kOther));
  scene.reconcile();
  EXPECT_FALSE(tree.has("/libxl/pci/0000-00-04-0/pciassign-changing"));
  EXPECT_TRUE(tree.has("/libxl/pci/0000-00-04-0/driver_path"));
  EXPECT_EQ(scene.world.pci.all[kNic].facts.driver, "pciback");
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
