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
/// As load_assignments(); of a domain or a device that is configured twice the first entry counts.
Loaded<DriverDomains> load_driver_domains(const std::filesystem::path& directory);
/// A domain or a device cannot be both supervised and assigned; the error names both places.
Result<void> check_overlap(const DriverDomains& domains, const Assignment& assignment);

/// Both directories, as they are in effect together.
struct Configured {
  Assignments assignments;
  DriverDomains domains;
  std::vector<Problem> problems;

  /// What is wrong with the entry of a domain that has none in effect; null: nothing.
  [[nodiscard]] const Problem* problem_of(std::string_view domain) const;
};
/// Where a driver domain and an assignment overlap, the driver domain's entry counts. What `former`
/// had of entries that cannot be read now, or that may be in a file that cannot be, stays.
Configured load_configured(const Paths& paths, const Configured& former = {});

}  // namespace pciassign::config
