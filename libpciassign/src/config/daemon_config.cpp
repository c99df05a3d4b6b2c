// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "pciassign/config.hpp"
#include "read_file.hpp"
#include "toml_reader.hpp"

namespace pciassign::config {
namespace {

constexpr std::array<std::pair<std::string_view, LogLevel>, 4> kLevels{
    {{"debug", LogLevel::debug},
     {"info", LogLevel::info},
     {"warning", LogLevel::warning},
     {"error", LogLevel::error}}};

std::size_t seconds(std::chrono::milliseconds value) {
  return static_cast<std::size_t>(value.count() / 1000);
}

}  // namespace

Result<LogLevel> parse_log_level(std::string_view text) {
  for (const auto& [name, level] : kLevels) {
    if (name == text) return level;
  }
  return fail(ErrorKind::usage,
              fmt::format("\"{}\" is no log level: debug, info, warning or error", text));
}

std::string_view to_string(LogLevel level) noexcept {
  for (const auto& [name, value] : kLevels) {
    if (value == level) return name;
  }
  return "info";
}

Result<std::filesystem::path> path_of_option(std::string_view option, const std::string& text) {
  if (text.empty())
    return fail(ErrorKind::usage, fmt::format("{} is empty", option),
                "name a path, or leave the option out");
  std::error_code ec;
  auto path = std::filesystem::absolute(text, ec);
  if (ec) return fail_errno(fmt::format("{} {}", option, text), ec.value());
  return path.lexically_normal();
}

Result<DaemonConfig> parse_daemon_config(std::string_view text, const std::string& origin) {
  Result<toml::table> root = parse_toml(text, origin);
  if (!root) return tl::unexpected<Error>(root.error());
  DaemonConfig config;

  TableReader top(*root, origin, "the top level");
  std::string level;
  top.text("log_level", level);
  const toml::node* level_node = top.node("log_level");
  const toml::table* paths = top.table("paths");
  const toml::table* limits = top.table("limits");
  if (auto end = top.end(); !end) return tl::unexpected<Error>(end.error());
  if (level_node != nullptr) {
    const Result<LogLevel> parsed = parse_log_level(level);
    if (!parsed) return fail_at(*level_node, origin, parsed.error().message);
    config.log_level = *parsed;
  }

  if (paths != nullptr) {
    constexpr bool kMayBeEmpty = true;
    std::filesystem::path sysfs = config.paths.sysfs, xl = config.paths.xl;
    TableReader reader(*paths, origin, "[paths]");
    reader.path("state", config.paths.state);
    reader.path("runtime", config.paths.runtime);
    reader.path("socket", config.paths.socket);
    reader.path("assignments", config.paths.assignments);
    reader.path("domains", config.paths.domains);
    reader.path("sysfs", sysfs);
    reader.path("xl", xl, kMayBeEmpty);
    reader.path("metrics_socket", config.paths.metrics_socket, kMayBeEmpty);
    reader.path("metrics_file", config.paths.metrics_file, kMayBeEmpty);
    if (auto end = reader.end(); !end) return tl::unexpected<Error>(end.error());
    config.paths.sysfs = sysfs;
    config.paths.xl = xl;
  }
  if (limits != nullptr) {
    std::size_t connect = seconds(config.settings.connect_limit);
    std::size_t backend = seconds(config.settings.backend_limit);
    std::size_t detach = seconds(config.settings.detach_limit);
    constexpr std::int64_t kHour = 3600;
    TableReader reader(*limits, origin, "[limits]");
    reader.count("connect_seconds", connect, 1, kHour)
        .count("backend_seconds", backend, 1, kHour)
        .count("detach_seconds", detach, 1, kHour)
        .count("clients", config.limits.clients, 2, 4096)
        .count("message_bytes", config.limits.message_bytes, 4096, 1 << 26)
        .count("plans", config.limits.plans, 1, 4096);
    if (auto end = reader.end(); !end) return tl::unexpected<Error>(end.error());
    config.settings.connect_limit = std::chrono::seconds(connect);
    config.settings.backend_limit = std::chrono::seconds(backend);
    config.settings.detach_limit = std::chrono::seconds(detach);
  }
  return config;
}

Result<DaemonConfig> load_daemon_config(const std::filesystem::path& file) {
  const Result<std::string> text = read_file(file);
  if (!text) return tl::unexpected<Error>(text.error());
  return parse_daemon_config(*text, file.string());
}

}  // namespace pciassign::config
