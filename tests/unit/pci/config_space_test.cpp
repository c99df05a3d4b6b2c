// SPDX-License-Identifier: GPL-2.0-or-later
#include "pci/config_space.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "pci/sysfs_device.hpp"
#include "pci/tree.hpp"

namespace pciassign::detail {
namespace {

using test::bytes;
using test::config_82574;

TEST(ConfigSpace, FindsTheCapabilitiesOfA82574) {
  const auto facts = read_config_facts(config_82574());
  EXPECT_EQ(facts.header_type, 0);
  EXPECT_FALSE(facts.multifunction);
  EXPECT_EQ(facts.interrupt_pin, 1);
  EXPECT_TRUE(facts.msi);
  EXPECT_TRUE(facts.msix);
  EXPECT_FALSE(facts.interrupt_is_msi);
  EXPECT_EQ(facts.pcie_type, 0);
  EXPECT_TRUE(facts.flr);
  EXPECT_FALSE(facts.pm_reset);
}

TEST(ConfigSpace, SeesThatMsiXIsOn) {
  auto space = config_82574();
  space[0xa3] = static_cast<char>(0x80);
  EXPECT_TRUE(read_config_facts(space).interrupt_is_msi);
}

TEST(ConfigSpace, ALoopInTheListEnds) {
  auto space = config_82574();
  space[0xa1] = static_cast<char>(0xc8);
  EXPECT_TRUE(read_config_facts(space).msix);
}

TEST(ConfigSpace, TheFirst64BytesAloneAreNoError) {
  const auto facts = read_config_facts(config_82574().substr(0, 64));
  EXPECT_EQ(facts.interrupt_pin, 1);
  EXPECT_FALSE(facts.msi);
  EXPECT_EQ(read_config_facts("").header_type, 0);
}

TEST(ConfigSpace, FindsAcsAmongTheExtendedCapabilities) {
  auto space = config_82574();
  space.resize(4096, '\0');
  space.replace(0x100, 4, bytes("01 00 01 14", 4));  // AER, next 140
  space.replace(0x140, 4, bytes("0d 00 01 18", 4));  // ACS, next 180
  space.replace(0x144, 4, bytes("5f 00 1d 00", 4));  // all of it on that isolates
  space.replace(0x180, 12, bytes("03 00 01 00 10 9a 8c ff ff 21 1b 00", 12));
  EXPECT_TRUE(read_config_facts(space).acs);
  EXPECT_EQ(read_config_facts(space).serial, "00-1b-21-ff-ff-8c-9a-10");
}

TEST(ConfigSpace, AcsCountsWhenItIsSwitchedOn) {
  auto space = config_82574();
  space.resize(4096, '\0');
  space.replace(0x100, 4, bytes("0d 00 01 00", 4));
  space.replace(0x104, 4, bytes("1d 00 19 00", 4));  // no request redirect
  EXPECT_FALSE(read_config_facts(space).acs);
  space.replace(0x104, 4, bytes("19 00 19 00", 4));  // which it cannot switch: it is wired on
  EXPECT_TRUE(read_config_facts(space).acs);
}

TEST(ConfigSpace, NoContentCrashes) {
  EXPECT_TRUE(rc::check([](const std::string& content) { (void)read_config_facts(content); }));
}

TEST(ResetMethods, WithoutTheKernelsListTheyAreDeduced) {
  ConfigFacts facts;
  EXPECT_TRUE(reset_methods_from(facts, false).empty());
  EXPECT_EQ(reset_methods_from(facts, true), std::vector<std::string>{"bus"});
  facts.flr = facts.pm_reset = true;
  EXPECT_EQ(reset_methods_from(facts, true), (std::vector<std::string>{"flr", "pm"}));
}

TEST(Resource, ReadsMemoryPortsAnd64BitBars) {
  const auto regions = parse_resource(
      "0x00000000fe840000 0x00000000fe85ffff 0x0000000000040200\n"
      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
      "0x000000000000c000 0x000000000000c01f 0x0000000000040101\n"
      "0x0000380000000000 0x0000380000003fff 0x000000000014220c\n"
      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
      "0x0000000000000000 0x0000000000000fff 0x0000000020040200\n"
      "0x00000000fe880000 0x00000000fe8bffff 0x0000000000046200\n"
      "0x00000000fe000000 0x00000000fe0fffff 0x0000000000000200\n");
  ASSERT_EQ(regions.size(), 4U);
  EXPECT_EQ(regions[0], (Region{0, 0xfe840000, 0x20000, false, false, false}));
  EXPECT_EQ(regions[1], (Region{2, 0xc000, 0x20, true, false, false}));
  EXPECT_EQ(regions[2], (Region{3, 0x380000000000, 0x4000, false, true, true}));
  EXPECT_EQ(regions[3].index, 6);
}

TEST(Resource, DamagedLinesAreNoRegions) {
  EXPECT_TRUE(parse_resource("").empty());
  EXPECT_TRUE(parse_resource("nonsense\n0x10 0x5 0x200\n").empty());
  EXPECT_TRUE(rc::check([](const std::string& text) { (void)parse_resource(text); }));
}

}  // namespace
}  // namespace pciassign::detail
