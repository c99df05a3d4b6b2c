// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// What a shell makes of a command that was printed, with stand-ins for the programs.
#pragma once
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace pciassign::test {

/// The words that arrive, the program's name first; nothing of the text may do anything else.
inline std::vector<std::string> pasted(const std::string& command) {
  std::string pattern = ::testing::TempDir() + "pasted.XXXXXX";
  const std::filesystem::path directory = ::mkdtemp(pattern.data());
  for (const char* program : {"pciassign", "xl"}) {
    std::ofstream(directory / program)
        << "#!/bin/sh\nprintf '%s\\n' " << program << " \"$@\" >>" << directory << "/words\n";
    ::chmod((directory / program).c_str(), 0755);
  }
  // Nothing but the stand-ins can be found.
  const std::string line =
      "cd " + directory.string() + "; PATH=" + directory.string() + "\n" + command + "\n";
  EXPECT_EQ(std::system(line.c_str()), 0) << command;
  std::vector<std::string> words;
  std::ifstream in(directory / "words");
  for (std::string word; std::getline(in, word);) words.push_back(word);
  in.close();
  std::filesystem::remove_all(directory);
  return words;
}

}  // namespace pciassign::test
