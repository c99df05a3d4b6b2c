// SPDX-License-Identifier: GPL-2.0-only
// What a device may show when it is seized. Byte 0: the device to begin with; then an edit of its
// configuration space in each 3 bytes. The view has to be the oracle's, before and after every
// register was written.
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
  const bool permissive = data[1] & 1;
  for (data += 2, size -= 2; size >= 3; data += 3, size -= 3)
    f.hw[(data[0] | data[1] << 8) % f.hw.size()] = data[2];
  if ((f.hw[0x0e] & 0x7f) != 0) return f.init() == 0 ? std::abort(), 0 : 0;
  if (f.init()) std::abort();
  hosted::Oracle oracle(f.hw, f.info);
  f.cs->permissive = oracle.permissive = permissive;
  hosted::agree(differ(f, oracle));
  for (int off = 0; off < static_cast<int>(f.hw.size()); off += 4) {
    const Step step{Step::write, 4, static_cast<std::uint16_t>(off), ~f.get(off, 4)};
    hosted::accesses++;
    if (auto why = differ(f, oracle, step); !why.empty()) hosted::agree(text(step) + ": " + why);
  }
  hosted::agree(differ(f, oracle));
  return 0;
}
