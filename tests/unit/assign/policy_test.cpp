// SPDX-License-Identifier: GPL-2.0-or-later
#include "pciassign/policy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

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
  [[nodiscard]] std::string refused() const {
    const auto error = pciassign::refusal(judge_attach(facts));
    return error ? error->code : "";
  }
  /// Refused with `code`; turned into a warning by the option that the table of codes names, if
  /// there is one, else by nothing at all.
  void expect_refusal(const std::string& code) {
    const auto findings = judge_attach(facts);
    const auto error = refusal(findings);
    ASSERT_TRUE(error) << code;
    EXPECT_EQ(error->code, code);
    EXPECT_FALSE(error->message.empty());
    EXPECT_FALSE(error->hint.empty());
    const auto codes = finding_codes();
    const auto entry = std::find_if(codes.begin(), codes.end(),
                                    [&](const FindingCode& known) { return known.code == code; });
    ASSERT_NE(entry, codes.end());
    for (const auto& finding : findings) {
      if (finding.severity == Severity::refusal && finding.code == code) {
        EXPECT_EQ(finding.accept, entry->accept);
      }
    }
    const auto option = entry->accept.empty() ? "allow=everything" : std::string(entry->accept);
    for (auto& spec : facts.wanted) {
      const auto kept = spec.options;
      spec.options.allow.clear();
      auto with = DeviceSpec::parse(spec.str() + "," + option);
      ASSERT_TRUE(with) << with.error().message;
      spec = *with;
      tried_.emplace_back(&spec, kept);
    }
    EXPECT_EQ(refused(), entry->accept.empty() ? code : "");
    for (auto& [spec, options] : tried_) spec->options = options;
    tried_.clear();
  }
  const Finding& finding(const std::string& code) {
    findings_ = judge_attach(facts);
    for (const auto& finding : findings_)
      if (finding.code == code && (!finding.device || finding.device == facts.wanted[0].sbdf))
        return finding;
    throw std::runtime_error("no finding " + code);
  }
  std::vector<Finding> findings_;
  std::vector<std::pair<DeviceSpec*, AssignOptions>> tried_;
};

TEST_F(Policy, AllIsWell) {
  EXPECT_EQ(refused(), "");
  for (const auto& finding : judge_attach(facts)) {
    EXPECT_EQ(finding.severity, Severity::ok) << finding.code;
    EXPECT_FALSE(finding.evidence.empty()) << finding.code;
  }
}

TEST_F(Policy, EveryCheckReportsAlsoWhenItPasses) {
  std::set<std::string> reported;
  for (const auto& finding : judge_attach(facts)) reported.insert(finding.code);
  for (const auto& entry : finding_codes()) {
    // These have a place of their own in the table, but pass under the refusal's code.
    if (entry.code == "W-INTREMAP-UNKNOWN" || entry.code == "W-RMRR") continue;
    EXPECT_TRUE(reported.contains(std::string(entry.code))) << entry.code;
  }
}
TEST_F(Policy, AllRefusalsAreToldAtOnce) {
  facts.domain->dying = true;
  device(kNic).reset_methods.clear();
  device(kNic).in_use = {"mounted on /"};
  facts.wanted.push_back(Scene::spec({0, 9, 0, 0}));
  const auto error = refusal(judge_attach(facts));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, "E-DOMAIN-DYING");
  std::vector<std::string> others;
  for (const auto& also : error->also) others.push_back(also.code);
  EXPECT_THAT(others, testing::ElementsAre("E-DOM0-USES", "E-NO-RESET", "E-ABSENT"));
}

