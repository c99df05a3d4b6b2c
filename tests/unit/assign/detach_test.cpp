// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <algorithm>

#include "assign/scene.hpp"

namespace pciassign::test {
namespace {

std::size_t position(const std::vector<std::string>& log, const std::string& call,
                     std::size_t from) {
  return static_cast<std::size_t>(
      std::find(log.begin() + static_cast<std::ptrdiff_t>(from), log.end(), call) - log.begin());
}

TEST(Detach, LeavesNothing) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic, kDisk}).error);
  const auto report = scene.detach({kNic, kDisk});
  ASSERT_FALSE(report.error) << report.error->message;
  EXPECT_EQ(scene.leftovers({kNic, kDisk}), "");
  EXPECT_EQ(scene.world.xen.devices[kNic].owner, kDomIo);
  EXPECT_EQ(scene.tools.show(kNic)->state, "reserved");
}

TEST(Detach, TellsTheGuestBeforeItTakesAnythingAway) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  const auto from = scene.world.faults.calls();
  ASSERT_FALSE(scene.detach({kNic}).error);
  const auto& log = scene.world.faults.log();
  const auto told = position(log, "store.commit", from),
             unmapped = position(log, "xen.unmap_pirq", from),
             revoked = position(log, "xen.iomem_permission", from),
             reset = position(log, "pci.reset", from), taken = position(log, "xen.deassign", from),
             forgotten = position(log, "journal.erase", from);
  EXPECT_LT(told, unmapped);
  EXPECT_LT(unmapped, revoked);
  EXPECT_LT(revoked, reset);
  EXPECT_LT(reset, taken);
  EXPECT_LT(taken, forgotten);
  EXPECT_LT(forgotten, log.size());
}

TEST(Detach, UnmapsTheRecordedGsiAlthoughSysfsShowsAnMsi) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.pci.all[kNic].facts.irq = 131;
  scene.world.pci.all[kNic].facts.interrupt_is_msi = true;
  ASSERT_FALSE(scene.detach({kNic}).error);
  EXPECT_TRUE(scene.world.xen.all[kNet].pirqs.empty());
}

TEST(Detach, ASilentGuestLosesItsDeviceAfterTheLimit) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.guest(kNet).front = sim::FrontMode::goes_silent;
  const auto start = scene.world.clock.now();
  const auto report = scene.detach({kNic});
  EXPECT_FALSE(report.error) << report.error->message;
  EXPECT_EQ(scene.world.clock.now() - start, scene.settings.detach_limit);
  EXPECT_EQ(scene.leftovers({kNic}), "");
  const auto told = std::find_if(report.steps.begin(), report.steps.end(),
                                 [](const StepReport& step) { return step.id == "tell-guest"; });
  ASSERT_TRUE(told != report.steps.end() && told->error);
  EXPECT_EQ(told->error->kind, ErrorKind::timed_out);
}

TEST(Detach, ASilentGuestKeepsOnlyWhatStays) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic, kDisk}).error);
  scene.world.guest(kNet).front = sim::FrontMode::goes_silent;
  ASSERT_FALSE(scene.detach({kNic}).error);
  EXPECT_EQ(scene.wrong_rights({kDisk}), "");
  EXPECT_FALSE(scene.world.guest(kNet).exported().contains(kNic));
  EXPECT_EQ(scene.world.store.tree().read("/local/domain/0/backend/pci/3/0/state"), "4");
}

TEST(Detach, ADeadGuestIsNotWaitedFor) {
  for (const bool crashes_when_told : {false, true}) {
    Scene scene;
    ASSERT_FALSE(scene.attach({kNic}).error);
    if (crashes_when_told)
      scene.world.guest(kNet).front = sim::FrontMode::dies_when_told;
    else
      scene.world.crash(kNet);
    const auto start = scene.world.clock.now();
    EXPECT_FALSE(scene.detach({kNic}).error);
    EXPECT_EQ(scene.world.clock.now(), start);
    EXPECT_EQ(scene.leftovers({kNic}), "");
  }
}

