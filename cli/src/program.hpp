// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Running another program (xl) and keeping what it says.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "pciassign/result.hpp"

namespace pciassign::cli {

struct ProgramEnd {
  int status = 0;      ///< Exit status, or 128 + signal.
  std::string output;  ///< stdout and stderr together.
  /// The line of the output that most likely says what went wrong.
  [[nodiscard]] std::string last_words() const;
};

/// Waits for the program itself, not for children that it leaves behind (xl's monitor).
Result<ProgramEnd> run_program(const std::vector<std::string>& words);

/// A file of ours only, removed at the end.
class TemporaryFile {
 public:
  static Result<TemporaryFile> make(std::string_view text);
  TemporaryFile(TemporaryFile&& other) noexcept;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile();
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace pciassign::cli
