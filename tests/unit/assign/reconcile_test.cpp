// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "assign/nodes.hpp"
#include "assign/scene.hpp"

namespace pciassign::test {
namespace {

DeviceSpec nic() {
  DeviceSpec spec;
  spec.sbdf = kNic;
  return spec;
}

TEST(Reconcile, AHealthyAttachmentIsLeftAlone) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic, kDisk}).error);
  auto plans = scene.tools.reconcile({});
  ASSERT_TRUE(plans);
  EXPECT_TRUE(plans->empty());
}

TEST(Reconcile, ACrashedDomainIsCleanedUpNodesFirst) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic, kDisk}).error);
  scene.world.crash(kNet);
  auto plans = scene.tools.reconcile({});
  ASSERT_TRUE(plans);
  ASSERT_EQ(plans->size(), 1U);
  const auto& plan = plans->front();
  EXPECT_EQ(plan.kind, PlanKind::cleanup);
  // xl destroy waits ten seconds for each device that it still finds listed; and it dies of an
  // entry that goes while it reads the list.
  EXPECT_EQ(plan.steps[0].id, "hide");
  EXPECT_EQ(plan.steps[3].id, "former-list");
  EXPECT_EQ(plan.steps[4].id, "withdraw");
  const auto start = scene.world.clock.now();
  EXPECT_FALSE(scene.world.run(plan).error);
  EXPECT_EQ(scene.world.clock.now() - start, std::chrono::milliseconds(100));
  EXPECT_EQ(scene.leftovers({kNic, kDisk}), "");
  EXPECT_EQ(scene.world.xen.devices[kNic].owner, kDomIo);
}

TEST(Reconcile, LibxlMayReadTheListOfACrashedDomainToItsEnd) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic, kDisk}).error);
  scene.world.crash(kNet);
  auto plans = scene.tools.reconcile({});
  ASSERT_TRUE(plans);
  Execution execution(plans->front(), scene.world.ports());
  while (execution.next() != Execution::Next::wait) execution.perform();
  EXPECT_EQ(execution.current().id, "former-list");
  const auto nodes = scene.world.store.tree().dump(detail::backend_path(kNet));
  const auto node = [&](const char* name) { return nodes.at(detail::backend_path(kNet) + name); };
  EXPECT_EQ(node("/num_devs"), "0");
  EXPECT_EQ(node("/dev-0"), kNic.str());
  EXPECT_EQ(node("/dev-1"), kDisk.str());
}

TEST(Reconcile, AFenceAndItsSuccessorResetADeviceOnce) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.crash(kNet);
  auto fence = scene.tools.plan_fence(kNet);
  ASSERT_TRUE(fence);
  ASSERT_FALSE(scene.world.run(*fence).error);
  const auto ids_of_next_attach = [&] {
    auto plan = scene.tools.plan_attach(kOther, {nic()}, AttachMode::hot);
    std::set<std::string> ids;
    if (plan)
      for (const auto& step : plan->steps) ids.insert(step.id);
    return ids;
  };
  const auto first = ids_of_next_attach();
  EXPECT_TRUE(first.contains("verify"));
  EXPECT_FALSE(first.contains("reset"));
  const auto second = ids_of_next_attach();
  EXPECT_TRUE(second.contains("reset")) << "only what follows at once";
  EXPECT_FALSE(second.contains("verify"));
}

TEST(Reconcile, AFenceOfLongAgoSparesNoReset) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.crash(kNet);
  ASSERT_FALSE(scene.world.run(*scene.tools.plan_fence(kNet)).error);
  scene.world.clock.to(scene.world.clock.now() + std::chrono::seconds(2));
  auto plan = scene.tools.plan_attach(kOther, {nic()}, AttachMode::hot);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(std::any_of(plan->steps.begin(), plan->steps.end(),
                          [](const Step& step) { return step.id == "reset"; }));
}

TEST(Reconcile, ADestroyedDomainsDevicesAreReusable) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.destroy(kNet);
  scene.reconcile();
  EXPECT_EQ(scene.leftovers({kNic}), "");
  EXPECT_FALSE(scene.attach({kNic}, AttachMode::hot, kOther).error);
  EXPECT_EQ(scene.wrong_rights({kNic}, kOther), "");
}

