// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include <set>

#include "device.hpp"
#include "wire/pciif.h"

using hosted::Device;

namespace {

class Confspace : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(dev.init(), 0); }
  Device dev;
};

TEST_F(Confspace, RefusesBridgesAndOddSizes) {
  Device bridge;
  bridge.put(0x0e, 1, 0x01);
  EXPECT_EQ(bridge.init(), -EINVAL);
  EXPECT_EQ(cs_init(dev.cs.get(), dev.hw.data(), 128, &dev.info), -EINVAL);
}

TEST_F(Confspace, BoundsEveryAccess) {
  for (int size : {-4, 0, 3, 5, 8}) EXPECT_EQ(cs_check(dev.cs.get(), 0, size), -EINVAL) << size;
  for (int off : {-4, -1, 1, 2, 4096, 0x7fffffff, static_cast<int>(0x80000000)})
    EXPECT_EQ(cs_check(dev.cs.get(), off, 4), -EINVAL) << off;
  EXPECT_EQ(cs_check(dev.cs.get(), 4092, 4), 0);
  Device small(CS_SIZE_STD);
  ASSERT_EQ(small.init(), 0);
  EXPECT_EQ(cs_check(small.cs.get(), 252, 4), 0);
  EXPECT_EQ(cs_check(small.cs.get(), 256, 4), -EINVAL);
}

TEST_F(Confspace, IdentityDoesNotFollowTheHardware) {
  dev.put(0, 4, 0xffffffff);
  EXPECT_EQ(dev.read(0, 4), 0x10d38086u);
}

TEST_F(Confspace, CommandStartsClearAndDecodeIsOnlyEverEnabled) {
  EXPECT_EQ(dev.read(4, 2), 0u);
  auto on = dev.write(4, 2, 0x0003);
  ASSERT_NE(Device::find(on, CS_EFF_DECODE_ON), nullptr);
  EXPECT_EQ(Device::find(on, CS_EFF_DECODE_ON)->value, 3u);
  auto off = dev.write(4, 2, 0x0000);
  EXPECT_EQ(off.nr, 0u);
  EXPECT_EQ(dev.read(4, 2), 0u);
  EXPECT_EQ(dev.get(4, 2), 3u) << "the hardware still decodes";
}

TEST_F(Confspace, OnlyBarsThatTheHostPlacedDecode) {
  Device no_io;
  no_io.info.bar[1] = {};
  ASSERT_EQ(no_io.init(), 0);
  EXPECT_EQ(Device::find(no_io.write(4, 2, 3), CS_EFF_DECODE_ON)->value, 2u);
  no_io.write(4, 2, 2);
  EXPECT_EQ(no_io.write(4, 2, 3).nr, 0u);
  EXPECT_EQ(no_io.read(4, 2), 3u) << "the guest sees what it wrote";
}

TEST_F(Confspace, BusMasterGoesThroughAnEffectAtAnySize) {
  for (int size : {1, 2, 4}) {
    auto on = dev.write(4, size, 0x4);
    ASSERT_NE(Device::find(on, CS_EFF_BUS_MASTER), nullptr) << size;
    EXPECT_EQ(Device::find(on, CS_EFF_BUS_MASTER)->value, 1u);
    EXPECT_EQ(Device::find(on, CS_EFF_HW_WRITE), nullptr);
    EXPECT_EQ(Device::find(dev.write(4, size, 0), CS_EFF_BUS_MASTER)->value, 0u);
  }
}

TEST_F(Confspace, IntxDisableIsEmulatedUnlessControlIsGiven) {
  EXPECT_EQ(dev.write(4, 2, 0x400).nr, 0u);
  EXPECT_EQ(dev.read(4, 2), 0x400u);
  dev.cs->interrupt_control = true;
  EXPECT_EQ(Device::find(dev.write(4, 2, 0), CS_EFF_INTX)->value, 0u);
  EXPECT_EQ(Device::find(dev.write(5, 1, 4), CS_EFF_INTX)->value, 1u);
}

TEST_F(Confspace, StatusErrorBitsStayForTheHost) {
  dev.put(6, 2, 0xf910);
  EXPECT_EQ(dev.write(4, 4, 0xf9000000).nr, 0u) << "dropped, and no denial worth a count";
  EXPECT_EQ(dev.read(6, 2), 0xf910u);
}

