// SPDX-License-Identifier: GPL-2.0-only
// Access sequences. Byte 0: the device; byte 1: the modes; then a step in each 7 bytes: kind and
// size, offset, value. The oracle predicts every answer and every effect.
#include <cstring>

#include "access_target.hpp"

using hosted::Step;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hosted::count_accesses();
  if (size < 2) return -1;
  const auto& start = hosted::pairs()[data[0] % hosted::pairs().size()];
  static hosted::Function f = start.function;
  f.name = start.function.name;
  f.hw = start.function.hw;
  f.info = start.function.info;
  *f.cs = *start.function.cs;
  hosted::Oracle oracle = start.oracle;
  f.cs->permissive = oracle.permissive = data[1] & 1;
  f.cs->interrupt_control = oracle.interrupt_control = data[1] & 2;

  for (data += 2, size -= 2; size >= 7; data += 7, size -= 7) {
    std::uint16_t off;
    std::uint32_t value;
    std::memcpy(&off, data + 1, 2);
    std::memcpy(&value, data + 3, 4);
    hosted::accesses++;
    const unsigned kind = data[0] & 7;
    if (kind == 7) {
      // Whatever the guest says: the check alone decides, and a refused access does nothing.
      const auto wild = static_cast<std::int32_t>(value), len = static_cast<std::int32_t>(off) - 8;
      const bool good = (len == 1 || len == 2 || len == 4) && wild >= 0 && wild % len == 0 &&
                        std::int64_t{wild} + len <= static_cast<std::int64_t>(f.hw.size());
      if ((cs_check(f.cs.get(), wild, len) == 0) != good) std::abort();
      std::uint32_t got = 1;
      cs_effects fx{};
      if (!good && (cs_write(f.cs.get(), wild, len, value, 0, &fx) == 0 || fx.nr ||
                    cs_read(f.cs.get(), wild, len, 0, &got) == 0 || got))
        std::abort();
      continue;
    }
    const auto len = static_cast<std::uint8_t>(1u << (data[0] >> 3 & 3) % 3);
    off &= static_cast<std::uint16_t>(f.hw.size() - 1) & static_cast<std::uint16_t>(~(len - 1));
    if (data[0] & 0x20) off &= 0xff;
    if (data[0] & 0x40) value = data[0] & 0x80 ? ~0u : f.get(off, len) ^ value;
    static constexpr Step::Kind kinds[] = {Step::write, Step::write, Step::write,   Step::read,
                                           Step::vpd,   Step::quirk, Step::hardware};
    const Step step{kinds[kind], len, off, value};
    if (auto why = differ(f, oracle, step); !why.empty())
      hosted::agree(f.name + ": " + text(step) + ": " + why);
  }
  hosted::agree(differ(f, oracle, 0x100));
  return 0;
}
