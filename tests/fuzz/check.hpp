// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// What the targets share: their input as text, and an end that libFuzzer notices.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace pciassign::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline void require(bool well, const char* what, const std::string& about = {}) {
  if (well) return;
  std::fprintf(stderr, "broken: %s: %s\n", what, about.c_str());
  std::abort();
}

}  // namespace pciassign::fuzz
