// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The files of a configuration directory, in the order in which they are read.
#pragma once
#include <filesystem>
#include <vector>

#include "pciassign/result.hpp"

namespace pciassign::config {

/// Every *.toml by name; a missing directory holds none.
Result<std::vector<std::filesystem::path>> toml_files(const std::filesystem::path& directory);

}  // namespace pciassign::config
