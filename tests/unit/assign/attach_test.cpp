// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "assign/scene.hpp"

namespace pciassign::test {
namespace {

std::vector<std::string> ids(const Plan& plan) {
  std::vector<std::string> list;
  for (const auto& step : plan.steps) list.push_back(step.id);
  return list;
}

TEST(Attach, GrantsExactlyTheHardwareAndConnects) {
  Scene scene;
  const auto report = scene.attach({kNic, kDisk});
  ASSERT_FALSE(report.error) << report.error->message;
  EXPECT_EQ(scene.wrong_rights({kNic, kDisk}), "");
  EXPECT_EQ(scene.wrong_rights({}, kOther), "");
  EXPECT_TRUE(scene.world.guest(kNet).exported().contains(kNic));
  EXPECT_EQ(scene.world.store.tree().read("/libxl/pci/0000-00-04-0/domid"), "3");
  const auto record = *scene.world.records().find(kNic);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->phase, Phase::attached);
  EXPECT_EQ(record->gsi, 20);
  EXPECT_EQ(scene.tools.show(kNic)->state, "attached");
  EXPECT_EQ(scene.tools.show(kNic)->virtual_slot, "0000:00:00.00");
}

TEST(Attach, GoesInTheOrderOfTheDesignAndSaysFigures) {
  Scene scene;
  auto plan = scene.plan_attach({kNic});
  ASSERT_TRUE(plan);
  EXPECT_EQ(ids(*plan),
            (std::vector<std::string>{"journal", "claim", "identity", "quarantine", "reset",
                                      "assign", "iomem", "ioports", "iomem", "interrupt",
                                      "former-channel", "publish", "wait-connected", "done"}));
  EXPECT_EQ(plan->title, "attach 0000:00:04.0 to net (domain 3)");
  EXPECT_EQ(plan->steps[6].words, "grant I/O memory fe400-fe41f (BAR 0) of 0000:00:04.0");
  EXPECT_EQ(plan->steps[7].words, "grant I/O ports c400-c41f (BAR 2) of 0000:00:04.0");
  EXPECT_EQ(plan->steps[8].words, "grant I/O memory 380000400-380000403 (BAR 3) of 0000:00:04.0");
  EXPECT_EQ(plan->steps[9].words, "map GSI 20 of 0000:00:04.0 for domain 3 and grant it");
  EXPECT_EQ(plan->undo_command, "pciassign detach net 0000:00:04.0");
}

TEST(Attach, APlanChangesNothing) {
  Scene scene;
  const auto before = scene.world.store.tree().dump();
  ASSERT_TRUE(scene.plan_attach({kNic}));
  EXPECT_EQ(scene.world.store.tree().dump(), before);
  EXPECT_EQ(scene.leftovers({kNic}), "");
}

TEST(Attach, ColdIsCompleteBeforeTheFirstInstruction) {
  Scene scene;
  scene.world.xen.all[kNet].info.paused = true;
  const auto report = scene.attach({kNic, kDisk}, AttachMode::cold);
  ASSERT_FALSE(report.error) << report.error->message;
  EXPECT_EQ(scene.wrong_rights({kNic, kDisk}), "");
  EXPECT_EQ(scene.world.store.tree().read("/local/domain/3/device/pci/0/state"), "1");
}

TEST(Attach, SeizesFromDom0WhenAskedAndGivesBackOnFailure) {
  for (const bool fails : {false, true}) {
    Scene scene;
    scene.world.pci.all[kNic].facts.driver = "e1000e";
    scene.world.pci.all[kNic].facts.interrupt_is_msi = true;  // the driver used MSI: irq lies
    scene.world.pci.all[kNic].command = 7;
    if (fails) scene.world.guest(kNet).front = sim::FrontMode::silent;
    auto spec = Scene::spec(kNic);
    spec.options.seize = true;
    const auto report = scene.run(scene.tools.plan_attach(kNet, {spec}, AttachMode::hot));
    EXPECT_EQ(report.error.has_value(), fails);
    EXPECT_EQ(scene.world.pci.all[kNic].facts.driver, fails ? "e1000e" : "pciback");
    if (!fails) {
      EXPECT_EQ(scene.wrong_rights({kNic}), "");
      continue;
    }
    EXPECT_EQ(report.error->kind, ErrorKind::timed_out);
    EXPECT_EQ(scene.leftovers({kNic}), "");
    EXPECT_EQ(scene.world.xen.devices[kNic].owner, kDom0);
  }
}

TEST(Attach, AMisbehavingDeviceIsRefusedAfterReset) {
  const auto expect = [](auto change, const char* says) {
    Scene scene;
    change(scene.world.pci.all[kNic]);
    const auto report = scene.attach({kNic});
    ASSERT_TRUE(report.error);
    EXPECT_NE(report.error->message.find(says), std::string::npos) << report.error->message;
    EXPECT_FALSE(*scene.world.records().find(kNic));
    EXPECT_FALSE(scene.world.xen.all[kNet].has_rights());
  };
  expect([](sim::BusDevice& d) { d.reset_fails = true; }, "reset");
  expect([](sim::BusDevice& d) { d.dead_after_reset = true; },
         "does not answer after reset by flr");
  expect([](sim::BusDevice& d) { d.command = 4, d.bus_master_sticks = true; }, "bus master on");
}

TEST(Attach, AFailingBackEndSaysWhy) {
  Scene scene;
  scene.world.guest(kNet).back = sim::BackMode::fails;
  const auto report = scene.attach({kNic});
  ASSERT_TRUE(report.error);
  EXPECT_NE(report.error->message.find("22 cannot export"), std::string::npos)
      << report.error->message;
  EXPECT_EQ(scene.leftovers({kNic}), "");
}

TEST(Attach, XlThatClaimsItMeanwhileWins) {
  Scene scene;
  auto plan = scene.plan_attach({kNic});
  ASSERT_TRUE(plan);
  scene.world.store.put("/libxl/pci/0000-00-04-0/domid", "4");
  const auto report = scene.world.run(std::move(*plan));
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->kind, ErrorKind::busy);
  EXPECT_EQ(report.error->code, "E-OWNED");
  EXPECT_EQ(scene.world.store.tree().read("/libxl/pci/0000-00-04-0/domid"), "4");
  EXPECT_FALSE(*scene.world.records().find(kNic));
}

