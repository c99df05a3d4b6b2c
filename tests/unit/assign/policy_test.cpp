// SPDX-License-Identifier: GPL-2.0-or-later
#include "pciassign/policy.hpp"

#include <gtest/gtest.h>

#include "assign/scene.hpp"

namespace pciassign::test {
namespace {

/// Facts in which everything is well; each test spoils one.
struct Policy : testing::Test {
  AttachFacts facts;
  sim::World world;

  void SetUp() override {
    facts.host = {4, 17, true, true};
    facts.domain = DomainInfo{};
    facts.domain->domid = kNet;
    for (const auto& sbdf : {kNic, kDisk, kSound})
      facts.all_devices.push_back(world.add_device(sbdf, 16 + sbdf.device));
    facts.wanted = {Scene::spec(kNic)};
  }
  Device& device(const Sbdf& sbdf) {
    for (auto& device : facts.all_devices)
      if (device.sbdf == sbdf) return device;
    throw std::runtime_error("no such device");
  }
  void bridge(const Sbdf& sbdf, std::optional<std::uint8_t> type, bool acs) {
    Device bridge;
    bridge.sbdf = sbdf;
    bridge.header_type = 1;
    bridge.pcie_type = type;
    bridge.acs = acs;
    facts.all_devices.push_back(bridge);
  }
  [[nodiscard]] std::string refusal() const {
    const auto error = first_refusal(judge_attach(facts));
    return error ? error->code : "";
  }
  /// Refused with `code`; turned into a warning by `word` if there is one, else not at all.
  void expect_refusal(const char* code, const std::string& word) {
    const auto findings = judge_attach(facts);
    const auto error = first_refusal(findings);
    ASSERT_TRUE(error) << code;
    EXPECT_EQ(error->code, code);
    EXPECT_FALSE(error->message.empty());
    EXPECT_FALSE(error->hint.empty());
    for (const auto& finding : findings) {
      if (finding.severity != Severity::refusal) continue;
      EXPECT_EQ(finding.accept, word) << finding.code;
    }
    for (auto& spec : facts.wanted)
      spec.options.allow = {word.empty() ? std::string("everything") : word};
    EXPECT_EQ(refusal(), word.empty() ? code : "");
  }
};

TEST_F(Policy, AllIsWell) {
  EXPECT_EQ(refusal(), "");
  for (const auto& finding : judge_attach(facts)) {
    EXPECT_EQ(finding.severity, Severity::ok) << finding.code;
    EXPECT_FALSE(finding.evidence.empty()) << finding.code;
  }
}

TEST_F(Policy, EveryCheckReportsAlsoWhenItPasses) {
  std::set<std::string> codes;
  for (const auto& finding : judge_attach(facts)) codes.insert(finding.code);
  for (const char* code :
       {"E-ABSENT", "E-NOT-ENDPOINT", "E-DOM0-USES", "E-OWNED", "E-GROUP", "E-SHARED-INTX",
        "E-SHARED-PAGE", "E-NO-RESET", "E-NO-IOMMU", "E-NO-INTREMAP", "E-NO-PASSTHROUGH",
        "E-DOMAIN-KIND", "E-DOMAIN-DYING", "E-NOT-RESERVED", "E-TOO-MANY"})
    EXPECT_TRUE(codes.contains(code)) << code;
}

TEST_F(Policy, Absent) {
  facts.wanted = {Scene::spec({0, 9, 0, 0})};
  EXPECT_EQ(first_refusal(judge_attach(facts))->kind, ErrorKind::not_found);
  expect_refusal("E-ABSENT", "");
}
TEST_F(Policy, Bridge) {
  device(kNic).header_type = 1;
  expect_refusal("E-NOT-ENDPOINT", "");
}
TEST_F(Policy, Dom0Uses) {
  device(kNic).in_use = {"mounted on /"};
  expect_refusal("E-DOM0-USES", "dom0-uses");
}
TEST_F(Policy, NotReserved) {
  device(kNic).driver = "e1000e";
  expect_refusal("E-NOT-RESERVED", "");
  facts.wanted[0].options = {};
  facts.wanted[0].options.seize = true;
  EXPECT_EQ(refusal(), "");
}
TEST_F(Policy, ModuleNotLoaded) {
  facts.pciback_present = false;
  expect_refusal("E-NOT-RESERVED", "");
}
TEST_F(Policy, OwnedByAnother) {
  facts.owners = {{kNic, kOther}};
  EXPECT_EQ(first_refusal(judge_attach(facts))->kind, ErrorKind::busy);
  expect_refusal("E-OWNED", "");
}
TEST_F(Policy, AttachedAlready) {
  facts.owners = {{kNic, kNet}};
  expect_refusal("E-OWNED", "");
}
TEST_F(Policy, NoReset) {
  device(kNic).reset_methods.clear();
  expect_refusal("E-NO-RESET", "no-reset");
}
TEST_F(Policy, NoIommuSaysWhyAndWhatToDo) {
  facts.host = {4, 17, false, false};
  facts.domain_has_passthrough = false;
  const auto error = first_refusal(judge_attach(facts));
  ASSERT_TRUE(error);
  EXPECT_NE(error->message.find("all memory"), std::string::npos);
  EXPECT_NE(error->hint.find("VT-d"), std::string::npos);
  expect_refusal("E-NO-IOMMU", "no-iommu");
}
TEST_F(Policy, NoInterruptRemapping) {
  facts.host.interrupt_remapping = false;
  expect_refusal("E-NO-INTREMAP", "no-intremap");
}
TEST_F(Policy, UnknownInterruptRemappingIsAWarning) {
  facts.host.interrupt_remapping.reset();
  EXPECT_EQ(refusal(), "");
  bool warned = false;
  for (const auto& finding : judge_attach(facts)) warned |= finding.severity == Severity::warning;
  EXPECT_TRUE(warned);
}
TEST_F(Policy, DomainWithoutPassthrough) {
  facts.domain_has_passthrough = false;
  expect_refusal("E-NO-PASSTHROUGH", "");
}
TEST_F(Policy, HvmAndPvh) {
  facts.domain->kind = DomainKind::hvm;
  expect_refusal("E-DOMAIN-KIND", "");
  facts.domain->kind = DomainKind::pvh;
  expect_refusal("E-DOMAIN-KIND", "");
}
TEST_F(Policy, DyingOrCrashed) {
  facts.domain->dying = true;
  expect_refusal("E-DOMAIN-DYING", "");
  facts.domain->dying = false;
  facts.domain->shutdown = true;
  facts.domain->shutdown_code = 3;
  expect_refusal("E-DOMAIN-DYING", "");
  facts.domain->shutdown_code = 2;  // suspended: it comes back
  EXPECT_EQ(refusal(), "");
}
TEST_F(Policy, TooMany) {
  facts.already_attached = 32;
  expect_refusal("E-TOO-MANY", "");
}
TEST_F(Policy, SharedLine) {
  device(kDisk).irq = device(kNic).irq;
  EXPECT_EQ(refusal(), "") << "nobody uses the other device";
  device(kDisk).driver = "nvme";
  expect_refusal("E-SHARED-INTX", "shared-intx");
}
TEST_F(Policy, ALineSharedWithinTheDomainIsFine) {
  device(kDisk).irq = device(kNic).irq;
  facts.wanted.push_back(Scene::spec(kDisk));
  EXPECT_EQ(refusal(), "");
}
TEST_F(Policy, SharedPage) {
  device(kDisk).regions = {
      {0, device(kNic).regions[0].start + 0x1f800, 0x100, false, false, false}};
  expect_refusal("E-SHARED-PAGE", "shared-page");
}
TEST_F(Policy, GroupBehindAConventionalBridge) {
  bridge({0, 0, 0x1e, 0}, std::nullopt, false);
  device(kNic).path = device(kDisk).path = {{0, 0, 0x1e, 0}};
  EXPECT_EQ(refusal(), "") << "the neighbour lies on pciback for nobody";
  device(kDisk).driver = "nvme";
  expect_refusal("E-GROUP", "group");
}
TEST_F(Policy, ASwitchWithAcsIsolates) {
  bridge({0, 0, 1, 0}, 6, true);
  device(kNic).path = device(kDisk).path = {{0, 0, 1, 0}};
  device(kDisk).driver = "nvme";
  EXPECT_EQ(refusal(), "");
}
TEST_F(Policy, FunctionsOfOneSlotBelongTogether) {
  auto second = device(kNic);
  second.sbdf.function = 1;
  second.driver = "e1000e";
  second.irq = 40;
  for (auto& region : second.regions) region.start += 0x20000;
  facts.all_devices.push_back(second);
  expect_refusal("E-GROUP", "group");
}
TEST_F(Policy, WhatXenSaysBelongsTogetherCounts) {
  facts.xen_groups = {{kNic, {kSound}}};
  device(kSound).driver = "snd_hda_intel";
  expect_refusal("E-GROUP", "group");
}

}  // namespace
}  // namespace pciassign::test
