// SPDX-License-Identifier: GPL-2.0-only
// A function whose hardware is plain memory and obeys the effects. The tests and the fuzz targets
// get one from a capture (captures.hpp) or the made-up one (device.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "confspace/confspace.h"

namespace hosted {

struct Function {
  std::string name;
  std::vector<std::uint8_t> hw;
  cs_info info{};
  std::unique_ptr<cs_space> cs = std::make_unique<cs_space>();

  explicit Function(std::uint16_t size = CS_SIZE_EXT) : hw(size, 0) {}
  Function(const Function& other)
      : name(other.name),
        hw(other.hw),
        info(other.info),
        cs(std::make_unique<cs_space>(*other.cs)) {}

  void put(int off, int size, std::uint32_t v) {
    for (int i = 0; i < size; i++) hw.at(off + i) = static_cast<std::uint8_t>(v >> 8 * i);
  }
  std::uint32_t get(int off, int size) const {
    std::uint32_t v = 0;
    for (int i = 0; i < size; i++) v |= std::uint32_t{hw.at(off + i)} << 8 * i;
    return v;
  }

  int init() { return cs_init(cs.get(), hw.data(), static_cast<std::uint16_t>(hw.size()), &info); }

  bool valid(int off, int size) const { return cs_check(cs.get(), off, size) == 0; }

  std::uint32_t read(int off, int size) {
    std::uint32_t value = 0;
    cs_read(cs.get(), off, size, wanted(off, size, false), &value);
    return value;
  }
  cs_effects write(int off, int size, std::uint32_t value) {
    cs_effects fx{};
    cs_write(cs.get(), off, size, value, wanted(off, size, true), &fx);
    for (unsigned i = 0; i < fx.nr; i++)
      if (fx.e[i].type == CS_EFF_HW_WRITE) put(fx.e[i].off, fx.e[i].size, fx.e[i].value);
    return fx;
  }
  static const cs_effect* find(const cs_effects& fx, cs_effect_type type) {
    for (unsigned i = 0; i < fx.nr; i++)
      if (fx.e[i].type == type) return &fx.e[i];
    return nullptr;
  }

 private:
  // As the kernel's side does it: hardware is read only where the answer depends on it.
  std::uint32_t wanted(int off, int size, bool write) const {
    return cs_wants_hw(cs.get(), off, size, write) ? get(off, size) : 0;
  }
};

}  // namespace hosted
