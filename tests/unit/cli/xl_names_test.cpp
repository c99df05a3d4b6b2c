// SPDX-License-Identifier: GPL-2.0-or-later
// A script for xl works unchanged: names, arguments, output.
#include "fixture.hpp"

namespace pciassign::test {
namespace {

class XlNames : public DaemonTest {
 protected:
  XlNames() { world.add_domain(3, "net"); }
};

TEST_F(XlNames, say_what_xl_says) {
  start();
  EXPECT_EQ(pciassign({"pci-assignable-list"}).out, "0000:00:04.0\n0000:00:05.0\n");
  EXPECT_EQ(pciassign({"pci-list", "net"}).out, "");
  Ran ran = pciassign({"pci-attach", "net", "00:04.0,permissive=1"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out + ran.err, "");
  EXPECT_EQ(pciassign({"pci-list", "net"}).out, "Vdev Device\n00.0 0000:00:04.0\n");
  EXPECT_EQ(pciassign({"pci-list", "3"}).out, "Vdev Device\n00.0 0000:00:04.0\n");
  EXPECT_EQ(pciassign({"pci-assignable-list"}).out, "0000:00:05.0\n");
  ran = pciassign({"pci-detach", "-f", "net", "00:04.0"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_FALSE(on_loop([&] { return world.xen.all[3].has_rights(); }));
}

TEST_F(XlNames, add_and_remove_are_reserve_and_release) {
  world.add_device({0, 0, 6, 0}, 22, "e1000e");
  start();
  ASSERT_EQ(pciassign({"pci-assignable-add", "00:06.0"}).status, 0);
  EXPECT_EQ(on_loop([&] { return world.pci.all[{0, 0, 6, 0}].facts.driver; }), "pciback");
  ASSERT_EQ(pciassign({"pci-assignable-remove", "-r", "00:06.0"}).status, 0);
  EXPECT_EQ(on_loop([&] { return world.pci.all[{0, 0, 6, 0}].facts.driver; }), "e1000e");
}

TEST_F(XlNames, a_virtual_slot_is_hexadecimal) {
  start();
  EXPECT_EQ(pciassign({"pci-attach", "net", "00:04.0", "20"}).status, 2);
  EXPECT_EQ(pciassign({"pci-attach", "net", "00:04.0", "x"}).status, 2);
  EXPECT_EQ(pciassign({"pci-attach", "net", "00:04.0", "0x1f"}).status, 0);
}

TEST_F(XlNames, errors_are_told) {
  start();
  const Ran ran = pciassign({"pci-attach", "nowhere", "00:04.0"});
  EXPECT_EQ(ran.status, 3);
  EXPECT_THAT(ran.err, ::testing::HasSubstr("nowhere"));
}

TEST_F(XlNames, a_reserved_device_is_reset) {
  start();
  const Ran ran = pciassign({"reset", "00:04.0"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  ASSERT_EQ(pciassign({"attach", "net", "00:04.0"}).status, 0);
  EXPECT_EQ(pciassign({"reset", "00:04.0"}).status, 5);
}

}  // namespace
}  // namespace pciassign::test
