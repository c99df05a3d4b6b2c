// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Which modules of a kernel are wanted, with all that they need, in the order in which they are
/// loaded. The one place that knows libkmod.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "pciassign/result.hpp"

namespace pciassign::image {

struct Wanted {
  /// A module's name, an alias (a device's modalias), or a file (with a slash in it); of several
  /// the first that the kernel knows.
  std::vector<std::string> names;
  std::string why;        ///< For errors: "the device 0000:00:04.0".
  bool optional = false;  ///< Nothing of that name is no error.
};

struct Module {
  std::string name;
  std::filesystem::path file;
  std::vector<std::string> firmware;  ///< Names below /lib/firmware that it may ask for.
};

/// `tree` is /lib/modules/VERSION. What is built into the kernel needs no module. The machine's
/// modprobe.d does not count: what it keeps from dom0 is for the driver domain.
Result<std::vector<Module>> modules_in_order(const std::filesystem::path& tree,
                                             const std::string& version,
                                             const std::vector<Wanted>& wanted);

}  // namespace pciassign::image
