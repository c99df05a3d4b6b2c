// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include <algorithm>

#include "add_domain.hpp"
#include "pciassign/config_domains.hpp"
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

/// A domain of its name, or of its standby's, or with a device of it is there already.
Result<void> check_apart(const DriverDomains& all, const DriverDomain& domain) {
  for (const auto& [name, other] : all) {
    // None is called as another's standby: DriverDomainName has no such names.
    if (name == domain.name) {
      return fail(ErrorKind::usage, fmt::format("{}: driver domain {} is configured already at {}",
                                                domain.origin, domain.name, other.origin));
    }
    if (auto unique = no_common_device(domain.devices, domain.origin, other.devices, other.origin);
        !unique)
      return unique;
  }
  return {};
}

/// Every entry that can be read, beside those that cannot; `all` are of files before.
void read_driver_domains(std::string_view text, const std::string& origin,
                         Loaded<DriverDomains>& all) {
  read_entries("driver-domain", text, origin, all.problems,
               [&](const std::string& name, const toml::node& node) -> Result<void> {
                 Result<DriverDomain> domain = read_domain(name, node, origin);
                 if (!domain) return tl::unexpected<Error>(domain.error());
                 return add_domain(all.good, std::move(*domain));
               });
}

}  // namespace

std::string_view to_string(DriverClass driver_class) noexcept {
  return driver_class == DriverClass::net ? "net" : "block";
}

Result<void> add_domain(DriverDomains& all, DriverDomain domain) {
  if (auto apart = check_apart(all, domain); !apart) return apart;
  std::string name = domain.name;
  all.emplace(std::move(name), std::move(domain));
  return {};
}

Result<DriverDomains> parse_driver_domains(std::string_view text, const std::string& origin) {
  Loaded<DriverDomains> read;
  read_driver_domains(text, origin, read);
  if (!read.problems.empty()) return tl::unexpected<Error>(read.problems.front().error);
  return std::move(read.good);
}

Loaded<DriverDomains> load_driver_domains(const std::filesystem::path& directory) {
  Loaded<DriverDomains> all;
  read_toml_files(directory, all.problems, [&](const std::string& file, const std::string& text) {
    read_driver_domains(text, file, all);
  });
  return all;
}

Result<void> check_overlap(const DriverDomains& domains, const Assignment& assignment) {
  for (const auto& [name, domain] : domains) {
    if (assignment.domain == name || assignment.domain == domain.standby_name()) {
      return fail(ErrorKind::usage,
                  fmt::format("{}: {} is a supervised driver domain, configured at {}",
                              assignment.origin, assignment.domain, domain.origin),
                  "its devices belong into that file");
    }
    if (auto unique =
            no_common_device(assignment.devices, assignment.origin, domain.devices, domain.origin);
        !unique)
      return unique;
  }
  return {};
}

}  // namespace pciassign::config