TEST_F(Confspace, InterruptLineIsThePirqAndFixed) {
  EXPECT_EQ(dev.read(0x3c, 1), 20u);
  dev.write(0x3c, 1, 5);
  EXPECT_EQ(dev.read(0x3c, 1), 20u);
  Device none;
  none.info.irq_line = 0;
  ASSERT_EQ(none.init(), 0);
  EXPECT_EQ(none.read(0x3c, 2), 0u) << "no pin without an interrupt";
}

TEST_F(Confspace, BarsShowTheirSizeAtEveryAccessSize) {
  struct Case {
    int off;
    std::uint32_t size_mask, address;
  } cases[] = {{0x10, 0xfffe0000, 0xfeba0000}, {0x14, 0xffffffe1, 0x0000c001},
               {0x18, 0x0000000c, 0x0000000c}, {0x1c, 0xfffffffe, 0x00000012},
               {0x20, 0x00000000, 0x00000000}, {0x30, 0xfffc0001, 0xfeb40000}};
  for (auto& c : cases) {
    for (int size : {1, 2, 4}) {
      SCOPED_TRACE(testing::Message() << std::hex << c.off << " by " << size);
      EXPECT_EQ(dev.read(c.off, 4), c.address);
      for (int at = 0; at < 4; at += size)
        EXPECT_EQ(dev.write(c.off + at, size, 0xffffffff).nr, 0u);
      std::uint32_t seen = 0;
      for (int at = 0; at < 4; at += size) seen |= dev.read(c.off + at, size) << 8 * at;
      EXPECT_EQ(seen, c.size_mask);
      for (int at = 0; at < 4; at += size) dev.write(c.off + at, size, c.address >> 8 * at);
      EXPECT_EQ(dev.read(c.off, 4), c.address);
    }
  }
}

TEST_F(Confspace, ABarCannotBeMoved) {
  EXPECT_EQ(dev.write(0x10, 4, 0xd0000000).nr, 0u);
  EXPECT_EQ(dev.read(0x10, 4), 0xfeba0000u);
}

TEST_F(Confspace, TheCapabilityListHoldsWhatIsVisibleOnly) {
  std::set<unsigned> ids;
  unsigned pos = dev.read(0x34, 1), steps = 0;
  while (pos && steps++ < 48) {
    ids.insert(dev.read(pos, 1));
    pos = dev.read(pos + 1, 1);
  }
  EXPECT_EQ(ids, (std::set<unsigned>{0x01, 0x05, 0x11, 0x10, 0x09, 0x03, 0x13}));
  EXPECT_EQ(dev.read(Device::kUnknown, 1), 0u);
}

TEST_F(Confspace, ALoopInTheListEnds) {
  Device loop;
  loop.hw[Device::kUnknown + 1] = Device::kPm;
  EXPECT_EQ(loop.init(), 0);
  Device self;
  self.hw[Device::kPm + 1] = Device::kPm;
  EXPECT_EQ(self.init(), 0);
}

TEST_F(Confspace, DStatesAreAnEffectAndUnsupportedOnesAreDropped) {
  auto d3 = dev.write(Device::kPm + 4, 2, 0x0003);
  ASSERT_NE(Device::find(d3, CS_EFF_POWER), nullptr);
  EXPECT_EQ(Device::find(d3, CS_EFF_POWER)->value, 3u);
  EXPECT_EQ(Device::find(d3, CS_EFF_HW_WRITE), nullptr);
  EXPECT_EQ(dev.read(Device::kPm + 4, 2) & 3, 3u);
  EXPECT_EQ(Device::find(dev.write(Device::kPm + 4, 1, 0x00), CS_EFF_POWER)->value, 0u);
  EXPECT_EQ(dev.write(Device::kPm + 4, 2, 0x0009).nr, 0u) << "no D1";
  EXPECT_EQ(dev.read(Device::kPm + 4, 2) & 3, 0u);
}

