// SPDX-License-Identifier: GPL-2.0-only
// A made-up function with every capability that the tables have rules for.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "function.hpp"

namespace hosted {

struct Device : Function {
  static constexpr int kPm = 0x40, kMsi = 0x50, kMsix = 0x70, kPcie = 0x80, kVendor = 0xc0,
                       kVpd = 0xd0, kAf = 0xd8, kUnknown = 0xe0, kGap = 0x48;
  static constexpr int kAer = 0x100, kSriov = 0x140, kSerial = 0x180;

  explicit Device(std::uint16_t size = CS_SIZE_EXT) : Function(size) {
    name = "made-up";
    put(0x00, 4, 0x10d38086);
    put(0x04, 2, 0x0003);
    put(0x06, 2, 0x0010);
    put(0x08, 4, 0x02000001);
    put(0x10, 4, 0xfeba0000);
    put(0x14, 4, 0x0000c001);
    put(0x18, 4, 0x0000000c);
    put(0x1c, 4, 0x00000012);
    put(0x30, 4, 0xfeb40000);
    put(0x34, 1, kPm);
    put(0x3c, 2, 0x010b);
    cap(kPm, 0x01, kMsi, {0x23, 0xc8, 0x08, 0x00});
    cap(kMsi, 0x05, kMsix, {0x80, 0x01});
    cap(kMsix, 0x11, kPcie, {0x04, 0x00, 0x03, 0x00, 0x00, 0x00});
    cap(kPcie, 0x10, kVendor, {0x02, 0x00, 0xc1, 0x8c, 0x00, 0x10, 0x10, 0x28});
    cap(kVendor, 0x09, kVpd, {0x10, 0x00, 0xaa, 0xbb});
    cap(kVpd, 0x03, kAf, {0x00, 0x80, 0xde, 0xad});
    cap(kAf, 0x13, kUnknown, {0x06, 0x03, 0x00});
    cap(kUnknown, 0x77, 0x00, {0x12, 0x34});
    put(kGap, 4, 0xcafef00d);
    if (size == CS_SIZE_EXT) {
      put(kAer, 4, 0x14020001);
      put(kAer + 4, 4, 0x00100000);
      put(kSriov, 4, 0x18010010);
      put(kSriov + 8, 2, 0x0001);
      put(kSerial, 4, 0x00010003);
      put(kSerial + 4, 4, 0x11223344);
    }
    info.vendor = 0x8086;
    info.device = 0x10d3;
    info.irq_line = 20;
    info.bar[0] = {0xfeba0000, 0x20000, false, false, false};
    info.bar[1] = {0xc000, 0x20, true, false, false};
    info.bar[2] = {0x1200000000, 0x200000000, false, true, true};
    info.bar[CS_ROM] = {0xfeb40000, 0x40000, false, false, false};
  }

  void cap(int at, std::uint8_t id, std::uint8_t next, std::initializer_list<std::uint8_t> body) {
    hw.at(at) = id;
    hw.at(at + 1) = next;
    int off = at + 2;
    for (auto byte : body) hw.at(off++) = byte;
  }
};

}  // namespace hosted