TEST(Reconcile, WhatComesBackOfADomainThatIsGoneIsRemoved) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  const std::string above = "/local/domain/0/backend/pci";
  for (const char* left : {"/99/0/num_devs", "/3/0/untouched", "/other/0/num_devs"})
    scene.world.store.put(above + left, "1");
  scene.reconcile();
  const auto& tree = scene.world.store.tree();
  EXPECT_FALSE(tree.read(above + "/99/0/num_devs"));
  EXPECT_FALSE(tree.read(above + "/99"));
  EXPECT_TRUE(tree.read(above + "/3/0/untouched")) << "a domain that lives";
  EXPECT_TRUE(tree.read(above + "/other/0/num_devs")) << "not ours to judge";
}

TEST(Reconcile, AReusedDomidKeepsItsRightsAndNodes) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.destroy(kNet);
  scene.world.add_domain(kNet, "another");
  auto& rights = scene.world.xen.all[kNet].frames;
  rights = {0xfe400};
  scene.world.store.put("/local/domain/0/backend/pci/3/0/num_devs", "1");
  scene.world.store.put("/local/domain/0/backend/pci/3/0/dev-0", "0000:00:06.0");
  scene.reconcile();
  EXPECT_EQ(rights, (std::set<std::uint64_t>{0xfe400}));
  EXPECT_EQ(scene.world.store.tree().read("/local/domain/0/backend/pci/3/0/num_devs"), "1");
  EXPECT_FALSE(*scene.world.records().find(kNic));
}

TEST(Reconcile, WhatXlDetachedIsForgotten) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.store.drop("/local/domain/0/backend/pci/3");
  scene.world.store.drop("/local/domain/3/device/pci");
  scene.world.store.drop("/libxl/pci/0000-00-04-0/domid");
  scene.reconcile();
  EXPECT_EQ(scene.leftovers({kNic}), "");
}

TEST(Reconcile, WhatXlGaveToAnotherDomainIsNotTouched) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.store.drop("/local/domain/0/backend/pci/3");
  scene.world.store.put("/libxl/pci/0000-00-04-0/domid", "4");
  scene.world.xen.devices[kNic].owner = kOther;
  const int resets = scene.world.pci.all[kNic].resets;
  scene.reconcile();
  EXPECT_EQ(scene.world.pci.all[kNic].resets, resets);
  EXPECT_EQ(scene.world.xen.devices[kNic].owner, kOther);
  EXPECT_EQ(scene.world.store.tree().read("/libxl/pci/0000-00-04-0/domid"), "4");
  EXPECT_FALSE(scene.world.xen.all[kNet].has_rights());
  EXPECT_FALSE(*scene.world.records().find(kNic));
}

TEST(Reconcile, BusyDevicesAreLeftAlone) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic, kDisk}).error);
  scene.world.crash(kNet);
  auto plans = scene.tools.reconcile({kNic});
  ASSERT_TRUE(plans);
  ASSERT_EQ(plans->size(), 1U);
  EXPECT_EQ(plans->front().devices, std::vector<Sbdf>{kDisk});
}

TEST(Reconcile, ASeizedDeviceOfAnInterruptedAttachGoesHome) {
  Scene scene;
  scene.world.pci.all[kNic].facts.driver = "e1000e";
  auto spec = Scene::spec(kNic);
  spec.options.seize = true;
  auto plan = scene.tools.plan_attach(kNet, {spec}, AttachMode::hot);
  ASSERT_TRUE(plan);
  Execution execution(std::move(*plan), scene.world.ports());
  while (execution.current().id != "publish") execution.perform();
  scene.reconcile();  // the process that ran it is gone
  EXPECT_EQ(scene.leftovers({kNic}), "");
  EXPECT_EQ(scene.world.pci.all[kNic].facts.driver, "e1000e");
  EXPECT_EQ(scene.world.xen.devices[kNic].owner, kDom0);
}