TEST_F(Policy, Absent) {
  facts.wanted = {Scene::spec({0, 9, 0, 0})};
  EXPECT_EQ(refusal(judge_attach(facts))->kind, ErrorKind::not_found);
  expect_refusal("E-ABSENT");
}
TEST_F(Policy, Bridge) {
  device(kNic).header_type = 1;
  expect_refusal("E-NOT-ENDPOINT");
}
TEST_F(Policy, Dom0Uses) {
  device(kNic).in_use = {"mounted on /"};
  expect_refusal("E-DOM0-USES");
}
TEST_F(Policy, NotReserved) {
  device(kNic).driver = "e1000e";
  expect_refusal("E-NOT-RESERVED");
}
TEST_F(Policy, ModuleNotLoaded) {
  facts.pciback_present = false;
  facts.wanted[0].options.seize = true;
  EXPECT_EQ(refused(), "E-NOT-RESERVED") << "nothing can be seized without it";
}
TEST_F(Policy, OwnedByAnother) {
  facts.owners = {{kNic, kOther, false}};
  EXPECT_EQ(refusal(judge_attach(facts))->kind, ErrorKind::busy);
  expect_refusal("E-OWNED");
}
TEST_F(Policy, AttachedAlready) {
  facts.owners = {{kNic, kNet, false}};
  expect_refusal("E-OWNED");
}
TEST_F(Policy, NoReset) {
  device(kNic).reset_methods.clear();
  expect_refusal("E-NO-RESET");
}
TEST_F(Policy, NoIommuSaysWhyAndWhatToDo) {
  facts.host = {4, 17, false, false};
  facts.domain_has_passthrough = false;
  const auto error = refusal(judge_attach(facts));
  ASSERT_TRUE(error);
  EXPECT_NE(error->message.find("all memory"), std::string::npos);
  EXPECT_NE(error->hint.find("VT-d"), std::string::npos);
  expect_refusal("E-NO-IOMMU");
}
TEST_F(Policy, NoInterruptRemapping) {
  facts.host.interrupt_remapping = false;
  expect_refusal("E-NO-INTREMAP");
}
TEST_F(Policy, UnknownInterruptRemappingIsAWarning) {
  facts.host.interrupt_remapping.reset();
  EXPECT_EQ(refused(), "");
  bool warned = false;
  for (const auto& finding : judge_attach(facts)) warned |= finding.severity == Severity::warning;
  EXPECT_TRUE(warned);
}
TEST_F(Policy, DomainWithoutPassthrough) {
  facts.domain_has_passthrough = false;
  expect_refusal("E-NO-PASSTHROUGH");
}
TEST_F(Policy, HvmAndPvh) {
  facts.domain->kind = DomainKind::hvm;
  expect_refusal("E-DOMAIN-KIND");
  facts.domain->kind = DomainKind::pvh;
  expect_refusal("E-DOMAIN-KIND");
}
TEST_F(Policy, DyingOrCrashed) {
  facts.domain->dying = true;
  expect_refusal("E-DOMAIN-DYING");
  facts.domain->dying = false;
  facts.domain->shutdown = true;
  facts.domain->shutdown_code = 3;
  expect_refusal("E-DOMAIN-DYING");
  facts.domain->shutdown_code = 2;  // suspended: it comes back
  EXPECT_EQ(refused(), "");
}
TEST_F(Policy, TooMany) {
  facts.already_attached = 32;
  expect_refusal("E-TOO-MANY");
}
TEST_F(Policy, SharedLine) {
  device(kDisk).irq = device(kNic).irq;
  EXPECT_EQ(refused(), "") << "nobody uses the other device";
  device(kDisk).driver = "nvme";
  expect_refusal("E-SHARED-INTX");
}
TEST_F(Policy, ALineSharedWithinTheDomainIsFine) {
  device(kDisk).irq = device(kNic).irq;
  facts.wanted.push_back(Scene::spec(kDisk));
  EXPECT_EQ(refused(), "");
}
TEST_F(Policy, SharedPage) {
  device(kDisk).regions = {
      {0, device(kNic).regions[0].start + 0x1f800, 0x100, false, false, false}};
  expect_refusal("E-SHARED-PAGE");
}
TEST_F(Policy, GroupBehindAConventionalBridge) {
  bridge({0, 0, 0x1e, 0}, std::nullopt, false);
  device(kNic).path = device(kDisk).path = {{0, 0, 0x1e, 0}};
  EXPECT_EQ(refused(), "") << "the neighbour lies on pciback for nobody";
  device(kDisk).driver = "nvme";
  expect_refusal("E-GROUP");
}
TEST_F(Policy, ASwitchWithAcsIsolates) {
  bridge({0, 0, 1, 0}, 6, true);
  device(kNic).path = device(kDisk).path = {{0, 0, 1, 0}};
  device(kDisk).driver = "nvme";
  EXPECT_EQ(refused(), "");
}
TEST_F(Policy, FunctionsOfOneSlotBelongTogether) {
  auto second = device(kNic);
  second.sbdf.function = 1;
  second.driver = "e1000e";
  second.irq = 40;
  for (auto& region : second.regions) region.start += 0x20000;
  facts.all_devices.push_back(second);
  expect_refusal("E-GROUP");
}
TEST_F(Policy, WhatXenSaysBelongsTogetherCounts) {
  facts.in_xen[kNic].group = {kSound};
  device(kSound).driver = "snd_hda_intel";
  expect_refusal("E-GROUP");
}

// --- identity

