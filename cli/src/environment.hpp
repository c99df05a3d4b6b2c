// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// The world as the command line sees it, so that tests can give it another one.
#pragma once
#include <chrono>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>

#include "pciassign/toolstack.hpp"

namespace pciassign::cli {

/// A toolstack with the ports that it stands on.
class LocalToolstack {
 public:
  virtual ~LocalToolstack() = default;
  virtual Toolstack& toolstack() = 0;
};

inline constexpr const char* kConfigFile = "/etc/pciassign/pciassignd.toml";

struct Environment {
  std::ostream& out;
  std::ostream& err;
  bool colour = false;    ///< stdout is a terminal, and NO_COLOR is not set.
  bool progress = false;  ///< stderr is a terminal.
  /// What is over sooner shows no progress.
  std::chrono::milliseconds progress_after{500};
  /// Opens Xen, xenstore and sysfs directly, for commands that only read.
  std::function<Result<std::unique_ptr<LocalToolstack>>()> open_local;
  /// True once the user pressed Ctrl-C.
  std::function<bool()> interrupted = [] { return false; };
  std::string xl = "xl";
  std::string config_file = kConfigFile;
  std::string agent{};  ///< What runs in driver domains, as it is installed.
  std::string root{};   ///< Before /sys, /proc and /etc, for tests.
};

}  // namespace pciassign::cli
