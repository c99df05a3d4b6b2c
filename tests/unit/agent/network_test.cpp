// SPDX-License-Identifier: GPL-2.0-or-later
// Guests' interfaces: bridge and route.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "world.hpp"

namespace pciassign::agent::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct NetworkTest : ::testing::Test {
  Config config = net_config();
  std::unique_ptr<World> world;

  void start() {
    world = std::make_unique<World>(config);
    world->start();
  }
  SimLinks::Interface& vif() { return world->links.interfaces["vif3.0"]; }
  void serve(const std::map<std::string, std::string>& nodes) {
    world->links.add("vif3.0");
    world->add(kVif, nodes);
  }
  void add_nic(const std::string& name, unsigned mtu = 1500) {
    world->links.add(name, true).mtu = mtu;
    world->agent->devices_changed();
    world->settle();
  }
};

TEST_F(NetworkTest, MakesItsBridgeWithoutAnAddressOfItsOwn) {
  start();
  const auto& bridge = world->links.interfaces["xenbr0"];
  EXPECT_TRUE(bridge.bridge);
  EXPECT_TRUE(bridge.up);
  EXPECT_FALSE(bridge.ipv6);
}

TEST_F(NetworkTest, GivesTheBridgeTheConfiguredAddress) {
  config.net.address = "192.0.2.2/24";
  config.net.gateway = "192.0.2.1";
  start();
  EXPECT_THAT(world->links.interfaces["xenbr0"].addresses, ElementsAre("192.0.2.2/24"));
  EXPECT_EQ(world->links.gateway, "192.0.2.1");
}

TEST_F(NetworkTest, TakesEachNicIntoTheBridgeWhenItComes) {
  config.net.mtu = 9000;
  start();
  add_nic("eth0");
  add_nic("eth1");
  for (const char* name : {"eth0", "eth1"}) {
    const auto& nic = world->links.interfaces[name];
    EXPECT_EQ(nic.master, "xenbr0");
    EXPECT_TRUE(nic.up);
    EXPECT_EQ(nic.mtu, 9000);
  }
}

TEST_F(NetworkTest, ANicThatCameAgainUnderItsNameIsTakenAgain) {
  start();
  add_nic("eth0");
  add_nic("eth0");  // another number, no longer in the bridge
  EXPECT_EQ(world->links.interfaces["eth0"].master, "xenbr0");
}

TEST_F(NetworkTest, ANicThatTheAdministratorUsesIsLeftAlone) {
  start();
  world->links.add("br0").bridge = true;
  world->links.add("eth0", true).up = true;
  auto& other = world->links.add("eth1", true);
  other.up = true;
  other.master = "br0";
  world->agent->devices_changed();
  world->settle();
  EXPECT_EQ(world->links.interfaces["eth0"].master, "");
  EXPECT_EQ(world->links.interfaces["eth1"].master, "br0");
  EXPECT_EQ(world->data("state"), "waiting");
  other.master = "xenbr0";
  world->agent->devices_changed();
  world->settle();
  EXPECT_EQ(world->data("state"), "ready") << "the administrator may put it into the bridge too";
}

TEST_F(NetworkTest, ANicThatCannotBeUsedIsAFailureWhenItIsTheOnlyOne) {
  start();
  world->links.failing.insert("eth0");
  add_nic("eth0");
  EXPECT_EQ(world->data("state"), "failed");
}

TEST_F(NetworkTest, ANicThatCannotBeUsedHarmsNoOther) {
  start();
  add_nic("eth1");
  world->links.failing.insert("eth0");
  add_nic("eth0");
  EXPECT_EQ(world->data("state"), "ready");
}

TEST_F(NetworkTest, PutsAnInterfaceIntoTheBridge) {
  start();
  serve({{"bridge", "xenbr0"}});
  EXPECT_EQ(vif().master, "xenbr0");
  EXPECT_TRUE(vif().up);
  EXPECT_FALSE(vif().ipv6);
}

TEST_F(NetworkTest, WithoutANodeTheConfiguredBridgeIsMeant) {
  config.net.bridge = "lan";
  start();
  serve({});
  EXPECT_EQ(vif().master, "lan");
}