TEST_F(Confspace, ADStateThatTheDeviceShowsCanBeEntered) {
  Device d1;
  d1.put(Device::kPm + 2, 2, 0xca23);
  ASSERT_EQ(d1.init(), 0);
  EXPECT_EQ(d1.read(Device::kPm + 2, 2), 0x0223u);
  EXPECT_EQ(Device::find(d1.write(Device::kPm + 4, 2, 1), CS_EFF_POWER)->value, 1u);
  EXPECT_EQ(d1.write(Device::kPm + 4, 2, 0x000a).nr, 0u) << "no D2";
}

TEST_F(Confspace, PmeIsNotShown) {
  EXPECT_EQ(dev.read(Device::kPm + 2, 2) & 0xf800, 0u);
  EXPECT_EQ(dev.write(Device::kPm + 4, 2, 0x8108).nr, 0u);
  EXPECT_EQ(dev.read(Device::kPm + 4, 2), 0x0008u);
}

TEST_F(Confspace, MsiNeverReachesTheHardware) {
  for (bool permissive : {false, true}) {
    dev.cs->permissive = permissive;
    for (int off = Device::kMsi; off < Device::kMsi + 24; off++)
      for (auto value : {0xffu, 0x00u, 0x81u}) {
        auto fx = dev.write(off, 1, value);
        EXPECT_EQ(Device::find(fx, CS_EFF_HW_WRITE), nullptr) << off;
      }
  }
}

// In permissive mode a byte that no capability owns is open: no list may leave one of these so.
TEST_F(Confspace, AnOddListOpensNoProtectedRegister) {
  Device overlap;  // the vendor capability says that it reaches over all that follow
  overlap.hw[Device::kMsi + 1] = Device::kVendor;
  overlap.hw[Device::kVendor + 2] = 0x40;
  overlap.cap(Device::kVendor + 0x10, 0x11, Device::kUnknown, {0x04, 0x00, 0x03, 0x00, 0x00, 0x00});

  Device short_msi;  // no room for the mask bits, so not shown
  short_msi.hw[Device::kMsi + 1] = Device::kMsi + 16;
  short_msi.cap(Device::kMsi + 16, 0x0d, Device::kPcie, {0x00, 0x00});

  Device twice;
  twice.cap(Device::kVendor, 0x05, Device::kVpd, {0x80, 0x00});

  Device hidden;  // enhanced allocation: its entries replace BARs
  hidden.cap(Device::kUnknown, 0x14, 0x00, {0x02, 0x00});

  struct Case {
    Device& dev;
    int off, len;
  } cases[] = {{overlap, Device::kVendor + 0x10, 12},
               {overlap, Device::kUnknown, 32},
               {short_msi, Device::kMsi, 16},
               {twice, Device::kVendor, 14},
               {hidden, Device::kUnknown, 32}};
  for (auto& c : cases) {
    ASSERT_EQ(c.dev.init(), 0);
    c.dev.cs->permissive = true;
    for (int off = c.off; off < c.off + c.len; off++) {
      EXPECT_EQ(Device::find(c.dev.write(off, 1, 0xff), CS_EFF_HW_WRITE), nullptr) << off;
      EXPECT_EQ(cs_add_quirk(c.dev.cs.get(), off, 1, 0), -EPERM) << off;
    }
  }
  EXPECT_EQ(overlap.read(Device::kVendor + 0x10, 1), 0x11u) << "it is found and shown";
}

TEST_F(Confspace, MsixNeverReachesTheHardware) {
  for (bool permissive : {false, true}) {
    dev.cs->permissive = permissive;
    for (int off = Device::kMsix; off < Device::kMsix + 12; off += 2)
      EXPECT_EQ(Device::find(dev.write(off, 2, 0xc000), CS_EFF_HW_WRITE), nullptr) << off;
  }
}

TEST_F(Confspace, FlrIsAnEffectAndReadsAsZero) {
  auto fx = dev.write(Device::kPcie + 8, 2, 0x9010);
  ASSERT_NE(Device::find(fx, CS_EFF_FLR), nullptr);
  EXPECT_EQ(Device::find(fx, CS_EFF_HW_WRITE), nullptr);
  EXPECT_EQ(dev.read(Device::kPcie + 8, 2) & 0x8000, 0u);
  EXPECT_NE(Device::find(dev.write(Device::kPcie + 9, 1, 0x80), CS_EFF_FLR), nullptr);
  EXPECT_NE(Device::find(dev.write(Device::kAf + 4, 1, 1), CS_EFF_FLR), nullptr);
  EXPECT_EQ(Device::find(dev.write(Device::kPcie + 8, 1, 0x80), CS_EFF_FLR), nullptr);
}