TEST(Detach, AnUnansweredAttachIsToldToo) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  // pciback still works on another change when the detach comes.
  scene.world.guest(kNet).front = sim::FrontMode::goes_silent;
  scene.world.store.put("/local/domain/0/backend/pci/3/0/state", "7");
  EXPECT_FALSE(scene.detach({kNic}).error);
  EXPECT_EQ(scene.leftovers({kNic}), "");
}

TEST(Detach, ASharedGsiAndPageStayWithTheDeviceThatStays) {
  Scene scene;
  auto& disk = scene.world.pci.all[kDisk].facts;
  disk.irq = 20;
  disk.regions = {{0, 0xfe41f800, 0x800, false, false, false}};
  ASSERT_FALSE(scene.attach({kNic, kDisk}).error);
  ASSERT_FALSE(scene.detach({kNic}).error);
  EXPECT_EQ(scene.wrong_rights({kDisk}), "");
  ASSERT_FALSE(scene.detach({kDisk}).error);
  EXPECT_EQ(scene.leftovers({kNic, kDisk}), "");
}

TEST(Detach, AGuestThatWritesToXenstoreAllTheTimeKeepsNothing) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic, kDisk}).error);
  scene.world.store.hammering = kNet;
  for (const auto& device : {kNic, kDisk}) {
    const auto report = scene.detach({device});
    EXPECT_FALSE(report.error) << report.error->message;
    EXPECT_FALSE(*scene.world.records().find(device));
  }
  EXPECT_EQ(scene.leftovers({kNic, kDisk}), "");
}

TEST(Detach, AResetThatFailsIsNotedAndTheDeviceStaysInQuarantine) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.pci.all[kNic].reset_fails = true;
  const auto report = scene.detach({kNic});
  EXPECT_FALSE(report.error);
  EXPECT_EQ(scene.world.xen.devices[kNic].owner, kDomIo);
  EXPECT_FALSE(*scene.world.records().find(kNic));
  EXPECT_TRUE(scene.attach({kNic}).error) << "the next attach must not pass on an unreset device";
}

TEST(Detach, WhatIsNotAttachedIsNotFound) {
  Scene scene;
  auto plan = scene.tools.plan_detach(kNet, {kNic});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind, ErrorKind::not_found);
  ASSERT_FALSE(scene.attach({kNic}).error);
  EXPECT_EQ(scene.tools.plan_detach(kOther, {kNic}).error().kind, ErrorKind::not_found);
  EXPECT_EQ(scene.tools.plan_detach(77, {kNic}).error().kind, ErrorKind::not_found);
}

TEST(Detach, WhatXlAttachedIsLeftToXl) {
  Scene scene;
  scene.world.store.put("/local/domain/0/backend/pci/3/0/num_devs", "1");
  scene.world.store.put("/local/domain/0/backend/pci/3/0/dev-0", "0000:00:04.0");
  scene.world.store.put("/libxl/pci/0000-00-04-0/domid", "3");
  auto plan = scene.tools.plan_detach(kNet, {kNic});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind, ErrorKind::refused);
  EXPECT_EQ(scene.tools.show(kNic)->state, "attached by libxl");
  EXPECT_EQ(scene.plan_attach({kNic}, AttachMode::hot, kOther).error().code, "E-OWNED");
}

TEST(Detach, WhatADeviceFromXlNeedsStaysGranted) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  // xl gave the sound card to the same domain: same line, and a BAR in the NIC's first page.
  auto& sound = scene.world.pci.all[kSound].facts;
  const auto nic = scene.world.pci.all[kNic].facts;
  sound.irq = nic.irq;
  sound.regions = {{0, nic.regions[0].start + 0x800, 0x100, false, false, false}};
  auto& store = scene.world.store;
  const std::string back = "/local/domain/0/backend/pci/3/0";
  store.put(back + "/num_devs", "2");
  store.put(back + "/dev-1", kSound.str());
  store.put(back + "/state-1", "3");
  EXPECT_FALSE(scene.detach({kNic}).error);
  const auto& domain = scene.world.xen.all[kNet];
  EXPECT_EQ(domain.frames, (std::set<std::uint64_t>{nic.regions[0].first_frame()}));
  EXPECT_EQ(domain.irqs, (std::set<int>{nic.irq}));
  EXPECT_TRUE(domain.pirqs.contains(nic.irq));
}

}  // namespace
}  // namespace pciassign::test