TEST(Attach, TwoPlansForOneDeviceCannotBothWin) {
  Scene scene;
  auto first = scene.plan_attach({kNic});
  auto second = scene.plan_attach({kNic}, AttachMode::hot, kOther);
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(scene.world.run(std::move(*first)).error);
  const auto report = scene.world.run(std::move(*second));
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->kind, ErrorKind::busy);
  EXPECT_EQ(scene.wrong_rights({kNic}), "");
}

TEST(Attach, AMarkerOfADestroyedDomainIsNobodys) {
  Scene scene;
  scene.world.store.put("/libxl/pci/0000-00-04-0/domid", "99");
  EXPECT_FALSE(scene.attach({kNic}).error);
  EXPECT_EQ(scene.world.store.tree().read("/libxl/pci/0000-00-04-0/domid"), "3");
}

TEST(Attach, ADeviceUnpluggedInTheMiddleIsUndone) {
  Scene scene;
  auto plan = scene.plan_attach({kNic});
  ASSERT_TRUE(plan);
  scene.world.pci.all.erase(kNic);
  const auto report = scene.world.run(std::move(*plan));
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->kind, ErrorKind::not_found);
  EXPECT_FALSE(*scene.world.records().find(kNic));
}

TEST(Attach, CancelUndoes) {
  Scene scene(sim::FrontMode::silent);
  auto plan = scene.plan_attach({kNic});
  ASSERT_TRUE(plan);
  Execution execution(std::move(*plan), scene.world.ports());
  while (execution.next() == Execution::Next::run) execution.perform();
  ASSERT_EQ(execution.next(), Execution::Next::wait);
  EXPECT_NE(scene.leftovers({kNic}), "");
  execution.cancel({ErrorKind::failed, {}, "interrupted", {}, 0});
  while (execution.next() == Execution::Next::run) execution.perform();
  EXPECT_EQ(execution.next(), Execution::Next::finished);
  ASSERT_TRUE(execution.report().error);
  EXPECT_EQ(scene.leftovers({kNic}), "");
}

