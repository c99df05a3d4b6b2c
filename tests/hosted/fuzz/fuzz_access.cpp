// SPDX-License-Identifier: GPL-2.0-only
// Access sequences: 10 bytes each; the first byte of the input picks the modes, the next 64 change
// the snapshot. Protected registers of the hardware must be unchanged at the end.
#include <cstdlib>
#include <cstring>

#include "device.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 65) return 0;
  hosted::Device dev;
  for (int i = 0; i < 64; i += 2)
    if (data[1 + i] >= 0x40) dev.hw[data[1 + i]] = data[2 + i];
  if (dev.init()) return 0;
  dev.cs->permissive = data[0] & 1;
  dev.cs->interrupt_control = data[0] & 2;
  const auto before = dev.hw;
  for (data += 65, size -= 65; size >= 10; data += 10, size -= 10) {
    std::int32_t off;
    std::uint32_t value;
    std::memcpy(&off, data + 1, 4);
    std::memcpy(&value, data + 5, 4);
    if (data[0] & 2) off &= 0xffc;
    const int len = data[9] & 0x80 ? static_cast<std::int8_t>(data[9]) : 1 << data[9] % 4;
    if (data[0] & 1) {
      auto fx = dev.write(off, len, value);
      if (fx.nr > CS_MAX_EFFECTS) std::abort();
    } else {
      dev.read(off, len);
    }
  }
  for (int off = 0; off < 0x40; off++)
    if (off != 6 && off != 7 && dev.hw[off] != before[off]) std::abort();
  auto same = [&](int from, int len) {
    if (from && std::memcmp(&dev.hw[from], &before[from], len)) std::abort();
  };
  same(dev.cs->msi, 10);
  same(dev.cs->msix, 12);
  same(dev.cs->pm, 8);
  return 0;
}
