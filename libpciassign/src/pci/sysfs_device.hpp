// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// One function as sysfs shows it.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pciassign/pci_bus.hpp"

namespace pciassign::detail {

/// Lines "start end flags" of sysfs `resource`: BARs 0-5 and the ROM (6).
std::vector<Region> parse_resource(std::string_view text);

/// Where a path below /sys/devices lies on the PCI bus.
struct Place {
  std::string root;             ///< "pci0000:00": the last host bridge on the way.
  std::vector<Sbdf> functions;  ///< All functions on the way, the device of the path itself last.
  std::size_t above_root = 0;   ///< So many of them lie above that host bridge (Intel's VMD).
};
Place place_of(const std::filesystem::path& real);

/// Everything but name and in_use. Empty when the directory is not there (any more).
std::optional<Device> read_device(const std::filesystem::path& directory, const Sbdf& sbdf);

}  // namespace pciassign::detail
