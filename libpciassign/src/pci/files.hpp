// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Small reads and writes of sysfs and procfs files, with the path in every error.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pciassign/result.hpp"

namespace pciassign::detail {

namespace fs = std::filesystem;

/// An open file, closed at the end; below 0: it could not be opened.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const fs::path& path, int flags);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

/// An open directory: what is read of one device costs no walk of the whole path each time.
class Directory {
 public:
  explicit Directory(const fs::path& path);
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  /// As the functions of the same names below.
  [[nodiscard]] std::optional<std::string> text(const char* name, std::size_t limit = 4096) const;
  [[nodiscard]] std::optional<std::uint64_t> number(const char* name) const;
  [[nodiscard]] std::string link(const char* name) const;
  [[nodiscard]] bool has(const char* name) const;
  /// An open file of it for reading, or -1; the caller closes it.
  [[nodiscard]] int open(const char* name) const;

 private:
  int fd_;
};

/// The text of a file of sysfs without the newline at its end; empty when it cannot be read. Not
/// for procfs: one read may give less than there is.
std::optional<std::string> read_text(const fs::path& path, std::size_t limit = 1U << 20);
/// The same of a file that is asked until it says that it has ended: lists of procfs give whole
/// lines, less than a page at a time.
std::optional<std::string> read_to_end(const fs::path& path, std::size_t limit = 64U << 20);
/// One write() of the whole text to an existing file, as sysfs wants it. `offset` for config.
Result<void> write_text(const fs::path& path, std::string_view text, std::int64_t offset = 0);
/// A number as sysfs writes it ("0x8086", "16").
std::optional<std::uint64_t> read_number(const fs::path& path);
/// Last component of the link's target; empty when there is no link.
std::string link_name(const fs::path& link);
/// Names in a directory, sorted; empty when it cannot be read.
std::vector<std::string> names_in(const fs::path& directory);
bool exists(const fs::path& path);
std::vector<std::string> words_of(std::string_view text);

}  // namespace pciassign::detail
