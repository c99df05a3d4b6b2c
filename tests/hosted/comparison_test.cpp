// SPDX-License-Identifier: GPL-2.0-only
// Row by row, what VFIO's tables and Linux's own back end protect (vfio_pci_config.c, and
// xen-pciback's conf_space*.c by default and in permissive mode): on no row is ours weaker. A test
// has the row's name; its comment says what the two do.
#include <gtest/gtest.h>

#include "device.hpp"

using hosted::Device;
using hosted::Function;

namespace {

class Comparison : public testing::Test {
 protected:
  Device dev;

  // Every way that a guest has, in every mode, even with a quirk for each byte.
  static void expect_protected(Function& f, int off, int len) {
    for (bool permissive : {false, true}) {
      f.cs->permissive = permissive;
      for (int at = off; at < off + len; at++)
        EXPECT_EQ(cs_add_quirk(f.cs.get(), at, 1, 0), -EPERM);
      const auto before = f.hw;
      for (int size : {1, 2, 4})
        for (int at = off / size * size; at < off + len; at += size)
          for (auto value : {0u, ~0u, ~f.get(at, size)}) {
            const auto fx = f.write(at, size, value);
            for (unsigned i = 0; i < fx.nr; i++) {
              if (fx.e[i].type == CS_EFF_HW_WRITE) {
                EXPECT_TRUE(fx.e[i].off + fx.e[i].size <= off || fx.e[i].off >= off + len)
                    << f.name << std::hex << ' ' << at;
              }
            }
          }
      for (int at = off; at < off + len; at++) EXPECT_EQ(f.hw[at], before[at]) << std::hex << at;
      f.hw = before;
    }
    f.cs->permissive = false;
    ASSERT_EQ(f.init(), 0);
  }
  static bool linked(Function& f, unsigned id, bool extended) {
    if (!extended) {
      for (auto at = f.read(0x34, 1); at; at = f.read(static_cast<int>(at) + 1, 1))
        if (f.read(static_cast<int>(at), 1) == id) return true;
      return false;
    }
    for (unsigned at = 0x100; at; at = f.read(static_cast<int>(at), 4) >> 20)
      if ((f.read(static_cast<int>(at), 4) & 0xffff) == id) return true;
    return false;
  }
  // A device with this capability, its body full of ones.
  static Device standard(std::uint8_t id) {
    Device d;
    d.cap(Device::kUnknown, id, 0, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
    EXPECT_EQ(d.init(), 0);
    return d;
  }
  static Device extended(std::uint16_t id) {
    Device d;
    d.put(Device::kSriov, 4, 0x18010000u | id);
    for (int at = Device::kSriov + 4; at < Device::kSerial; at += 4) d.put(at, 4, ~0u);
    EXPECT_EQ(d.init(), 0);
    return d;
  }
  static void expect_hidden_standard(std::uint8_t id, int len) {
    SCOPED_TRACE(testing::Message() << "capability " << std::hex << +id);
    Device d = standard(id);
    EXPECT_FALSE(linked(d, id, false));
    for (int at = 0; at < len; at++) EXPECT_EQ(d.read(Device::kUnknown + at, 1), 0u);
    expect_protected(d, Device::kUnknown, len);
  }
  static void expect_hidden_extended(std::uint16_t id, int len) {
    SCOPED_TRACE(testing::Message() << "extended capability " << std::hex << id);
    Device d = extended(id);
    EXPECT_FALSE(linked(d, id, true));
    for (int at = 0; at < len; at++) EXPECT_EQ(d.read(Device::kSriov + at, 1), 0u);
    expect_protected(d, Device::kSriov, len);
  }
  void SetUp() override { ASSERT_EQ(dev.init(), 0); }
};

// Both: virtual, read-only.
TEST_F(Comparison, VendorAndDevice) {
  expect_protected(dev, 0, 4);
  dev.put(0, 4, 0x12345678);
  EXPECT_EQ(dev.read(0, 4), 0x10d38086u);
}

// VFIO: to the hardware. pciback: shadow; the first set enables, never cleared.
TEST_F(Comparison, CommandIoAndMemory) {
  dev.write(4, 2, 3);
  const auto fx = dev.write(4, 2, 0);
  EXPECT_EQ(fx.nr, 0u) << "nothing tells anybody to stop decoding";
  expect_protected(dev, 4, 2);
}

// VFIO: to the hardware. pciback: through the PCI core; in permissive mode raw as well.
TEST_F(Comparison, CommandMasterAndMwi) {
  dev.cs->permissive = true;
  const auto fx = dev.write(4, 2, 0x14);
  ASSERT_EQ(fx.nr, 2u);
  EXPECT_NE(Device::find(fx, CS_EFF_BUS_MASTER), nullptr);
  EXPECT_NE(Device::find(fx, CS_EFF_MWI), nullptr);
}

// VFIO: to the hardware. pciback: shadow only.
TEST_F(Comparison, ParityAndSerr) {
  for (bool permissive : {false, true}) {
    dev.cs->permissive = permissive;
    EXPECT_EQ(dev.write(4, 2, 0x0140).nr, 0u);
    EXPECT_EQ(dev.read(4, 2), 0x0140u);
    EXPECT_EQ(dev.write(4, 2, 0).nr, 0u);
  }
}

// VFIO: virtual, emulated. pciback: shadow; hardware only with allow_interrupt_control.
TEST_F(Comparison, IntxDisable) {
  for (bool permissive : {false, true}) {
    dev.cs->permissive = permissive;
    EXPECT_EQ(dev.write(4, 2, 0x0400).nr, 0u);
    EXPECT_EQ(dev.read(4, 2), 0x0400u);
    EXPECT_EQ(dev.write(4, 2, 0).nr, 0u);
  }
  dev.cs->interrupt_control = true;
  EXPECT_NE(Device::find(dev.write(4, 2, 0x0400), CS_EFF_INTX), nullptr);
}

// VFIO: virtual with sizing. pciback: sizing and a fixed value, by dwords only.
TEST_F(Comparison, BarsAndRom) {
  expect_protected(dev, 0x10, 24);
  expect_protected(dev, 0x30, 4);
  for (int size : {1, 2, 4})
    for (int off : {0x10, 0x14, 0x18, 0x1c, 0x30})
      for (int at = off; at < off + 4; at += size)
        EXPECT_EQ(dev.write(at, size, 0x5a5a5a5a).nr, 0u);
  EXPECT_EQ(dev.read(0x10, 4), 0xfeba0000u);
}

// VFIO: all writable. pciback: writable, read-only, START allowed.
TEST_F(Comparison, CacheLineLatencyAndSelfTest) {
  expect_protected(dev, 0x0c, 4);
  EXPECT_EQ(dev.read(0x0f, 1), 0u) << "no self-test to start";
}

// VFIO: D-state through the core, mappings gone meanwhile, PME virtual. pciback: through the core.
TEST_F(Comparison, PowerManagement) {
  expect_protected(dev, Device::kPm, 8);
  const auto fx = dev.write(Device::kPm + 4, 2, 0x0103);
  EXPECT_NE(Device::find(fx, CS_EFF_POWER), nullptr);
  EXPECT_EQ(dev.read(Device::kPm + 4, 2) & 0x8100, 0u) << "no PME";
  EXPECT_EQ(dev.read(Device::kPm + 3, 1) & 0xf8, 0u);
}

// VFIO: emulated. pciback: raw reads, writes denied (raw in permissive mode).
TEST_F(Comparison, Vpd) {
  expect_protected(dev, Device::kVpd, 8);
  EXPECT_NE(Device::find(dev.write(Device::kVpd + 2, 2, 0x10), CS_EFF_VPD), nullptr);
  EXPECT_EQ(Device::find(dev.write(Device::kVpd + 2, 2, 0x8010), CS_EFF_VPD), nullptr);
}

// VFIO: virtual, writes dropped. pciback: denied, in permissive mode raw.
TEST_F(Comparison, MsiAndMsix) {
  for (unsigned flags : {0x0000u, 0x0080u, 0x0100u, 0x0180u}) {
    Device d;
    d.put(Device::kMsi + 2, 2, flags);
    ASSERT_EQ(d.init(), 0);
    expect_protected(d, Device::kMsi, 12 + (flags & 0x80 ? 4 : 0) + (flags & 0x100 ? 8 : 0));
  }
  expect_protected(dev, Device::kMsix, 12);
}

// VFIO: writable but for phantom functions; payload size virtual; FLR resets. pciback: dropped,
// reported as success; in permissive mode raw, FLR too.
TEST_F(Comparison, DeviceControl) {
  expect_protected(dev, Device::kPcie + 8, 2);
  EXPECT_EQ(Device::find(dev.write(Device::kPcie + 8, 2, 0x52f0), CS_EFF_READRQ), nullptr);
  EXPECT_EQ(dev.read(Device::kPcie + 8, 2) & 0x02e0, 0x0000u) << "payload, phantom: the hardware's";
  EXPECT_NE(Device::find(dev.write(Device::kPcie + 8, 2, 0x8000), CS_EFF_FLR), nullptr);
}

// VFIO: read-only, reset. pciback: dropped, in permissive mode raw.
TEST_F(Comparison, LinkControlAndAfReset) {
  expect_protected(dev, Device::kPcie + 0x0c, 0x30);
  expect_protected(dev, Device::kAf, 6);
  EXPECT_NE(Device::find(dev.write(Device::kAf + 4, 1, 1), CS_EFF_FLR), nullptr);
}

// VFIO: shown, read-only. pciback: shown, read-only, in permissive mode raw.
TEST_F(Comparison, AcsAtsPriSriovRebarVcLtrTph) {
  for (std::uint16_t id : {0x0d, 0x0f, 0x13, 0x10, 0x15, 0x24, 0x02, 0x08, 0x09, 0x18, 0x17})
    expect_hidden_extended(id, 8);
  expect_hidden_extended(0x10, 64);
}

// VFIO: hidden. pciback: shown, read-only, in permissive mode raw.
TEST_F(Comparison, PasidDpcL1ssPtmDoeAndEa) {
  for (std::uint16_t id : {0x1b, 0x1d, 0x1e, 0x1f, 0x2e}) expect_hidden_extended(id, 8);
  expect_hidden_standard(0x14, 10);
}

// VFIO unlinks what it does not know; pciback shows it.
TEST_F(Comparison, UnknownCapabilities) {
  for (int id = 0x15; id < 0x100; id++) expect_hidden_standard(static_cast<std::uint8_t>(id), 10);
  for (int id : {0x25, 0x2f, 0x30, 0x31, 0x36, 0x37, 0x100, 0xfff0})
    expect_hidden_extended(static_cast<std::uint16_t>(id), 8);
}

// VFIO: raw, writable. pciback: shown, read-only, in permissive mode raw: the one thing to open.
TEST_F(Comparison, VendorCapabilitiesAndGaps) {
  for (int off : {Device::kVendor + 4, Device::kGap, Device::kSerial + 12})
    for (int size : {1, 2, 4})
      EXPECT_EQ(Device::find(dev.write(off, size, ~0u), CS_EFF_HW_WRITE), nullptr);
  expect_protected(dev, Device::kVendor, 2);
}

}  // namespace