TEST_F(Confspace, FlrIsNotOfferedWhereTheDeviceHasNone) {
  Device plain;
  plain.put(Device::kPcie + 4, 4, 0x00008cc1);
  plain.put(Device::kAf + 3, 1, 0x00);
  ASSERT_EQ(plain.init(), 0);
  EXPECT_EQ(Device::find(plain.write(Device::kPcie + 8, 2, 0x8000), CS_EFF_FLR), nullptr);
  EXPECT_EQ(Device::find(plain.write(Device::kAf + 4, 1, 1), CS_EFF_FLR), nullptr);
}

TEST_F(Confspace, ReadRequestSizeReachesTheCoreInPermissiveModeOnly) {
  EXPECT_EQ(dev.write(Device::kPcie + 8, 2, 0x5810).nr, 0u);
  EXPECT_EQ(dev.read(Device::kPcie + 8, 2) & 0x7000, 0x5000u) << "the guest's view follows";
  dev.cs->permissive = true;
  auto fx = dev.write(Device::kPcie + 8, 2, 0x4810);
  ASSERT_NE(Device::find(fx, CS_EFF_READRQ), nullptr);
  EXPECT_EQ(Device::find(fx, CS_EFF_READRQ)->value, 2048u);
  EXPECT_EQ(Device::find(fx, CS_EFF_HW_WRITE), nullptr);
  EXPECT_EQ(dev.write(Device::kPcie + 8, 2, 0x7810).nr, 0u);
  EXPECT_EQ(dev.read(Device::kPcie + 8, 2) & 0x7000, 0x4000u) << "reserved codes are dropped";
}

TEST_F(Confspace, VpdIsReadByAnEffectAtAnySize) {
  struct Write {
    int at, size;
    std::uint32_t value;
  };
  const std::vector<std::vector<Write>> ways = {
      {{2, 2, 0x0124}}, {{0, 4, 0x0124d803}}, {{2, 1, 0x24}, {3, 1, 0x01}}};
  for (auto& way : ways) {
    cs_effects fx{};
    for (auto& w : way) fx = dev.write(Device::kVpd + w.at, w.size, w.value);
    auto* vpd = Device::find(fx, CS_EFF_VPD);
    ASSERT_NE(vpd, nullptr);
    EXPECT_EQ(vpd->value, 0x124u);
    EXPECT_EQ(Device::find(fx, CS_EFF_HW_WRITE), nullptr);
    EXPECT_EQ(dev.read(Device::kVpd + 2, 2), 0x0124u) << "pending";
    cs_vpd_done(dev.cs.get(), 0xa1b2c3d4);
    EXPECT_EQ(dev.read(Device::kVpd + 2, 2), 0x8124u);
    EXPECT_EQ(dev.read(Device::kVpd + 4, 4), 0xa1b2c3d4u);
  }
  EXPECT_EQ(Device::find(dev.write(Device::kVpd + 2, 2, 0x7fff), CS_EFF_VPD)->value, 0x7ffcu);
}

TEST_F(Confspace, VpdIsNeverWrittenAndTheGuestSeesThatItFailed) {
  for (bool permissive : {false, true}) {
    dev.cs->permissive = permissive;
    EXPECT_EQ(dev.write(Device::kVpd + 4, 4, 0x12345678).nr, 0u);
    auto fx = dev.write(Device::kVpd + 2, 2, 0x8124);
    ASSERT_EQ(fx.nr, 1u);
    EXPECT_EQ(fx.e[0].type, CS_EFF_DENIED);
    EXPECT_EQ(dev.read(Device::kVpd + 3, 1) & 0x80, 0x80u) << "never done";
  }
  Device none;
  none.hw[Device::kVendor + 1] = Device::kAf;
  ASSERT_EQ(none.init(), 0);
  cs_vpd_done(none.cs.get(), 0xffffffff);
  EXPECT_EQ(none.read(0, 4), 0x10d38086u) << "without the capability it has no place";
}

