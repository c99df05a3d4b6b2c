// SPDX-License-Identifier: GPL-2.0-only
// Compares a text with a file of the tree; PCIASSIGN_GOLDEN=write writes the file anew.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace hosted {

inline void expect_golden(const std::string& file, const std::string& text) {
  if (std::getenv("PCIASSIGN_GOLDEN")) {
    std::ofstream(file) << text;
    return;
  }
  std::ifstream in(file);
  const std::string golden{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(text, golden) << "differs from " << file << "; PCIASSIGN_GOLDEN=write renews it";
}

}  // namespace hosted
