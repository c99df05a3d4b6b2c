// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The files of a configuration directory and the entries in them. Nothing that is wrong with one
/// keeps another from being read.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pciassign/config.hpp"
#include "toml_reader.hpp"

namespace pciassign::config {

/// Larger than anything that a person writes.
constexpr std::size_t kMostFileBytes = 1 << 20;

/// Every *.toml by name; a missing directory holds none. Never waits: only regular files are read.
void read_toml_files(
    const std::filesystem::path& directory, std::vector<Problem>& problems,
    const std::function<void(const std::string& file, const std::string& text)>& use);

/// The entries below the table `kind` ("domain") in the order in which they are written; an error
/// that `use` returns is the entry's problem.
void read_entries(
    std::string_view kind, std::string_view text, const std::string& origin,
    std::vector<Problem>& problems,
    const std::function<Result<void>(const std::string& name, const toml::node& node)>& use);

Problem problem_of_entry(const std::filesystem::path& file, const std::string& domain, Error error);

}  // namespace pciassign::config
