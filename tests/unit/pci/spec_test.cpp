// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "pciassign/address.hpp"

namespace pciassign {
namespace {

TEST(Spec, ReadsEveryForm) {
  struct Row {
    const char *text, *canonical;
  };
  for (const auto& row :
       {Row{"03:00.0", "0000:03:00.0"}, Row{"0000:03:00.0@1f", "0000:03:00.0,vslot=1f"},
        Row{"bdf=03:00.0,permissive=yes", "0000:03:00.0,permissive=1"},
        Row{"03:00.*,vslot=4", "0000:03:00.*,vslot=4"},
        Row{"03:00.0, seize = on , power_mgmt=true", "0000:03:00.0,seize=1,power_mgmt=1"},
        Row{"03:00.0,rdm_policy=relaxed,msitranslate=1",
            "0000:03:00.0,msitranslate=1,rdm_policy=relaxed"},
        Row{"name=nic0,seize=0", "name=nic0"},
        Row{"03:00.0,allow=no-reset+no-iommu", "0000:03:00.0,allow=no-reset+no-iommu"},
        Row{"03:00.0,reset=bus", "0000:03:00.0,reset=bus"},
        Row{"03:00.0,reset=required", "0000:03:00.0"},
        Row{"03:00.0,id=8086:10d3:020000,path=pci0000:00/1c.0/00.0",
            "0000:03:00.0,id=8086:10d3:020000,path=pci0000:00/1c.0/00.0"},
        Row{"03:00.0,serial=00-1b-21-ff-ff-8c-9a-10",
            "0000:03:00.0,serial=00-1b-21-ff-ff-8c-9a-10"},
        Row{"03,1a,1", "0000:03:1a.1"}, Row{"0x3,0x0,0x0", "0000:03:00.0"},
        Row{"(device (pci (dev (domain 0x0) (bus 0x3) (slot 0x1a) (func 0x1))))", "0000:03:1a.1"},
        Row{"(device (pci (dev (bus 3) (slot 0) (func 0))))", "0000:03:00.0"}}) {
    auto spec = DeviceSpec::parse(row.text);
    ASSERT_TRUE(spec) << row.text << ": " << spec.error().message;
    EXPECT_EQ(spec->str(), row.canonical);
  }
}

TEST(Spec, WhatIsWrongIsAUsageErrorThatSaysWhy) {
  struct Row {
    const char *text, *says;
  };
  for (const auto& row :
       {Row{"", "not a PCI address"},
        Row{"03:00.0,", "empty part"},
        Row{"03:00.0,colour=red", "unknown key \"colour\""},
        Row{"03:00.0,permissive=maybe", "neither yes nor no"},
        Row{"03:00.0,permissive=1,permissive=1", "\"permissive\" is given twice"},
        Row{"03:00.0@4,vslot=5", "\"vslot\" is given twice"},
        Row{"03:00.0@20", "virtual slot \"20\""},
        Row{"03:00.0,bdf=04:00.0", "\"bdf\" is given twice"},
        Row{"03:00.0,name=x", "both"},
        Row{"permissive=1", "names no device"},
        Row{"name=", "not a device name"},
        Row{"03:00.0,rdm_policy=loose", "rdm_policy=\"loose\""},
        Row{"03:00.0,seize", "key=value"},
        Row{"03:00.0,allow=No Reset", "is not a word"},
        Row{"03:00.0,reset=hard", "reset=\"hard\""},
        Row{"03:00.0,id=8086", "VENDOR:DEVICE"},
        Row{"03:00.0,id=8086:10dx", "VENDOR:DEVICE"},
        Row{"03:00.0,id=8086:10d3:2", "VENDOR:DEVICE"},
        Row{"03:00.0,serial=1", "not a serial number"},
        Row{"03:00.0,path=/sys/x", "not a path"},
        Row{"03:00.*,id=8086:10d3", "pins many functions"},
        Row{"03,20,0", "up to ffff, ff, 1f"},
        Row{"(device (vif (bus 1)))", "not the form"},
        Row{"(device (pci))", "\"bus\" is missing"},
        Row{"(device (pci (bus 3) (dev 26)))", "\"func\" is missing"},
        Row{"(device (pci (bus 3) (dev 1a) (func 0)))", "hexadecimal with 0x"},
        Row{"(device (pci (bus 3) (dev 32) (func 0)))", "up to ffff, ff, 1f"},
        Row{"(device (pci (bus 3) (dev 2) (func 0) (slot 2)))", "unknown field \"slot\""},
        Row{"(device (pci (bus 3) (dev 2) (func 0)))(", "brackets"},
        Row{"(device (pci (dev (bus 3) (slot 0))))", "\"func\" is missing"},
        Row{"(device (pci (dev (bus 3) (slot 0) (func 0)))", "brackets"},
        Row{"(device (pci (dev (bus x) (slot 0) (func 0))))", "hexadecimal"},
        Row{"(device (pci (dev (cpu 3) (slot 0) (func 0))))", "unknown field \"cpu\""}}) {
    auto spec = DeviceSpec::parse(row.text);
    ASSERT_FALSE(spec) << row.text;
    EXPECT_EQ(spec.error().kind, ErrorKind::usage);
    EXPECT_NE(spec.error().message.find(row.says), std::string::npos)
        << row.text << " -> " << spec.error().message;
    EXPECT_FALSE(spec.error().hint.empty()) << row.text;
  }
}

TEST(Spec, NumbersInBracketsAreReadAsXendReadThem) {
  for (const auto& [text, address] : std::vector<std::pair<std::string, std::string>>{
           {"(device (pci (bus 3) (dev 26) (func 1)))", "0000:03:1a.1"},
           {"(device (pci (bus 0x3) (dev 0x1a) (func 0X1)))", "0000:03:1a.1"},
           {" ( device(pci(func 1)(dev 26)(bus 16)) ) ", "0000:10:1a.1"},
           {"(device (pci (dev (bus 10) (slot 1a) (func 1))))", "0000:10:1a.1"},
           {"(device (pci (dev (domain 0x1) (bus 0x3) (slot 0x1a) (func 0x1))))",
            "0001:03:1a.1"}}) {
    const auto spec = DeviceSpec::parse(text);
    ASSERT_TRUE(spec) << text << ": " << spec.error().message;
    EXPECT_EQ(spec->sbdf.str(), address) << text;
  }
}

TEST(Spec, OldFormsOfAnyAddressAreReadAsItWasWritten) {
  EXPECT_TRUE(rc::check([] {
    const Sbdf sbdf{0, *rc::gen::arbitrary<std::uint8_t>(), *rc::gen::inRange<std::uint8_t>(0, 32),
                    *rc::gen::inRange<std::uint8_t>(0, 8)};
    for (const auto& text :
         {fmt::format("{:02x},{:02x},{:02x}", sbdf.bus, sbdf.device, sbdf.function),
          fmt::format("(device (pci (bus {}) (dev {:#x}) (func {})))", sbdf.bus, sbdf.device,
                      sbdf.function),
          fmt::format("(device (pci (dev (domain 0x0) (bus {:#x}) (slot {:#x}) (func {:#x}))))",
                      sbdf.bus, sbdf.device, sbdf.function)}) {
      const auto read = DeviceSpec::parse(text);
      RC_ASSERT(read.has_value());
      RC_ASSERT(read->sbdf == sbdf);
    }
  }));
}

TEST(Spec, DefaultsHoldUnlessTheSpecificationSaysOtherwise) {
  AssignOptions defaults;
  defaults.permissive = defaults.seize = true;
  auto spec = DeviceSpec::parse("03:00.0,seize=0", defaults);
  ASSERT_TRUE(spec);
  EXPECT_TRUE(spec->options.permissive);
  EXPECT_FALSE(spec->options.seize);
}

TEST(Spec, PrintingAndReadingAreInverse) {
  EXPECT_TRUE(rc::check([] {
    DeviceSpec spec;
    spec.sbdf = {*rc::gen::arbitrary<std::uint16_t>(), *rc::gen::arbitrary<std::uint8_t>(),
                 *rc::gen::inRange<std::uint8_t>(0, 32), *rc::gen::inRange<std::uint8_t>(0, 8)};
    spec.all_functions = *rc::gen::arbitrary<bool>();
    if (spec.all_functions) spec.sbdf.function = 0;
    if (*rc::gen::arbitrary<bool>()) spec.options.vslot = *rc::gen::inRange<std::uint8_t>(0, 32);
    spec.options.permissive = *rc::gen::arbitrary<bool>();
    spec.options.msitranslate = *rc::gen::arbitrary<bool>();
    spec.options.seize = *rc::gen::arbitrary<bool>();
    spec.options.power_mgmt = *rc::gen::arbitrary<bool>();
    spec.options.rdm_policy = *rc::gen::arbitrary<bool>() ? RdmPolicy::strict : RdmPolicy::relaxed;
    spec.options.reset = *rc::gen::element(ResetPolicy::required, ResetPolicy::bus,
                                           ResetPolicy::best_effort, ResetPolicy::none);
    if (!spec.all_functions && *rc::gen::arbitrary<bool>()) {
      auto& expected = spec.options.expected;
      expected.vendor = *rc::gen::arbitrary<std::uint16_t>();
      expected.device = *rc::gen::arbitrary<std::uint16_t>();
      if (*rc::gen::arbitrary<bool>()) expected.class_code = *rc::gen::inRange(0U, 0x1000000U);
      if (*rc::gen::arbitrary<bool>()) expected.serial = "00-1b-21-ff-ff-8c-9a-10";
      if (*rc::gen::arbitrary<bool>()) expected.path = "pci0000:00/1c.0/00.0";
    }
    if (*rc::gen::arbitrary<bool>()) spec.options.allow = {"no-reset", "no-iommu"};
    auto again = DeviceSpec::parse(spec.str());
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == spec);
  }));
}

TEST(Spec, NoTextCrashesTheReader) {
  EXPECT_TRUE(rc::check([](const std::string& text) { (void)DeviceSpec::parse(text); }));
  EXPECT_TRUE(rc::check([] {
    const auto text =
        *rc::gen::container<std::string>(rc::gen::elementOf(std::string("0:.,=@(*) fbdx")));
    (void)DeviceSpec::parse(text);
  }));
}

}  // namespace
}  // namespace pciassign
