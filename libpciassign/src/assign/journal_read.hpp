// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The files of a journal's directory, as they are.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "pciassign/journal.hpp"

namespace pciassign::detail {

inline constexpr const char* kJournalTemporary = ".new";

/// "0000-03-00-0.json"
std::filesystem::path journal_file_name(const Sbdf& device);
/// The device that a file of that name would tell of.
std::optional<Sbdf> device_of_journal_file(const std::filesystem::path& name);

/// The names in the directory but those of files that are being written; empty where there is no
/// directory.
Result<std::vector<std::string>> journal_names(const std::filesystem::path& directory);

/// The record of `device` in the file, of whatever boot. Empty: there is no such file. An error
/// (E-OWNED) names the file, which is damaged.
Result<std::optional<AttachmentRecord>> read_journal_file(const std::filesystem::path& file,
                                                          const Sbdf& device);

}  // namespace pciassign::detail
