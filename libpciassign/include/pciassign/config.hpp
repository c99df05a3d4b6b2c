// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The daemon's configuration: /etc/pciassign/pciassignd.toml and assignments.d/*.toml.
/// Errors are ErrorKind::usage and begin with file:line:column.
#pragma once
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pciassign/result.hpp"
#include "pciassign/toolstack.hpp"

namespace pciassign::config {

/// Something in a directory of configuration files that cannot be used. It concerns itself only:
/// what else the directory holds counts.
struct Problem {
  std::filesystem::path file;  ///< The directory where that cannot be read.
  Error error;                 ///< Its message begins with the file, and says where in it.
  /// The domains that it is about, as far as that can be told.
  std::vector<std::string> domains;
  bool whole = false;  ///< About the file: it may have entries that nobody can name.
  bool minor = false;  ///< Nothing is missing because of it.
  std::vector<std::string> kept = {};  ///< Domains whose former entries stay in effect.
};

/// What could be read, and what could not.
template <class T>
struct Loaded {
  T good;
  std::vector<Problem> problems;
};

/// The file in "file:line:column".
std::filesystem::path file_of(std::string_view origin);

enum class LogLevel { debug, info, warning, error };
Result<LogLevel> parse_log_level(std::string_view text);
std::string_view to_string(LogLevel level) noexcept;

struct Limits {
  std::size_t clients = 64;             ///< Connections; a half of them for root only.
  std::size_t message_bytes = 1 << 20;  ///< Longest request.
  std::size_t plans = 64;               ///< Plans under way.
};

struct Paths {
  std::filesystem::path state = "/var/lib/pciassign";  ///< What outlasts a boot.
  std::filesystem::path runtime = "/run/pciassign";    ///< What is true of this boot only.
  std::filesystem::path socket = "/run/pciassign/control.sock";
  std::filesystem::path assignments = "/etc/pciassign/assignments.d";
  std::filesystem::path domains = "/etc/pciassign/domains.d";
  std::filesystem::path metrics_socket = "/run/pciassign/metrics.sock";  ///< Empty: none.
  std::filesystem::path metrics_file;                                    ///< Empty: none.
  std::string sysfs = "/sys";
  std::string xl;  ///< What creates and destroys driver domains; empty: that of the running Xen.
};

/// A path of `[paths]`, which has to mean the same place whatever the working directory is:
/// absolute, without ".." and control characters; what else it has of "." and "//" goes.
Result<std::filesystem::path> absolute_path(std::string_view text);
/// A path of the command line, from the working directory on; `option` ("--socket") is named in the
/// error that an empty one is.
Result<std::filesystem::path> path_of_option(std::string_view option, const std::string& text);

struct DaemonConfig {
  LogLevel log_level = LogLevel::info;
  Paths paths;
  Limits limits;
  Settings settings;
};

/// `origin` names the text in errors.
Result<DaemonConfig> parse_daemon_config(std::string_view text, const std::string& origin);
/// A missing file is an error; the caller decides whether that matters.
Result<DaemonConfig> load_daemon_config(const std::filesystem::path& file);

/// What becomes of a domain whose devices could not be attached before its first instruction.
enum class OnFailure { start, keep_paused };

/// The devices that a domain is to have, by its name.
struct Assignment {
  std::string domain;
  std::vector<DeviceSpec> devices;
  OnFailure on_failure = OnFailure::keep_paused;
  std::string origin;  ///< file:line:column of the entry.
};
using Assignments = std::map<std::string, Assignment, std::less<>>;

Result<Assignments> parse_assignments(std::string_view text, const std::string& origin);
/// Every *.toml of the directory in the order of their names; a missing directory holds none, and
/// files whose names begin with a dot are not read. Of a domain that is configured twice the first
/// entry counts; the problem names both places.
Loaded<Assignments> load_assignments(const std::filesystem::path& directory);

/// The text with devices added to the domain's entry, which is made at the end when there is none.
/// A device that is there already gets the new options. Everything else stays as it was written.
/// Errors: the text is no valid file of assignments, or the entry is written in a form that only a
/// person should edit (the message says where).
Result<std::string> with_devices(const std::string& text, const std::string& origin,
                                 const std::string& domain, const std::vector<DeviceSpec>& devices,
                                 std::optional<OnFailure> on_failure);
/// The text without these devices of the domain, or without its entry when none are named or none
/// would be left. not_found when it has no such domain or device.
Result<std::string> without_devices(const std::string& text, const std::string& origin,
                                    const std::string& domain, const std::vector<Sbdf>& devices);

/// Replaces a file: written beside it, synced, renamed. Its mode stays; a new one gets 0644. An
/// empty text removes the file.
Result<void> replace_file(const std::filesystem::path& file, const std::string& text);

}  // namespace pciassign::config
