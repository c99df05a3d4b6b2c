// SPDX-License-Identifier: GPL-2.0-only
// One step against a function and its oracle, and whether both agree. The property test and the
// fuzz target make the steps.
#pragma once

#include <algorithm>
#include <sstream>
#include <string>

#include "function.hpp"
#include "oracle.hpp"

namespace hosted {

struct Step {
  enum Kind : std::uint8_t { read, write, vpd, hardware, quirk };
  Kind kind;
  std::uint8_t size;
  std::uint16_t off;
  std::uint32_t value;
};

inline std::string text(const Step& s) {
  static const char* names[] = {"read", "write", "vpd", "hardware", "quirk"};
  std::ostringstream out;
  out << names[s.kind] << std::hex << " 0x" << s.off << " size " << +s.size << " 0x" << s.value;
  return out.str();
}

inline std::string hex(std::int64_t v) {
  std::ostringstream out;
  if (v < 0)
    out << "none";
  else
    out << std::hex << v;
  return out.str();
}

inline std::string differ_in_write(Function& f, Oracle& oracle, const Step& s) {
  const auto fx = f.write(s.off, s.size, s.value);
  const auto expected = oracle.write(s.off, s.size, s.value);
  Oracle::Outcome caused;
  std::string why;
  for (unsigned i = 0; i < fx.nr; i++) {
    const cs_effect& e = fx.e[i];
    if (e.type != CS_EFF_HW_WRITE) {
      if (caused.effects[e.type] != Oracle::Outcome::kNone) why += "an effect twice; ";
      caused.effects[e.type] = e.value;
      continue;
    }
    if (e.off < s.off || e.off + e.size > s.off + s.size || e.off % e.size)
      why += "hardware written at " + hex(e.off) + "; ";
    caused.driven |= ((1u << e.size) - 1) << (e.off - s.off);
  }
  for (std::size_t i = 0; i < caused.effects.size(); i++)
    if (caused.effects[i] != expected.effects[i])
      why += "effect " + hex(static_cast<int>(i)) + " with " + hex(caused.effects[i]) +
             " instead of " + hex(expected.effects[i]) + "; ";
  if (caused.driven != expected.driven)
    why += "drove bytes " + hex(caused.driven) + " instead of " + hex(expected.driven) + "; ";
  for (int i = 0; i < s.size; i++)
    if (f.hw[s.off + i] != oracle.hw[s.off + i]) why += "hardware differs; ";
  return why;
}

// Nothing, or what they disagree about. off and size are those of a valid access.
inline std::string differ(Function& f, Oracle& oracle, const Step& s) {
  switch (s.kind) {
    case Step::read: {
      const auto got = f.read(s.off, s.size), want = oracle.read(s.off, s.size);
      if (got != want) return "read " + hex(got) + " instead of " + hex(want);
      break;
    }
    case Step::write:
      return differ_in_write(f, oracle, s);
    case Step::vpd:
      cs_vpd_done(f.cs.get(), s.value);
      oracle.vpd_done(s.value);
      break;
    case Step::hardware:
      // The device changes by itself, or claims to be another: the layout stays.
      f.put(s.off, s.size, s.value);
      for (int i = 0; i < s.size; i++) oracle.hw[s.off + i] = f.hw[s.off + i];
      break;
    case Step::quirk:
      if ((cs_add_quirk(f.cs.get(), s.off, s.size, s.value) == 0) !=
          oracle.quirk(s.off, s.size, s.value))
        return "one takes the quirk";
      break;
  }
  return {};
}

// The view, up to end, and the whole hardware.
inline std::string differ(Function& f, const Oracle& oracle, int end = CS_SIZE_EXT) {
  std::string why;
  for (int off = 0; off < std::min(end, static_cast<int>(f.hw.size())); off += 4) {
    const auto got = f.read(off, 4), want = oracle.read(off, 4);
    if (got != want) why += hex(off) + " reads " + hex(got) + " instead of " + hex(want) + '\n';
  }
  if (f.hw != oracle.hw) why += "the hardware differs\n";
  return why;
}

}  // namespace hosted