TEST_F(Policy, APinnedDeviceIsRecognised) {
  auto& expected = facts.wanted[0].options.expected;
  auto& nic = device(kNic);
  nic.serial = "00-1b-21-ff-ff-8c-9a-10";
  expected = {nic.vendor, nic.device, nic.class_code, nic.serial, nic.location()};
  EXPECT_EQ(refused(), "");
  EXPECT_EQ(finding("E-CHANGED").severity, Severity::ok);
}
TEST_F(Policy, EachDifferenceFromThePinRefuses) {
  const auto& nic = device(kNic);
  const Identity right{nic.vendor, nic.device, nic.class_code, {}, nic.location()};
  for (int part = 0; part < 5; ++part) {
    auto expected = right;
    if (part == 0) expected.vendor = 0x1234;
    if (part == 1) expected.device = 0x1234;
    if (part == 2) expected.class_code = 0x010802;
    if (part == 3) expected.serial = "00-00-00-00-00-00-00-01";
    if (part == 4) expected.path = "pci0000:00/1f.0";
    facts.wanted[0].options = {};
    facts.wanted[0].options.expected = expected;
    expect_refusal("E-CHANGED");
  }
}
TEST_F(Policy, AMovedDeviceIsFoundByItsPin) {
  device(kSound).serial = "00-1b-21-ff-ff-8c-9a-10";
  facts.wanted[0].options.expected.serial = "00-1b-21-ff-ff-8c-9a-10";
  EXPECT_NE(refusal(judge_attach(facts))->hint.find(kSound.str()), std::string::npos);
  facts.wanted[0].sbdf = {0, 9, 0, 0};
  EXPECT_EQ(refused(), "E-ABSENT");
  EXPECT_NE(refusal(judge_attach(facts))->hint.find(kSound.str()), std::string::npos);
}

// --- the platform's own

TEST_F(Policy, BridgesAndIommusOfThePlatform) {
  device(kNic).class_code = 0x060100;  // ISA bridge
  expect_refusal("E-NOT-ENDPOINT");
  device(kNic).class_code = 0x080600;  // IOMMU
  expect_refusal("E-NOT-ENDPOINT");
}

// --- owners

TEST_F(Policy, WhatXlGaveIsTakenBackWithXl) {
  facts.owners = {{kNic, kOther, true}};
  EXPECT_NE(refusal(judge_attach(facts))->hint.find("xl pci-detach 4"), std::string::npos);
  expect_refusal("E-OWNED");
}
TEST_F(Policy, WhatOnlyXenKnowsToBeTaken) {
  facts.in_xen[kNic].says = DeviceInXen::Says::taken;
  expect_refusal("E-OWNED");
}
TEST_F(Policy, UnknownToXen) {
  facts.in_xen[kNic].says = DeviceInXen::Says::unknown;
  expect_refusal("E-NOT-IN-XEN");
}

// --- reserved memory

TEST_F(Policy, ReservedMemory) {
  facts.in_xen[kNic].reserved = {{0xbf800, 0x100}};
  expect_refusal("E-RMRR");
}
TEST_F(Policy, ReservedMemoryThatIsShared) {
  device(kNic).class_code = 0x0c0330;
  facts.in_xen[kNic].reserved = {{0xbf800, 0x100}};
  facts.in_xen[kNic].reserved_with = {kSound};
  expect_refusal("E-RMRR");
}
TEST_F(Policy, LegacyReservedMemoryIsAWarning) {
  facts.in_xen[kNic].reserved = {{0xbf800, 0x100}};
  for (const std::uint32_t legacy : {0x0c0330U, 0x030000U}) {
    device(kNic).class_code = legacy;
    EXPECT_EQ(refused(), "");
    EXPECT_EQ(finding("W-RMRR").severity, Severity::warning);
  }
}

// --- reset policies

struct ResetRules : Policy {
  static constexpr Sbdf kPort{0, 0, 0x1c, 0};
  void SetUp() override {
    Policy::SetUp();
    bridge(kPort, 4, true);
    for (const auto& sbdf : {kNic, kDisk}) {
      device(sbdf).path = {kPort};
      device(sbdf).acs = true;
      device(sbdf).reset_methods.clear();
    }
    device(kPort).resets_below = true;
    facts.wanted[0].options.reset = ResetPolicy::bus;
  }
  void expect_no_reset(const char* why) {
    const auto error = refusal(judge_attach(facts));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, "E-NO-RESET");
    EXPECT_NE(error->message.find(why), std::string::npos) << error->message;
  }
};
TEST_F(ResetRules, TheBusWhenTheRestOfItIsNobodys) {
  EXPECT_EQ(refused(), "");
}
TEST_F(ResetRules, NotTheBusByItself) {
  facts.wanted[0].options.reset = ResetPolicy::required;
  expect_refusal("E-NO-RESET");
}
TEST_F(ResetRules, NotABusOnWhichDom0Works) {
  device(kDisk).driver = "nvme";
  facts.wanted[0].options.allow = {"group"};
  expect_no_reset("0000:00:05.0 (nvme)");
}
TEST_F(ResetRules, NotABusOnWhichTheSameDomainWorks) {
  facts.owners = {{kDisk, kNet, false}};
  expect_no_reset("0000:00:05.0 (domain 3)");
}
TEST_F(ResetRules, TheBusWhenAllOfItGoesAlong) {
  device(kDisk).driver = "nvme";
  facts.wanted.push_back(Scene::spec(kDisk));
  facts.wanted[1].options = facts.wanted[0].options;
  facts.wanted[1].options.seize = true;
  EXPECT_EQ(refused(), "");
}
TEST_F(ResetRules, NotARootBusAndNotWithoutTheKernel) {
  device(kPort).resets_below = false;
  expect_no_reset("cannot reset the bus");
  device(kNic).path.clear();
  expect_no_reset("root bus");
}
TEST_F(ResetRules, BestEffortAndNoneAreWarnings) {
  for (const auto policy : {ResetPolicy::best_effort, ResetPolicy::none}) {
    facts.wanted[0].options.reset = policy;
    EXPECT_EQ(refused(), "");
    EXPECT_EQ(finding("E-NO-RESET").severity, Severity::warning);
  }
  device(kNic).reset_methods = {"flr"};
  EXPECT_EQ(finding("E-NO-RESET").severity, Severity::warning) << "none means none";
  facts.wanted[0].options.reset = ResetPolicy::best_effort;
  EXPECT_EQ(finding("E-NO-RESET").severity, Severity::ok);
}

