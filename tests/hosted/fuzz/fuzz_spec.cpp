// SPDX-License-Identifier: GPL-2.0-only
// Text as hide=, new_slot and quirks take it.
#include <cstdint>
#include <cstdlib>

#include "pciback/spec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const char* s = reinterpret_cast<const char*>(data);
  spec_bdf b{};
  spec_quirk q{};
  std::size_t pos = 0;
  if (spec_parse_bdf(s, size, true, &b) == 0 && (b.bus > 0xff || b.slot > 31 || b.func > 7))
    std::abort();
  if (spec_parse_quirk(s, size, &q) == 0 && (q.reg > 0xfff || q.reg % q.size)) std::abort();
  while (spec_next_hidden(s, size, &pos, &b) > 0)
    if (pos > size) std::abort();
  return 0;
}
