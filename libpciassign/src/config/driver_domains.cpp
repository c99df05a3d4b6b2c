// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include <algorithm>

#include "pciassign/config_domains.hpp"
#include "read_file.hpp"
#include "toml_files.hpp"
#include "toml_reader.hpp"

namespace pciassign::config {
namespace {

bool same_device(const DeviceSpec& one, const DeviceSpec& other) {
  return one.name == other.name && (!one.name.empty() || one.sbdf == other.sbdf);
}

Result<void> read_devices(const toml::array* devices, const toml::node& node,
                          const std::string& origin, DriverDomain& domain) {
  if (devices == nullptr || devices->empty()) {
    return fail_at(node, origin,
                   fmt::format("[driver-domain.{}] needs devices = [\"...\"]", domain.name));
  }
  for (const toml::node& item : *devices) {
    const auto text = item.value_exact<std::string>();
    if (!text) return fail_at(item, origin, "a device is a string such as \"0000:03:00.0\"");
    Result<DeviceSpec> spec = DeviceSpec::parse(*text);
    if (!spec) return fail_at(item, origin, spec.error().message);
    const bool twice =
        std::any_of(domain.devices.begin(), domain.devices.end(),
                    [&](const DeviceSpec& other) { return same_device(other, *spec); });
    if (twice) return fail_at(item, origin, fmt::format("{} is listed twice", *text));
    domain.devices.push_back(std::move(*spec));
  }
  return {};
}

Result<DriverDomain> read_domain(const std::string& name, const toml::node& node,
                                 const std::string& origin) {
  if (const auto named = DriverDomainName::parse(name); !named)
    return fail_at(node, origin, named.error());
  if (!node.is_table())
    return fail_at(node, origin, fmt::format("driver-domain.{} must be a table", name));
  DriverDomain domain;
  domain.name = name;
  domain.origin = position(node, origin);
  std::string driver_class, config;
  auto heartbeat = static_cast<std::size_t>(domain.heartbeat_timeout.count());
  auto start = static_cast<std::size_t>(domain.start_timeout.count());
  auto window = static_cast<std::size_t>(domain.crash_window.count());
  constexpr std::int64_t kHour = 3600;

  TableReader reader(*node.as_table(), origin, fmt::format("[driver-domain.{}]", name));
  const toml::array* devices = reader.array("devices");
  reader.text("class", driver_class).text("config", config);
  reader.flag("standby", domain.standby).flag("autostart", domain.autostart);
  reader.count("heartbeat-timeout", heartbeat, 0, kHour)
      .count("start-timeout", start, 1, kHour)
      .count("most-crashes", domain.most_crashes, 1, 1000)
      .count("crash-window", window, 1, 24 * kHour);
  const toml::node* class_node = reader.node("class");
  if (auto end = reader.end(); !end) return tl::unexpected<Error>(end.error());

  domain.heartbeat_timeout = std::chrono::seconds(heartbeat);
  domain.start_timeout = std::chrono::seconds(start);
  domain.crash_window = std::chrono::seconds(window);
  if (driver_class == "block") {
    domain.driver_class = DriverClass::block;
  } else if (driver_class != "net") {
    return fail_at(class_node == nullptr ? node : *class_node, origin,
                   fmt::format(R"([driver-domain.{}] needs class = "net" or "block")", name));
  }
  domain.config = config;
  if (!domain.config.is_absolute()) {
    return fail_at(
        node, origin,
        fmt::format("[driver-domain.{}] needs config = \"/absolute/path/of/domain.cfg\"", name));
  }
  if (auto read = read_devices(devices, node, origin, domain); !read)
    return tl::unexpected<Error>(read.error());
  return domain;
}

/// Where two entries name one device, as ErrorKind::usage.
Result<void> no_common_device(const std::vector<DeviceSpec>& one, const std::string& one_origin,
                              const std::vector<DeviceSpec>& other,
                              const std::string& other_origin) {
  for (const DeviceSpec& device : one) {
    const bool common = std::any_of(other.begin(), other.end(), [&](const DeviceSpec& there) {
      return same_device(device, there);
    });
    if (common) {
      return fail(ErrorKind::usage, fmt::format("{}: {} is configured already at {}", one_origin,
                                                device.str(), other_origin));
    }
  }
  return {};
}

Result<void> add(DriverDomains& all, DriverDomain domain) {
  for (const auto& [name, other] : all) {
    if (name == domain.name || name == domain.standby_name() ||
        other.standby_name() == domain.name) {
      return fail(ErrorKind::usage, fmt::format("{}: driver domain {} is configured already at {}",
                                                domain.origin, domain.name, other.origin));
    }
    if (auto unique = no_common_device(domain.devices, domain.origin, other.devices, other.origin);
        !unique)
      return unique;
  }
  std::string name = domain.name;
  all.emplace(std::move(name), std::move(domain));
  return {};
}

}  // namespace

std::string_view to_string(DriverClass driver_class) noexcept {
  return driver_class == DriverClass::net ? "net" : "block";
}

Result<DriverDomains> parse_driver_domains(std::string_view text, const std::string& origin) {
  Result<toml::table> root = parse_toml(text, origin);
  if (!root) return tl::unexpected<Error>(root.error());
  TableReader top(*root, origin, "the top level");
  const toml::table* domains = top.table("driver-domain");
  if (auto end = top.end(); !end) return tl::unexpected<Error>(end.error());
  DriverDomains all;
  if (domains == nullptr) return all;
  for (const auto& [key, node] : *domains) {
    Result<DriverDomain> domain = read_domain(std::string(key.str()), node, origin);
    if (!domain) return tl::unexpected<Error>(domain.error());
    if (auto added = add(all, std::move(*domain)); !added)
      return tl::unexpected<Error>(added.error());
  }
  return all;
}

Result<DriverDomains> load_driver_domains(const std::filesystem::path& directory) {
  const auto files = toml_files(directory);
  if (!files) return tl::unexpected<Error>(files.error());
  DriverDomains all;
  for (const std::filesystem::path& file : *files) {
    const Result<std::string> text = read_file(file);
    if (!text) return tl::unexpected<Error>(text.error());
    Result<DriverDomains> part = parse_driver_domains(*text, file.string());
    if (!part) return tl::unexpected<Error>(part.error());
    for (auto& [name, domain] : *part) {
      if (auto added = add(all, std::move(domain)); !added)
        return tl::unexpected<Error>(added.error());
    }
  }
  return all;
}

Result<void> check_overlap(const DriverDomains& domains, const Assignments& assignments) {
  for (const auto& [name, domain] : domains) {
    for (const auto& [other, assignment] : assignments) {
      if (other == name || other == domain.standby_name()) {
        return fail(ErrorKind::usage,
                    fmt::format("{}: {} is a supervised driver domain, configured at {}",
                                assignment.origin, other, domain.origin),
                    "its devices belong into that file");
      }
      if (auto unique = no_common_device(assignment.devices, assignment.origin, domain.devices,
                                         domain.origin);
          !unique)
        return unique;
    }
  }
  return {};
}

}  // namespace pciassign::config