TEST_F(Confspace, ADeeperStateIsLeftForD0Only) {
  Device d1;
  d1.put(Device::kPm + 2, 2, 0xce23);
  ASSERT_EQ(d1.init(), 0);
  d1.write(Device::kPm + 4, 2, 3);
  EXPECT_EQ(d1.write(Device::kPm + 4, 2, 1).nr, 0u);
  EXPECT_EQ(d1.write(Device::kPm + 4, 1, 2).nr, 0u);
  EXPECT_EQ(d1.read(Device::kPm + 4, 2) & 3, 3u);
  EXPECT_EQ(Device::find(d1.write(Device::kPm + 4, 2, 0), CS_EFF_POWER)->value, 0u);
  EXPECT_EQ(Device::find(d1.write(Device::kPm + 4, 2, 2), CS_EFF_POWER)->value, 2u);
  EXPECT_EQ(d1.write(Device::kPm + 4, 2, 1).nr, 0u);
  EXPECT_EQ(Device::find(d1.write(Device::kPm + 4, 2, 3), CS_EFF_POWER)->value, 3u);
}

TEST_F(Confspace, MsisExtendedDataIsItsOwn) {
  Device dev32;  // 32 bits, no masking: address, data, extended data
  dev32.cap(Device::kMsi, 0x05, Device::kMsix, {0x00, 0x02});
  ASSERT_EQ(dev32.init(), 0);
  dev32.cs->permissive = true;
  for (int off = Device::kMsi; off < Device::kMsi + 12; off++)
    EXPECT_EQ(Device::find(dev32.write(off, 1, 0xff), CS_EFF_HW_WRITE), nullptr) << off;
  EXPECT_NE(Device::find(dev32.write(Device::kMsi + 12, 1, 0xff), CS_EFF_HW_WRITE), nullptr)
      << "what follows is a gap";
}

TEST_F(Confspace, PciXWithEccHasMoreRegisters) {
  for (int version : {0, 1}) {
    Device x;
    x.cap(Device::kVendor, 0x07, 0, {0x00, static_cast<std::uint8_t>(version << 4)});
    ASSERT_EQ(x.init(), 0);
    x.cs->permissive = true;
    EXPECT_EQ(Device::find(x.write(Device::kVendor + 2, 2, 0), CS_EFF_HW_WRITE), nullptr);
    EXPECT_EQ(Device::find(x.write(Device::kVendor + 8, 4, 0), CS_EFF_HW_WRITE) == nullptr,
              version == 1);
  }
}

TEST_F(Confspace, LinkControlIsDeniedAndReported) {
  auto fx = dev.write(Device::kPcie + 0x10, 2, 0x0003);
  ASSERT_NE(Device::find(fx, CS_EFF_DENIED), nullptr);
  EXPECT_EQ(Device::find(fx, CS_EFF_DENIED)->off, Device::kPcie + 0x10);
  EXPECT_NE(Device::find(dev.write(Device::kPcie + 0x10, 2, 1), CS_EFF_DENIED), nullptr);
  EXPECT_EQ(Device::find(dev.write(Device::kPcie + 0x10, 2, 0), CS_EFF_DENIED), nullptr)
      << "writing back what is there is no denial";
}

TEST_F(Confspace, VendorAndGapsAreReadableAndOpenOnlyInPermissiveMode) {
  for (int off : {Device::kVendor + 4, Device::kGap}) {
    EXPECT_EQ(dev.read(off, 1), dev.hw[off]);
    EXPECT_EQ(Device::find(dev.write(off, 1, 0x55), CS_EFF_HW_WRITE), nullptr);
  }
  dev.cs->permissive = true;
  for (int off : {Device::kVendor + 4, Device::kGap}) {
    EXPECT_NE(Device::find(dev.write(off, 1, 0x55), CS_EFF_HW_WRITE), nullptr);
    EXPECT_EQ(dev.hw[off], 0x55);
  }
  EXPECT_EQ(Device::find(dev.write(0x10, 4, 0), CS_EFF_HW_WRITE), nullptr);
  EXPECT_EQ(Device::find(dev.write(4, 2, 0), CS_EFF_HW_WRITE), nullptr);
}

