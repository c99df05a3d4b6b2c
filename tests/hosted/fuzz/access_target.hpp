// SPDX-License-Identifier: GPL-2.0-only
// What the targets share: the devices, made once, and the count of accesses that scripts/fuzz adds
// up.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "captures.hpp"
#include "device.hpp"
#include "steps.hpp"

namespace hosted {

struct Pair {
  Function function;
  Oracle oracle;
};

// A device's index in the input has to keep its meaning, or the corpus loses its own: the made-up
// one is the first.
inline const std::vector<Pair>& pairs() {
  static const auto all = [] {
    std::vector<Pair> list;
    Device made_up;
    if (made_up.init()) std::abort();
    list.push_back({made_up, Oracle(made_up.hw, made_up.info)});
    for (auto& f : captures()) list.push_back({f, Oracle(f.hw, f.info)});
    return list;
  }();
  return all;
}

inline unsigned long accesses = 0;

inline void count_accesses() {
  static const bool once = [] {
    return std::atexit([] { std::fprintf(stderr, "stat::accesses: %lu\n", accesses); }) == 0;
  }();
  if (!once) std::abort();
}

inline void agree(const std::string& why) {
  if (why.empty()) return;
  std::fprintf(stderr, "%s\n", why.c_str());
  std::abort();
}

}  // namespace hosted
