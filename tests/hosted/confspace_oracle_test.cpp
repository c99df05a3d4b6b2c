// SPDX-License-Identifier: GPL-2.0-only
// Random accesses against an oracle that knows nothing of masks: it splits each access into bytes
// and states what must hold whatever the tables say.
#include <gtest/gtest.h>

#include <random>

#include "device.hpp"

using hosted::Device;

namespace {

// Bytes that no guest may change in the hardware, in any mode.
bool is_protected(int off) {
  auto in = [&](int from, int len) { return off >= from && off < from + len; };
  // The last one's body is known, and what follows it is the device's own.
  if (off >= 0x100) return off < Device::kSerial + 12;
  return off < 0x40 || in(Device::kPm, 8) || in(Device::kMsi, 24) || in(Device::kMsix, 12) ||
         in(Device::kPcie, 0x3c) || in(Device::kAf, 6) || in(Device::kVpd, 8) ||
         in(Device::kUnknown, 32);
}

class Oracle : public testing::TestWithParam<unsigned> {};

TEST_P(Oracle, ProtectedBytesNeverChangeAndWideAccessesEqualNarrowOnes) {
  std::mt19937 rng(GetParam());
  Device wide, narrow;
  ASSERT_EQ(wide.init(), 0);
  ASSERT_EQ(narrow.init(), 0);
  wide.cs->permissive = narrow.cs->permissive = GetParam() % 2;
  wide.cs->interrupt_control = narrow.cs->interrupt_control = GetParam() % 3 == 0;
  const auto before = wide.hw;

  for (int step = 0; step < 20000; step++) {
    const int size = 1 << rng() % 3;
    const int limit = rng() % 4 ? 256 : 4096;
    const int off = static_cast<int>(rng() % (limit / size)) * size;
    std::uint32_t value = rng();
    if (rng() % 4 == 0) value = 0xffffffff;
    if (rng() % 8 == 0) value = 0;
    if (rng() % 2) {
      auto fx = wide.write(off, size, value);
      ASSERT_LE(fx.nr, unsigned{CS_MAX_EFFECTS});
      for (unsigned i = 0; i < fx.nr; i++) {
        if (fx.e[i].type == CS_EFF_DECODE_ON) {
          ASSERT_EQ(fx.e[i].value & ~3u, 0u);
          ASSERT_NE(fx.e[i].value, 0u);
        }
        if (fx.e[i].type != CS_EFF_HW_WRITE) continue;
        for (int b = 0; b < fx.e[i].size; b++) {
          ASSERT_FALSE(is_protected(fx.e[i].off + b)) << std::hex << fx.e[i].off + b;
        }
      }
      for (int b = 0; b < size; b++) narrow.write(off + b, 1, value >> 8 * b & 0xff);
    } else {
      std::uint32_t bytes = 0;
      for (int b = 0; b < size; b++) bytes |= wide.read(off + b, 1) << 8 * b;
      ASSERT_EQ(wide.read(off, size), bytes) << std::hex << off;
    }
  }
  for (std::size_t off = 0; off < before.size(); off++) {
    if (is_protected(static_cast<int>(off))) {
      ASSERT_EQ(wide.hw[off], before[off]) << std::hex << off;
    }
    ASSERT_EQ(wide.read(static_cast<int>(off), 1), narrow.read(static_cast<int>(off), 1))
        << std::hex << off;
    ASSERT_EQ(wide.hw[off], narrow.hw[off]) << std::hex << off;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Oracle, testing::Range(1u, 25u));

// Whatever a device shows when it is seized, building the view ends and stays inside.
TEST(ConfspaceLayout, AnySnapshotIsSurvived) {
  std::mt19937 rng(7);
  for (int round = 0; round < 3000; round++) {
    Device dev(round % 4 ? CS_SIZE_STD : CS_SIZE_EXT);
    const int changes = static_cast<int>(rng() % 200);
    for (int i = 0; i < changes; i++)
      dev.hw[rng() % dev.hw.size()] = static_cast<std::uint8_t>(rng());
    dev.hw[0x0e] &= 0x80;
    dev.hw[6] |= 0x10;
    ASSERT_EQ(dev.init(), 0);
    unsigned pos = dev.read(0x34, 1), steps = 0;
    while (pos) {
      ASSERT_LT(steps++, 48u);
      ASSERT_GE(pos, 0x40u);
      pos = dev.read(static_cast<int>(pos) + 1, 1);
    }
    for (int off = 0; off < static_cast<int>(dev.hw.size()); off += 4) {
      dev.write(off, 4, rng());
      dev.read(off, 4);
    }
  }
}

}  // namespace