/// An attach that seized the device and that was interrupted when the guest could use it.
std::unique_ptr<Scene> interrupted_with_seized_device() {
  auto scene = std::make_unique<Scene>();
  scene->world.pci.all[kNic].facts.driver = "e1000e";
  auto spec = Scene::spec(kNic);
  spec.options.seize = true;
  auto plan = scene->tools.plan_attach(kNet, {spec}, AttachMode::hot);
  EXPECT_TRUE(plan);
  Execution execution(std::move(*plan), scene->world.ports());
  while (execution.current().id != "wait-connected") execution.perform();
  return scene;
}

TEST(Reconcile, ASeizedDeviceThatCannotBeResetDoesNotGoToDom0) {
  auto scene = interrupted_with_seized_device();
  auto& device = scene->world.pci.all[kNic];
  device.reset_fails = true;
  auto plans = scene->tools.reconcile({});
  ASSERT_TRUE(plans && plans->size() == 1U);
  EXPECT_TRUE(scene->world.run(plans->front()).error);
  EXPECT_TRUE(device.facts.on_pciback());
  EXPECT_EQ(scene->world.xen.devices[kNic].owner, kDomIo);
  EXPECT_TRUE(*scene->world.records().find(kNic)) << "or nobody would try again";
  device.reset_fails = false;
  scene->reconcile();
  EXPECT_EQ(device.facts.driver, "e1000e");
  EXPECT_EQ(scene->leftovers({kNic}), "");
}

TEST(Reconcile, AnUndoThatCannotResetASeizedDeviceKeepsItFromDom0) {
  Scene scene(sim::FrontMode::silent);
  auto& device = scene.world.pci.all[kNic];
  device.facts.driver = "e1000e";
  auto spec = Scene::spec(kNic);
  spec.options.seize = true;
  auto plan = scene.tools.plan_attach(kNet, {spec}, AttachMode::hot);
  ASSERT_TRUE(plan);
  auto& publish = plan->steps[plan->steps.size() - 3];
  ASSERT_EQ(publish.id, "publish");
  publish.run = [run = publish.run, &device](Ports& p) {
    device.reset_fails = true;
    return run(p);
  };
  const auto report = scene.world.run(std::move(*plan));
  EXPECT_TRUE(report.error);
  EXPECT_FALSE(report.undo_errors.empty());
  EXPECT_TRUE(device.facts.on_pciback());
  EXPECT_EQ(scene.world.xen.devices[kNic].owner, kDomIo);
  device.reset_fails = false;
  scene.reconcile();
  EXPECT_EQ(device.facts.driver, "e1000e");
  EXPECT_EQ(scene.leftovers({kNic}), "");
}

TEST(Reconcile, ASeizedDeviceDoesNotGoToDom0WhileTheGuestHasRights) {
  auto calls_before = [](Scene& scene, const std::string& name) {
    auto plans = scene.tools.reconcile({});
    const auto from = scene.world.faults.calls();
    (void)scene.world.run(plans->front());
    const auto& log = scene.world.faults.log();
    const auto at = std::find(log.begin() + static_cast<std::ptrdiff_t>(from), log.end(), name);
    return static_cast<std::size_t>(at - log.begin()) - from + 1;
  };
  auto rehearsal = interrupted_with_seized_device();
  const auto call = calls_before(*rehearsal, "xen.iomem_permission");
  auto scene = interrupted_with_seized_device();
  auto plans = scene->tools.reconcile({});
  scene->world.faults.fail_nth(call);
  EXPECT_TRUE(scene->world.run(plans->front()).error);
  ASSERT_TRUE(scene->world.xen.all[kNet].has_rights());
  EXPECT_TRUE(scene->world.pci.all[kNic].facts.on_pciback());
  scene->world.faults.clear();
  scene->reconcile();
  EXPECT_EQ(scene->world.pci.all[kNic].facts.driver, "e1000e");
}