TEST(Attach, WithoutAnIommuItIsRefusedUnlessAcceptedAloud) {
  Scene scene;
  scene.world.xen.host_info.iommu = false;
  auto plan = scene.plan_attach({kNic});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, "E-NO-IOMMU");
  EXPECT_EQ(plan.error().kind, ErrorKind::refused);
  auto spec = Scene::spec(kNic);
  spec.options.allow = {"no-iommu"};
  const auto report = scene.run(scene.tools.plan_attach(kNet, {spec}, AttachMode::hot));
  EXPECT_FALSE(report.error) << report.error->message;
  EXPECT_FALSE(scene.detach({kNic}).error);
  EXPECT_FALSE(scene.world.xen.all[kNet].has_rights());
}

TEST(Attach, PermissiveEndsWithTheAttachmentsPlan) {
  Scene scene;
  auto spec = Scene::spec(kNic);
  spec.options.permissive = true;
  ASSERT_FALSE(scene.run(scene.tools.plan_attach(kNet, {spec}, AttachMode::hot)).error);
  EXPECT_TRUE(scene.world.pci.all[kNic].permissive);
}

TEST(Attach, WaitsUntilDom0HasLetGoOfAFormerChannel) {
  Scene scene;
  int asked = 0;
  scene.world.pci.backend_lingers = [&](DomId domid) {
    // Nodes that came back before it was gone would not be noticed at all.
    EXPECT_FALSE(scene.world.store.tree().has("/local/domain/0/backend/pci/3/0"));
    return domid == kNet && ++asked < 4;
  };
  EXPECT_FALSE(scene.attach({kNic}, AttachMode::cold).error);
  EXPECT_EQ(asked, 4);
  EXPECT_FALSE(scene.attach({kDisk}).error);
  EXPECT_EQ(asked, 4) << "the channel is there";
}

TEST(Attach, AFormerChannelThatStaysIsAFailure) {
  Scene scene;
  scene.world.pci.backend_lingers = [](DomId) { return true; };
  const auto report = scene.attach({kNic});
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->kind, ErrorKind::timed_out);
  EXPECT_NE(report.error->message.find("former channel"), std::string::npos);
  EXPECT_EQ(scene.leftovers({kNic}), "");
}

TEST(Attach, APirqThatMeansAnotherLineIsMappedAnew) {
  Scene scene;
  auto& domain = scene.world.xen.all[kNet];
  domain.pirqs[20] = 55;  // left by somebody's failed attach
  domain.irqs.insert(55);
  EXPECT_FALSE(scene.attach({kNic}).error);
  EXPECT_EQ(domain.pirqs[20], 20);
  EXPECT_EQ(scene.wrong_rights({kNic}), "");
}

TEST(Attach, ALineThatIsMappedElsewhereIsNoticed) {
  Scene scene;
  auto& domain = scene.world.xen.all[kNet];
  domain.pirqs[33] = 20;
  const auto report = scene.attach({kNic});
  ASSERT_TRUE(report.error);
  EXPECT_NE(report.error->message.find("GSI 20 mapped to another pirq"), std::string::npos)
      << report.error->message;
  EXPECT_EQ(domain.pirqs, (std::map<int, int>{{33, 20}}));
  EXPECT_TRUE(report.undo_errors.empty());
}

TEST(Attach, ALineThatASiblingUsesIsLeftMapped) {
  Scene scene;
  scene.world.pci.all[kDisk].facts.irq = 20;
  ASSERT_FALSE(scene.attach({kNic}).error);
  const auto before = scene.world.faults.log().size();
  ASSERT_FALSE(scene.attach({kDisk}).error);
  const auto& log = scene.world.faults.log();
  EXPECT_EQ(
      std::count(log.begin() + static_cast<std::ptrdiff_t>(before), log.end(), "xen.unmap_pirq"),
      0);
}

TEST(Attach, AnotherDeviceAtTheAddressIsNoticedBeforeAnythingIsGranted) {
  for (int part = 0; part < 3; ++part) {
    Scene scene;
    auto plan = scene.plan_attach({kNic});
    ASSERT_TRUE(plan);
    auto& facts = scene.world.pci.all[kNic].facts;
    if (part == 0) facts.serial = "00-00-00-00-00-00-00-01";
    if (part == 1) facts.class_code = 0x010802;
    if (part == 2) facts.path = {{0, 0, 1, 0}};
    const auto report = scene.world.run(std::move(*plan));
    ASSERT_TRUE(report.error);
    EXPECT_EQ(report.error->code, "E-CHANGED");
    EXPECT_EQ(scene.leftovers({kNic}), "");
  }
}