TEST_F(Confspace, AQuirkOpensItsMaskOnlyAndNeverProtectedRegisters) {
  EXPECT_EQ(cs_add_quirk(dev.cs.get(), Device::kGap, 2, 0x00f0), 0);
  dev.write(Device::kGap, 2, 0xffff);
  EXPECT_EQ(dev.get(Device::kGap, 4), 0xcafef0fdu);
  EXPECT_EQ(cs_add_quirk(dev.cs.get(), 0x04, 2, 0), -EPERM);
  EXPECT_EQ(cs_add_quirk(dev.cs.get(), 0x10, 4, 0), -EPERM);
  EXPECT_EQ(cs_add_quirk(dev.cs.get(), Device::kMsi + 4, 4, 0), -EPERM);
  EXPECT_EQ(cs_add_quirk(dev.cs.get(), Device::kMsix + 2, 2, 0), -EPERM);
  EXPECT_EQ(cs_add_quirk(dev.cs.get(), Device::kVpd, 2, 0), -EPERM);
  EXPECT_EQ(cs_add_quirk(dev.cs.get(), 4096, 4, 0), -EINVAL);
}

TEST_F(Confspace, ExtendedCapabilitiesThatAreNotKnownSafeAreUnlinkedAndBlank) {
  EXPECT_EQ(dev.read(Device::kAer, 4), 0x18020001u) << "leads past the hidden one";
  EXPECT_EQ(dev.read(Device::kSriov, 4), 0u);
  EXPECT_EQ(dev.read(Device::kSriov + 8, 4), 0u);
  EXPECT_EQ(dev.read(Device::kSerial, 4), 0x00010003u);
  EXPECT_EQ(dev.read(Device::kSerial + 4, 4), 0x11223344u);
  dev.cs->permissive = true;
  EXPECT_EQ(Device::find(dev.write(Device::kSriov + 8, 2, 1), CS_EFF_HW_WRITE), nullptr);
  EXPECT_EQ(Device::find(dev.write(Device::kAer + 4, 4, ~0u), CS_EFF_HW_WRITE), nullptr);
}

TEST_F(Confspace, AHiddenFirstExtendedCapabilityLeadsToTheNext) {
  Device first;
  first.put(Device::kAer, 4, 0x14010010);
  first.put(Device::kSriov, 4, 0x18020001);
  ASSERT_EQ(first.init(), 0);
  EXPECT_EQ(first.read(0x100, 4), 0x14000000u);
  EXPECT_EQ(first.read(0x140, 4), 0x18020001u);
}

TEST_F(Confspace, ExtendedBodiesDoNotCoverTheGapsBehindThem) {
  dev.put(Device::kSerial + 12, 4, 0xfeedf00d);
  EXPECT_EQ(dev.read(Device::kSerial + 12, 4), 0xfeedf00du);
  EXPECT_STREQ(cs_region_name(dev.cs.get(), Device::kSerial + 8), "serial number");
  EXPECT_STREQ(cs_region_name(dev.cs.get(), Device::kSerial + 12), "device-specific");
  EXPECT_EQ(cs_add_quirk(dev.cs.get(), Device::kSerial + 8, 4, 0), -EPERM);
  EXPECT_EQ(cs_add_quirk(dev.cs.get(), Device::kSerial + 12, 4, 0xff), 0);
  dev.write(Device::kSerial + 12, 4, 0);
  EXPECT_EQ(dev.get(Device::kSerial + 12, 4), 0xfeedf000u);
}

TEST_F(Confspace, ALaterVersionReachesToTheNext) {
  Device later;
  later.put(Device::kSerial, 4, 0x00020003);
  later.put(Device::kSerial + 12, 4, 0xfeedf00d);
  ASSERT_EQ(later.init(), 0);
  EXPECT_EQ(cs_add_quirk(later.cs.get(), Device::kSerial + 12, 4, 0), -EPERM);
  EXPECT_STREQ(cs_region_name(later.cs.get(), 0xffc), "serial number");
}

