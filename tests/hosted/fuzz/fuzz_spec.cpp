// SPDX-License-Identifier: GPL-2.0-only
// Text as hide=, new_slot and quirks take it: what is taken is in range, and says the same again
// when it is written out.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

#include "pciback/spec.h"

namespace {

void bounded(const spec_bdf& b, bool wild) {
  if (b.domain > 0xffff || b.bus > 0xff) std::abort();
  if (b.slot != SPEC_ANY && b.slot > 31) std::abort();
  if (b.func != SPEC_ANY && b.func > 7) std::abort();
  if (!wild && (b.slot == SPEC_ANY || b.func == SPEC_ANY)) std::abort();
  if (b.slot == SPEC_ANY && b.func != SPEC_ANY) std::abort();
}

void again(const spec_bdf& b) {
  char slot[8] = "*", func[8] = "*", all[40];
  if (b.slot != SPEC_ANY) std::snprintf(slot, sizeof(slot), "%02x", b.slot);
  if (b.func != SPEC_ANY) std::snprintf(func, sizeof(func), "%x", b.func);
  const int n = std::snprintf(all, sizeof(all), "%04x:%02x:%s.%s", b.domain, b.bus, slot, func);
  spec_bdf c{};
  if (spec_parse_bdf(all, static_cast<std::size_t>(n), true, &c)) std::abort();
  if (c.domain != b.domain || c.bus != b.bus || c.slot != b.slot || c.func != b.func) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const char* s = reinterpret_cast<const char*>(data);
  spec_bdf b{};
  for (bool wild : {false, true})
    if (spec_parse_bdf(s, size, wild, &b) == 0) {
      bounded(b, wild);
      again(b);
    }
  spec_quirk q{};
  if (spec_parse_quirk(s, size, &q) == 0) {
    if ((q.size != 1 && q.size != 2 && q.size != 4) || q.reg > 4096 - q.size || q.reg % q.size)
      std::abort();
    bounded(q.bdf, false);
    again(q.bdf);
  }
  std::size_t pos = 0, before = 0;
  while (spec_next_hidden(s, size, &pos, &b) > 0) {
    if (pos > size || pos <= before) std::abort();
    before = pos;
    bounded(b, true);
    again(b);
  }
  return 0;
}
