// SPDX-License-Identifier: GPL-2.0-or-later
// No step touches a device that a driver of dom0's has, or that is another one than the recorded,
// in whatever phase the record is and however the plan came about.
#include <gtest/gtest.h>

#include <algorithm>

#include "assign/scene.hpp"

namespace pciassign::test {
namespace {

/// What may not happen to a device that is not ours.
const std::set<std::string> kTouches = {"pci.reset",    "pci.reset_below", "pci.bind",
                                        "pci.unbind",   "pci.permissive",  "xen.assign",
                                        "xen.deassign", "xen.map_gsi"};

std::vector<std::string> touches_since(Scene& scene, std::size_t from) {
  std::vector<std::string> found;
  const auto& log = scene.world.faults.log();
  std::copy_if(log.begin() + static_cast<std::ptrdiff_t>(from), log.end(),
               std::back_inserter(found),
               [](const std::string& call) { return kTouches.contains(call); });
  return found;
}

enum class Loss { driver, id, device_class, place, serial };

struct Case {
  const char* name;
  Loss loss;
  Phase phase;
};

void lose(Scene& scene, Loss loss) {
  auto& device = scene.world.pci.all[kNic];
  switch (loss) {
    case Loss::driver:
      device.facts.driver = "nvme";
      device.command = 0x0006;
      break;
    case Loss::id:
      device.facts.device = 0x1533;
      break;
    case Loss::device_class:
      device.facts.class_code = 0x010802;
      break;
    case Loss::place:
      device.facts.path = {{0, 0, 1, 0}};
      break;
    case Loss::serial:
      device.facts.serial = "00-00-00-00-00-00-00-01";
      break;
  }
}

struct HandsOff : testing::TestWithParam<Case> {
  /// An attachment in the phase of the case, and then the loss.
  void set_up(Scene& scene) {
    ASSERT_FALSE(scene.attach({kNic}).error);
    auto record = **scene.world.records().find(kNic);
    record.phase = GetParam().phase;
    ASSERT_TRUE(scene.world.records().put(record));
  }
};

TEST_P(HandsOff, ACleanUpOfADomainThatIsGoneTouchesNothingAndForgets) {
  Scene scene;
  set_up(scene);
  scene.world.destroy(kNet);
  lose(scene, GetParam().loss);
  scene.world.xen.devices[kNic].owner = kDom0;
  const auto command = scene.world.pci.all[kNic].command;
  const auto from = scene.world.faults.calls();
  scene.reconcile();
  EXPECT_EQ(touches_since(scene, from), std::vector<std::string>{});
  EXPECT_EQ(scene.world.xen.devices[kNic].owner, kDom0);
  EXPECT_EQ(scene.world.pci.all[kNic].command, command);
  EXPECT_FALSE(*scene.world.records().find(kNic));
  EXPECT_FALSE(scene.world.store.tree().has("/libxl/pci/0000-00-04-0"));
}

TEST_P(HandsOff, ACleanUpThatFindsOutInItsMiddleTouchesNothingMore) {
  std::size_t total = 0;
  {
    Scene scene;
    set_up(scene);
    scene.world.destroy(kNet);
    auto plans = scene.tools.reconcile({});
    ASSERT_TRUE(plans);
    total = plans->front().steps.size();
  }
  for (std::size_t at = 0; at < total; ++at) {
    Scene scene;
    set_up(scene);
    scene.world.destroy(kNet);
    auto plans = scene.tools.reconcile({});
    ASSERT_TRUE(plans);
    std::size_t from = 0;
    auto& step = plans->front().steps[at];
    step.run = [&, run = step.run](Ports& p) {
      const auto done = run(p);
      lose(scene, GetParam().loss);
      from = scene.world.faults.calls();
      return done;
    };
    (void)scene.world.run(plans->front());
    EXPECT_EQ(touches_since(scene, from), std::vector<std::string>{}) << step.id;
    EXPECT_EQ(scene.world.pci.all[kNic].disturbed, 0);
  }
}

TEST_P(HandsOff, ADetachFromADomainThatLivesTakesItsRightsAndKeepsTheRecordOfWhatXenStillHas) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  lose(scene, GetParam().loss);
  const auto from = scene.world.faults.calls();
  const auto report = scene.detach({kNic});
  EXPECT_EQ(touches_since(scene, from), std::vector<std::string>{});
  EXPECT_FALSE(scene.world.xen.all[kNet].has_rights()) << "the domain's, not the device's";
  ASSERT_TRUE(report.error);
  EXPECT_FALSE(report.error->message.empty());
  EXPECT_EQ(scene.world.xen.devices[kNic].owner, kNet);
  EXPECT_TRUE(*scene.world.records().find(kNic)) << "or nobody would know";
}

INSTANTIATE_TEST_SUITE_P(Kinds, HandsOff,
                         testing::Values(Case{"driver_attaching", Loss::driver, Phase::attaching},
                                         Case{"driver_attached", Loss::driver, Phase::attached},
                                         Case{"driver_detaching", Loss::driver, Phase::detaching},
                                         Case{"id_attached", Loss::id, Phase::attached},
                                         Case{"class_attaching", Loss::device_class,
                                              Phase::attaching},
                                         Case{"place_detaching", Loss::place, Phase::detaching},
                                         Case{"serial_attached", Loss::serial, Phase::attached}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(HandsOff, ADetachIsFinishedOnceTheDriverHasLetGo) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  lose(scene, Loss::driver);
  ASSERT_TRUE(scene.detach({kNic}).error);
  scene.world.pci.all[kNic].facts.driver.clear();
  scene.reconcile();
  EXPECT_EQ(scene.leftovers({kNic}), "");
  EXPECT_EQ(scene.world.xen.devices[kNic].owner, kDomIo);
}

TEST(HandsOff, AnAttachTouchesNothingAfterItsDeviceWentToADriverOfDom0) {
  std::size_t total = 0;
  {
    Scene scene;
    total = scene.plan_attach({kNic})->steps.size();
  }
  for (std::size_t at = 0; at + 1 < total; ++at) {
    Scene scene;
    auto plan = scene.plan_attach({kNic});
    ASSERT_TRUE(plan);
    std::size_t from = 0;
    auto& step = plan->steps[at];
    const auto id = step.id;
    step.run = [&, run = step.run](Ports& p) {
      const auto done = run(p);
      lose(scene, Loss::driver);
      from = scene.world.faults.calls();
      return done;
    };
    (void)scene.world.run(std::move(*plan));
    EXPECT_EQ(touches_since(scene, from), std::vector<std::string>{}) << "after " << id;
    EXPECT_EQ(scene.world.pci.all[kNic].facts.driver, "nvme") << "after " << id;
  }
}

TEST(HandsOff, ADeviceIsSeizedOnlyFromTheDriverThatItWasPlannedFor) {
  Scene scene;
  auto& facts = scene.world.pci.all[kNic].facts;
  facts.driver = "e1000e";
  auto spec = Scene::spec(kNic);
  spec.options.seize = true;
  auto attach = scene.tools.plan_attach(kNet, {spec}, AttachMode::hot);
  auto reserve = scene.tools.plan_reserve(kNic);
  ASSERT_TRUE(attach && reserve);
  facts.driver = "nvme";
  for (auto* plan : {&*attach, &*reserve}) {
    const auto report = scene.world.run(std::move(*plan));
    ASSERT_TRUE(report.error);
    EXPECT_EQ(report.error->code, "E-NOT-RESERVED");
    EXPECT_EQ(facts.driver, "nvme");
  }
  EXPECT_EQ(scene.leftovers({kNic}), "");
}

TEST(HandsOff, WhatDom0BeganToUseAfterThePlanWasMadeIsNotSeized) {
  Scene scene;
  auto& facts = scene.world.pci.all[kNic].facts;
  facts.driver = "nvme";
  auto spec = Scene::spec(kNic);
  spec.options.seize = true;
  auto attach = scene.tools.plan_attach(kNet, {spec}, AttachMode::hot);
  auto reserve = scene.tools.plan_reserve(kNic);
  ASSERT_TRUE(attach && reserve);
  facts.in_use = {"mounted on /srv"};
  for (auto* plan : {&*attach, &*reserve}) {
    const auto report = scene.world.run(std::move(*plan));
    ASSERT_TRUE(report.error);
    EXPECT_EQ(report.error->code, "E-DOM0-USES");
    EXPECT_EQ(facts.driver, "nvme");
    EXPECT_EQ(scene.world.xen.devices[kNic].owner, kDom0);
  }
}

TEST(HandsOff, AReleaseAndAResetTouchOnlyWhatIsOnPciback) {
  using Make = Result<Plan> (Toolstack::*)(const Sbdf&);
  for (const Make make : {Make{&Toolstack::plan_release}, Make{&Toolstack::plan_reset}}) {
    for (const auto loss : {Loss::driver, Loss::id}) {
      Scene scene;
      scene.world.xen.devices[kNic].owner = kDomIo;
      auto plan = (scene.tools.*make)(kNic);
      ASSERT_TRUE(plan);
      lose(scene, loss);
      const auto from = scene.world.faults.calls();
      EXPECT_TRUE(scene.world.run(std::move(*plan)).error);
      EXPECT_EQ(touches_since(scene, from), std::vector<std::string>{});
    }
  }
}

TEST(HandsOff, ADeadDeviceIsStillTheRecordedOne) {
  Scene scene;
  scene.world.pci.all[kNic].facts.serial = "00-00-00-00-00-00-00-01";
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.pci.all[kNic].facts.serial.clear();
  scene.world.pci.all[kNic].dead_after_reset = true;
  scene.world.destroy(kNet);
  scene.world.xen.devices[kNic].owner = kDom0;
  scene.reconcile();
  EXPECT_EQ(scene.world.xen.devices[kNic].owner, kDomIo);
}

}  // namespace
}  // namespace pciassign::test
