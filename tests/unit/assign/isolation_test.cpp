// SPDX-License-Identifier: GPL-2.0-or-later
// The groups that a list shows.
#include "assign/isolation.hpp"

#include <gtest/gtest.h>

namespace pciassign::detail {
namespace {

constexpr std::uint8_t kEndpoint = 0, kRootPort = 4, kUpstream = 5, kDownstream = 6, kToPci = 7;

/// A machine in the making; devices have to come in the order of their addresses.
struct Tree {
  std::vector<Device> devices;

  Device& add(const Sbdf& sbdf, std::vector<Sbdf> path, std::optional<std::uint8_t> type,
              bool bridge = false, bool acs = false) {
    Device device;
    device.sbdf = sbdf;
    device.path = std::move(path);
    device.pcie_type = type;
    device.header_type = bridge ? 1 : 0;
    device.class_code = bridge ? 0x060400 : 0x020000;
    device.acs = acs;
    return devices.emplace_back(device);
  }
  [[nodiscard]] std::string group(const Sbdf& sbdf) const {
    const auto groups = isolation_groups(devices);
    const auto at = groups.find(sbdf);
    return at == groups.end() ? "alone" : at->second.str();
  }
};

constexpr Sbdf kPort{0, 0, 1, 0};

TEST(Isolation, BelowAPortWithAcsADeviceIsAlone) {
  Tree tree;
  tree.add(kPort, {}, kRootPort, true, true);
  tree.add({0, 1, 0, 0}, {kPort}, kEndpoint);
  EXPECT_EQ(tree.group({0, 1, 0, 0}), "alone");
}

TEST(Isolation, FunctionsOfOneDeviceAreTogetherUnlessAcsParts) {
  for (const bool acs : {false, true}) {
    Tree tree;
    tree.add({0, 0, 3, 0}, {}, kEndpoint, false, acs);
    tree.add({0, 0, 3, 2}, {}, kEndpoint, false, acs);
    EXPECT_EQ(tree.group({0, 0, 3, 2}), acs ? "alone" : "0000:00:03.0");
  }
}

TEST(Isolation, AConventionalBridgeSpeaksForAllBelowIt) {
  Tree tree;
  tree.add(kPort, {}, kRootPort, true, true);
  const Sbdf bridge{0, 1, 0, 0};
  tree.add(bridge, {kPort}, kToPci, true);
  tree.add({0, 2, 1, 0}, {kPort, bridge}, std::nullopt);
  tree.add({0, 2, 2, 0}, {kPort, bridge}, std::nullopt);
  EXPECT_EQ(tree.group({0, 2, 2, 0}), "0000:02:01.0");
  EXPECT_EQ(tree.group({0, 2, 1, 0}), "0000:02:01.0");
}

TEST(Isolation, OneDownstreamPortWithoutAcsMergesTheWholeSwitch) {
  for (const bool acs : {false, true}) {
    Tree tree;
    const Sbdf up{0, 1, 0, 0}, one{0, 2, 0, 0}, two{0, 2, 1, 0};
    tree.add(kPort, {}, kRootPort, true, true);
    tree.add(up, {kPort}, kUpstream, true);
    tree.add(one, {kPort, up}, kDownstream, true, acs);
    tree.add(two, {kPort, up}, kDownstream, true, true);
    tree.add({0, 3, 0, 0}, {kPort, up, one}, kEndpoint);
    tree.add({0, 4, 0, 0}, {kPort, up, two}, kEndpoint);
    EXPECT_EQ(tree.group({0, 4, 0, 0}), acs ? "alone" : "0000:03:00.0");
  }
}

TEST(Isolation, RootPortsOfOneSlotWithoutAcsMerge) {
  Tree tree;
  const Sbdf second{0, 0, 1, 1};
  tree.add(kPort, {}, kRootPort, true);
  tree.add(second, {}, kRootPort, true);
  tree.add({0, 1, 0, 0}, {kPort}, kEndpoint);
  tree.add({0, 2, 0, 0}, {second}, kEndpoint);
  EXPECT_EQ(tree.group({0, 2, 0, 0}), "0000:01:00.0");
}

TEST(Isolation, AVirtualFunctionIsAlone) {
  Tree tree;
  tree.add({0, 0, 3, 0}, {}, kEndpoint);
  tree.add({0, 0, 3, 1}, {}, kEndpoint).physfn = Sbdf{0, 0, 3, 0};
  EXPECT_EQ(tree.group({0, 0, 3, 1}), "alone");
  EXPECT_EQ(tree.group({0, 0, 3, 0}), "alone");
}

}  // namespace
}  // namespace pciassign::detail