TEST_F(Confspace, AVendorsExtendedRegistersAreAsLongAsTheySay) {
  Device vsec;
  vsec.put(Device::kSerial, 4, 0x0001000b);
  vsec.put(Device::kSerial + 4, 4, 0x01010055);  // 16 bytes
  ASSERT_EQ(vsec.init(), 0);
  vsec.cs->permissive = true;
  EXPECT_NE(Device::find(vsec.write(Device::kSerial + 12, 4, 1), CS_EFF_HW_WRITE), nullptr);
  EXPECT_EQ(Device::find(vsec.write(Device::kSerial, 4, 1), CS_EFF_HW_WRITE), nullptr);
  EXPECT_STREQ(cs_region_name(vsec.cs.get(), Device::kSerial + 12), "vendor");
  EXPECT_STREQ(cs_region_name(vsec.cs.get(), Device::kSerial + 16), "device-specific");
}

// What a list that breaks off may have led to is not known: no gap is opened then.
TEST_F(Confspace, ABrokenListOpensNoGap) {
  Device std_loop;
  std_loop.hw[Device::kUnknown + 1] = Device::kPm;
  Device into_header;
  into_header.hw[Device::kUnknown + 1] = 0x10;
  Device ext_loop;
  ext_loop.put(Device::kSerial, 4, 0x14010003);
  Device into_nothing;
  into_nothing.put(Device::kSerial, 4, 0x90010003);
  Device out_of_it;
  out_of_it.put(Device::kSerial, 4, 0x08010003);
  Device no_ext;
  no_ext.put(0x100, 4, 0xffffffff);
  struct Case {
    Device& dev;
    int off;
  } cases[] = {{std_loop, Device::kGap}, {into_header, Device::kGap}, {ext_loop, 0x900},
               {into_nothing, 0xa00},    {out_of_it, 0xa00},          {no_ext, 0xa00}};
  for (auto& c : cases) {
    ASSERT_EQ(c.dev.init(), 0);
    EXPECT_EQ(cs_add_quirk(c.dev.cs.get(), c.off, 4, 0), -EPERM) << std::hex << c.off;
    EXPECT_EQ(c.dev.read(c.off, 4), c.dev.get(c.off, 4));
  }
  Device none;
  none.put(0x100, 4, 0);
  ASSERT_EQ(none.init(), 0);
  EXPECT_EQ(cs_add_quirk(none.cs.get(), 0xa00, 4, 0), 0) << "an empty list is a complete one";
}

TEST_F(Confspace, AMessageNamesTheRegisterAndItsReason) {
  EXPECT_STREQ(cs_region_name(dev.cs.get(), Device::kPcie + 0x10), "PCI Express");
  EXPECT_STREQ(cs_region_reason(dev.cs.get(), Device::kPcie + 0x10),
               "the link is shared with the host");
  EXPECT_STREQ(cs_region_reason(dev.cs.get(), 0x0f),
               "a self-test may hang the bus: none is offered");
  EXPECT_STREQ(cs_region_reason(dev.cs.get(), Device::kGap), "no capability names it (XSA-124)");
  EXPECT_STREQ(cs_region_name(dev.cs.get(), -1), "device-specific");
  EXPECT_STREQ(cs_region_name(dev.cs.get(), 4096), "device-specific");
}

TEST_F(Confspace, AWriteAcrossTwoFieldsHandlesEveryByte) {
  // Cache line size and latency are scratch; header type and BIST are fixed.
  auto fx = dev.write(0x0c, 4, 0x40ff2010);
  EXPECT_EQ(dev.read(0x0c, 4), 0x00002010u);
  EXPECT_EQ(Device::find(fx, CS_EFF_HW_WRITE), nullptr);
  EXPECT_NE(Device::find(fx, CS_EFF_DENIED), nullptr);
}

TEST_F(Confspace, AVfReadsItsRealIdentityAndMemoryEnabled) {
  Device vf;
  vf.put(0, 4, 0xffffffff);
  vf.info.is_vf = true;
  ASSERT_EQ(vf.init(), 0);
  EXPECT_EQ(vf.read(0, 4), 0x10d38086u);
  EXPECT_EQ(vf.read(4, 2), 2u);
}

}  // namespace