TEST(Attach, AStaleMarkOfAReusedDomidIsNobodys) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.destroy(kNet);
  // The journal is lost, and the number comes back.
  ASSERT_TRUE(scene.world.records().erase(kNic));
  scene.world.add_domain(kNet, "another");
  ASSERT_EQ(scene.world.store.tree().read("/libxl/pci/0000-00-04-0/domid"), "3");
  EXPECT_FALSE(scene.attach({kNic}, AttachMode::hot, kOther).error);
  EXPECT_EQ(scene.wrong_rights({kNic}, kOther), "");
}

TEST(Attach, AMarkThatXlWroteOverOursCounts) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.destroy(kNet);
  ASSERT_TRUE(scene.world.records().erase(kNic));
  scene.world.add_domain(kNet, "another");
  scene.world.store.put("/local/domain/0/backend/pci/3/0/num_devs", "1");
  scene.world.store.put("/local/domain/0/backend/pci/3/0/dev-0", kNic.str());
  const auto report = scene.attach({kNic}, AttachMode::hot, kOther);
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->code, "E-OWNED");
}

struct BusReset : testing::Test {
  static constexpr Sbdf kBridge{0, 0, 0x1c, 0};
  Scene scene;
  void SetUp() override {
    auto& port = scene.world.pci.all[kBridge].facts;
    port.sbdf = kBridge;
    port.header_type = 1;
    port.pcie_type = 4;
    port.acs = port.resets_below = true;
    for (const auto& sbdf : {kNic, kDisk}) {
      auto& facts = scene.world.pci.all[sbdf].facts;
      facts.path = {kBridge};
      facts.reset_methods.clear();
    }
  }
  Result<Plan> plan(const std::vector<Sbdf>& devices, ResetPolicy policy = ResetPolicy::bus) {
    std::vector<DeviceSpec> specs;
    for (const auto& device : devices) {
      specs.push_back(Scene::spec(device));
      specs.back().options.reset = policy;
    }
    return scene.tools.plan_attach(kNet, specs, AttachMode::hot);
  }
  [[nodiscard]] int resets(const Sbdf& device) { return scene.world.pci.all[device].resets; }
};
TEST_F(BusReset, AllThatGoesAlongIsResetTogether) {
  EXPECT_FALSE(scene.run(plan({kNic, kDisk})).error);
  EXPECT_GT(resets(kNic), 0);
  const auto before = resets(kDisk);
  EXPECT_FALSE(scene.detach({kNic, kDisk}).error);
  EXPECT_GT(resets(kDisk), before);
  EXPECT_EQ(scene.leftovers({kNic, kDisk}), "");
}
TEST_F(BusReset, NotUnderADeviceThatStays) {
  ASSERT_FALSE(scene.run(plan({kNic, kDisk})).error);
  const auto before = resets(kDisk);
  EXPECT_FALSE(scene.detach({kNic}).error) << "it waits in quarantine for the next reset";
  EXPECT_EQ(resets(kDisk), before);
  EXPECT_EQ(scene.run(plan({kNic})).error->code, "E-NO-RESET");
}
TEST_F(BusReset, BestEffortAndNoneGoWithout) {
  for (const auto policy : {ResetPolicy::best_effort, ResetPolicy::none}) {
    EXPECT_FALSE(scene.run(plan({kNic}, policy)).error);
    EXPECT_EQ(resets(kNic), 0);
    EXPECT_FALSE(scene.detach({kNic}).error);
  }
}
TEST_F(BusReset, BestEffortForgivesAResetThatFails) {
  auto& device = scene.world.pci.all[kNic];
  device.facts.reset_methods = {"flr"};
  device.reset_fails = true;
  EXPECT_TRUE(scene.run(plan({kNic}, ResetPolicy::required)).error);
  EXPECT_FALSE(scene.run(plan({kNic}, ResetPolicy::best_effort)).error);
}

}  // namespace
}  // namespace pciassign::test
