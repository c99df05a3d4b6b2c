// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The driver domains that the daemon supervises: /etc/pciassign/domains.d/*.toml.
/// Errors are ErrorKind::usage and begin with file:line:column.
#pragma once
#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pciassign/config.hpp"
#include "pciassign/config_names.hpp"

namespace pciassign::config {

enum class DriverClass { net, block };
std::string_view to_string(DriverClass driver_class) noexcept;

struct DriverDomain {
  std::string name;  ///< One that DriverDomainName::parse() takes.
  DriverClass driver_class = DriverClass::net;
  std::vector<DeviceSpec> devices;
  std::filesystem::path config;  ///< For xl.
  bool standby = false;
  bool autostart = true;
  std::chrono::seconds heartbeat_timeout{10};  ///< 0: hangs are not detected.
  std::chrono::seconds start_timeout{60};
  std::size_t most_crashes = 5;
  std::chrono::seconds crash_window{300};
  std::string origin;  ///< file:line:column of the entry.

  /// The standby instance's, beside `config`.
  [[nodiscard]] std::filesystem::path standby_config() const {
    return config.parent_path() / "standby.cfg";
  }
  [[nodiscard]] std::string standby_name() const { return name + "-standby"; }
};
using DriverDomains = std::map<std::string, DriverDomain, std::less<>>;

Result<DriverDomains> parse_driver_domains(std::string_view text, const std::string& origin);
/// Every *.toml of the directory in the order of their names; a missing directory holds none.
/// A domain or a device that is configured twice is an error that names both places.
Result<DriverDomains> load_driver_domains(const std::filesystem::path& directory);
/// A domain or a device cannot be both supervised and assigned; the error names both places.
Result<void> check_overlap(const DriverDomains& domains, const Assignments& assignments);

}  // namespace pciassign::config