TEST(Reconcile, APausedGuestIsNotWaitedFor) {
  // Without a device, with one that it has not seen yet, and with one that it uses.
  for (const int devices : {0, 1, 2}) {
    Scene scene;
    auto& info = scene.world.xen.all[kNet].info;
    info.paused = devices != 2;
    if (devices > 0) {
      ASSERT_FALSE(scene.attach({kDisk}, AttachMode::cold).error);
    }
    info.paused = true;
    auto plan = scene.plan_attach({kNic}, AttachMode::cold);
    ASSERT_TRUE(plan);
    {
      Execution execution(std::move(*plan), scene.world.ports());
      while (execution.current().id != "wait-backend") execution.perform();
    }
    const auto start = scene.world.clock.now();
    scene.reconcile();  // the process that ran it is gone
    EXPECT_EQ(scene.world.clock.now(), start) << devices;
    EXPECT_FALSE(*scene.world.records().find(kNic));
    EXPECT_FALSE(scene.world.guest(kNet).exported().contains(kNic));
    if (devices > 0) {
      EXPECT_EQ(scene.wrong_rights({kDisk}), "") << devices;
    }
  }
}

TEST(Reconcile, AnUnpluggedDeviceIsForgotten) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.pci.all.erase(kNic);
  scene.world.xen.devices.erase(kNic);
  scene.world.crash(kNet);
  scene.reconcile();
  EXPECT_FALSE(*scene.world.records().find(kNic));
  EXPECT_FALSE(scene.world.xen.all[kNet].has_rights());
}

TEST(Reconcile, ADamagedRecordConcernsItsOwnDeviceOnly) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  ASSERT_FALSE(scene.attach({kDisk}, AttachMode::hot, kOther).error);
  scene.world.damaged_records = {kDisk};
  // The rest goes on: lists, attachments, clean-ups.
  auto list = scene.tools.list();
  ASSERT_TRUE(list);
  for (const auto& view : *list) {
    const auto& sbdf = view.device.sbdf;
    EXPECT_EQ(view.state, sbdf == kNic ? "attached" : sbdf == kDisk ? "unknown" : "reserved");
  }
  EXPECT_FALSE(scene.attach({kSound}).error);
  scene.world.destroy(kNet);
  scene.reconcile();
  EXPECT_EQ(scene.leftovers({kNic, kSound}), "");
  // The device itself is nobody's to give, to reset or to release.
  const auto refused = [](const auto& plan) {
    return !plan && plan.error().code == "E-OWNED" &&
           plan.error().message.find("0000-00-05-0.json") != std::string::npos;
  };
  EXPECT_TRUE(refused(scene.plan_attach({kDisk}, AttachMode::hot, kOther)));
  scene.world.destroy(kOther);
  scene.reconcile();
  scene.world.add_domain(8, "next");
  EXPECT_TRUE(refused(scene.plan_attach({kDisk}, AttachMode::hot, 8)));
  EXPECT_TRUE(refused(scene.tools.plan_detach(8, {kDisk})));
  EXPECT_TRUE(refused(scene.tools.plan_reserve(kDisk)));
  EXPECT_TRUE(refused(scene.tools.plan_release(kDisk)));
  EXPECT_TRUE(refused(scene.tools.plan_reset(kDisk)));
}

TEST(Reconcile, ItIsToldThatADeviceStillComesBackFromADeadDomain) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  const std::vector<DeviceSpec> specs = {Scene::spec(kDisk), Scene::spec(kNic)};
  EXPECT_FALSE(*scene.tools.awaits_clean_up(specs)) << "the domain lives";
  scene.world.destroy(kNet);
  scene.world.add_domain(kNet, "net");  // its successor has the same number
  const auto waits = scene.tools.awaits_clean_up(specs);
  ASSERT_TRUE(waits && *waits);
  EXPECT_EQ((*waits)->kind, ErrorKind::busy);
  EXPECT_FALSE(*scene.tools.awaits_clean_up({Scene::spec(kDisk)}));
  scene.reconcile();
  EXPECT_FALSE(*scene.tools.awaits_clean_up(specs));
}

TEST(Reconcile, OurMarkUnderAReusedDomidDoesNotKeepTheDeviceFromItsReset) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.destroy(kNet);
  scene.world.add_domain(kNet, "another");
  const int resets = scene.world.pci.all[kNic].resets;
  scene.reconcile();
  EXPECT_GT(scene.world.pci.all[kNic].resets, resets);
  EXPECT_FALSE(scene.world.store.tree().has("/libxl/pci/0000-00-04-0/domid"));
}

}  // namespace
}  // namespace pciassign::test
