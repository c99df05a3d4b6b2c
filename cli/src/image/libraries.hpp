// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Which libraries a program of this machine needs.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "pciassign/result.hpp"

namespace pciassign::image {

/// The program's dynamic loader, and the libraries that it finds; none for a static program.
Result<std::vector<std::string>> libraries_of(const std::filesystem::path& program);

}  // namespace pciassign::image