// --- isolation

TEST_F(Policy, ASwitchPortWithoutAcsMergesTheWholeSwitch) {
  bridge({0, 1, 0, 0}, 5, false);  // upstream port
  bridge({0, 2, 0, 0}, 6, false);
  bridge({0, 2, 1, 0}, 6, true);
  device(kNic).path = {{0, 1, 0, 0}, {0, 2, 0, 0}};
  device(kDisk).path = {{0, 1, 0, 0}, {0, 2, 1, 0}};
  device(kDisk).driver = "nvme";
  expect_refusal("E-GROUP");
  device({0, 2, 0, 0}).acs = true;
  facts.wanted[0].options = {};
  EXPECT_EQ(refused(), "");
}
TEST_F(Policy, RootPortsOfOneSlotWithoutAcsBelongTogether) {
  bridge({0, 0, 0x1c, 0}, 4, false);
  bridge({0, 0, 0x1c, 4}, 4, false);
  device(kNic).path = {{0, 0, 0x1c, 0}};
  device(kDisk).path = {{0, 0, 0x1c, 4}};
  device(kDisk).driver = "nvme";
  expect_refusal("E-GROUP");
  device({0, 0, 0x1c, 4}).acs = true;
  facts.wanted[0].options = {};
  EXPECT_EQ(refused(), "");
}
TEST_F(Policy, VirtualFunctionsAndTheirPhysicalOne) {
  device(kDisk).physfn = kNic;
  device(kDisk).driver = "iavf";
  expect_refusal("E-GROUP");  // whoever has the physical function rules the virtual ones
  device(kNic).driver = "ice";
  facts.wanted = {Scene::spec(kDisk)};
  facts.wanted[0].options.seize = true;
  EXPECT_EQ(refused(), "") << "dom0 keeps the physical function";
  device(kNic).driver = "pciback";
  facts.owners = {{kNic, kOther, false}};
  EXPECT_EQ(refused(), "E-GROUP") << "another domain would rule it";
}
TEST_F(Policy, PermissiveIsAWarning) {
  facts.wanted[0].options.permissive = true;
  EXPECT_EQ(refused(), "");
  EXPECT_EQ(finding("W-PERMISSIVE").severity, Severity::warning);
}

// --- the table

TEST(FindingCodes, AreUniqueAndSayWhetherTheyRefuse) {
  std::set<std::string_view> seen;
  for (const auto& entry : finding_codes()) {
    EXPECT_TRUE(seen.insert(entry.code).second) << entry.code;
    EXPECT_TRUE(entry.code.starts_with("E-") || entry.code.starts_with("W-")) << entry.code;
    EXPECT_FALSE(entry.meaning.empty()) << entry.code;
    if (entry.code.starts_with("W-")) {
      EXPECT_EQ(entry.accept, "") << entry.code;
    }
  }
}
TEST(FindingCodes, TheDocumentationHasTheSameTable) {
  std::ifstream in(FINDINGS_TABLE);
  ASSERT_TRUE(in) << FINDINGS_TABLE;
  std::vector<std::string> rows, expected;
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("| E-") || line.starts_with("| W-")) rows.push_back(line);
  for (const auto& entry : finding_codes())
    expected.push_back(fmt::format("| {} | {} | {} |", entry.code, entry.meaning,
                                   entry.accept.empty() ? "-" : fmt::format("`{}`", entry.accept)));
  EXPECT_THAT(rows, testing::ElementsAreArray(expected));
}

}  // namespace
}  // namespace pciassign::test
