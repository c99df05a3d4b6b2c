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

/// The file's text without the newline at its end; empty when it cannot be read.
std::optional<std::string> read_text(const fs::path& path, std::size_t limit = 1U << 20);
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
