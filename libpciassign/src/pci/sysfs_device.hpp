// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// One function as sysfs shows it.
#pragma once
#include <filesystem>
#include <optional>
#include <string_view>

#include "pciassign/pci_bus.hpp"

namespace pciassign::detail {

/// Lines "start end flags" of sysfs `resource`: BARs 0-5 and the ROM (6).
std::vector<Region> parse_resource(std::string_view text);

/// Everything but name and in_use. Empty when the directory is not there (any more).
std::optional<Device> read_device(const std::filesystem::path& directory, const Sbdf& sbdf);

}  // namespace pciassign::detail