TEST_F(NetworkTest, AnotherBridgeIsUsedIfThereIsOne) {
  start();
  world->links.add("br7").bridge = true;
  serve({{"bridge", "br7"}});
  EXPECT_EQ(vif().master, "br7");
}

TEST_F(NetworkTest, ABridgeThatIsNoneIsRefusedWithWords) {
  start();
  add_nic("eth0");
  for (const char* name : {"nowhere", "eth0", "a/b", "..", "a name", "longer-than-a-name"}) {
    serve({{"bridge", name}});
    EXPECT_EQ(world->node(kVif, "hotplug-status"), "error") << name;
    EXPECT_THAT(world->node(kVif, "hotplug-error"), HasSubstr("has no bridge")) << name;
    EXPECT_EQ(vif().master, "");
  }
}

TEST_F(NetworkTest, WhatWasRefusedIsServedWhenTheReasonIsGone) {
  start();
  serve({{"bridge", "br7"}});
  world->links.add("br7").bridge = true;
  world->agent->devices_changed();
  world->settle();
  EXPECT_EQ(world->node(kVif, "hotplug-status"), "connected");
  EXPECT_EQ(world->node(kVif, "hotplug-error"), "-");
}

TEST_F(NetworkTest, MtuIsTheNodesThenTheConfiguredThenTheBridges) {
  start();
  world->links.interfaces["xenbr0"].mtu = 4000;
  serve({});
  EXPECT_EQ(vif().mtu, 4000);
  config.net.mtu = 3000;
  start();
  serve({});
  EXPECT_EQ(vif().mtu, 3000);
  start();
  serve({{"mtu", "1400"}});
  EXPECT_EQ(vif().mtu, 1400);
}

TEST_F(NetworkTest, AnMtuThatIsNoneIsRefused) {
  start();
  for (const char* mtu : {"0", "67", "65536", "1500 ", "-1", "x", "99999999999"}) {
    serve({{"mtu", mtu}});
    EXPECT_EQ(world->node(kVif, "hotplug-status"), "error") << mtu;
  }
}

TEST_F(NetworkTest, WaitsForTheInterface) {
  start();
  world->add(kVif, {{"bridge", "xenbr0"}});
  EXPECT_EQ(world->node(kVif, "hotplug-status"), "-");
  world->links.add("vif3.0");
  world->agent->backend_changed(kVif);
  world->settle();
  EXPECT_EQ(world->node(kVif, "hotplug-status"), "connected");
}

TEST_F(NetworkTest, AnInterfaceThatNeverComesIsAnErrorInTheEnd) {
  start();
  add_nic("eth0");
  world->add(kVif, {{"bridge", "xenbr0"}});
  world->pass(10s);
  EXPECT_THAT(world->node(kVif, "hotplug-error"), HasSubstr("no interface vif3.0"));
}

TEST_F(NetworkTest, AnInterfaceThatCameAgainIsConfiguredAgain) {
  start();
  serve({{"bridge", "xenbr0"}});
  world->links.add("vif3.0");
  world->agent->backend_changed(kVif);
  world->settle();
  EXPECT_EQ(vif().master, "xenbr0");
}

TEST_F(NetworkTest, RoutesToEachAddressAndTakesTheRoutesAway) {
  config.net.route = true;
  config.net.address = "192.0.2.2/24";
  config.net.gateway = "192.0.2.1";
  start();
  add_nic("eth0");
  add_nic("eth1");
  EXPECT_TRUE(world->links.forwarding);
  EXPECT_FALSE(world->links.interfaces.contains("xenbr0"));
  EXPECT_THAT(world->links.interfaces["eth0"].addresses, ElementsAre("192.0.2.2/24"));
  EXPECT_TRUE(world->links.interfaces["eth1"].addresses.empty());
  EXPECT_TRUE(world->links.interfaces["eth0"].proxy);
  EXPECT_EQ(world->links.gateway, "192.0.2.1");
  serve({{"ip", "192.0.2.7  2001:db8::7"}});
  EXPECT_TRUE(vif().up);
  EXPECT_TRUE(vif().proxy);
  EXPECT_THAT(vif().routes, ElementsAre("192.0.2.7", "2001:db8::7"));
  world->set(kVif, "online", "0");
  world->set(kVif, "state", "6");
  EXPECT_TRUE(vif().routes.empty());
}

}  // namespace
}  // namespace pciassign::agent::test
