// SPDX-License-Identifier: GPL-2.0-only
// The captured devices of captures/*.txt; tests/testbed/captures makes these files.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "function.hpp"

namespace hosted {

// As dom0's sysfs has it: first address, last address, flags (linux/ioport.h).
inline cs_bar bar_of_resource(std::uint64_t start, std::uint64_t end, std::uint64_t flags) {
  if (!flags || !start) return {};
  return {start, end - start + 1, (flags & 0x100) != 0, (flags & 0x100000) != 0,
          (flags & 0x2000) != 0};
}

inline Function read_capture(const std::filesystem::path& file) {
  std::ifstream in(file);
  Function f(CS_SIZE_STD);
  f.name = file.stem();
  int resources = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word >> std::hex;
    if (word.empty() || word[0] == '#') continue;
    if (word == "irq") {
      unsigned irq;
      words >> std::dec >> irq;
      f.info.irq_line = static_cast<std::uint8_t>(irq < 256 ? irq : 0);
    } else if (word == "vf") {
      f.info.is_vf = true;
      words >> f.info.vendor >> f.info.device;
    } else if (word == "resource") {
      std::uint64_t start, end, flags;
      words >> start >> end >> flags;
      f.info.bar[resources++] = bar_of_resource(start, end, flags);
    } else if (word == "size") {
      std::size_t size;
      words >> std::dec >> size;
      f.hw.assign(size, 0);
      continue;
    } else {
      auto off = std::stoul(word, nullptr, 16);
      for (unsigned byte; words >> byte; off++) f.put(static_cast<int>(off), 1, byte);
      continue;
    }
    if (!words) throw std::runtime_error(file.string() + ": " + line);
  }
  if (!f.info.is_vf) {
    f.info.vendor = static_cast<std::uint16_t>(f.get(0, 2));
    f.info.device = static_cast<std::uint16_t>(f.get(2, 2));
  }
  // No pin, no line: what dom0 calls irq then is nothing.
  if (!f.get(0x3d, 1)) f.info.irq_line = 0;
  if (resources != CS_NBARS || f.init())
    throw std::runtime_error(file.string() + ": not a capture");
  return f;
}

// Each of them initialised; in the order of their names.
inline std::vector<Function> captures() {
  std::vector<std::filesystem::path> files;
  for (auto& entry : std::filesystem::directory_iterator(PCIASSIGN_CAPTURES))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<Function> all;
  for (auto& file : files) all.push_back(read_capture(file));
  return all;
}

}  // namespace hosted
