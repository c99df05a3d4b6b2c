// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "pciassign/config.hpp"
#include "pciassign/config_names.hpp"
#include "toml_files.hpp"
#include "toml_reader.hpp"

namespace pciassign::config {
namespace {

Result<Assignment> read_assignment(const std::string& name, const toml::node& node,
                                   const std::string& origin) {
  if (const auto named = DomainName::parse(name); !named)
    return fail_at(node, origin, named.error());
  if (!node.is_table())
    return fail_at(node, origin, fmt::format("domain.{} must be a table", name));
  Assignment assignment;
  assignment.domain = name;
  assignment.origin = position(node, origin);

  TableReader reader(*node.as_table(), origin, fmt::format("[domain.{}]", name));
  std::string on_failure = "keep-paused";
  const toml::array* devices = reader.array("devices");
  reader.text("on_failure", on_failure);
  const toml::node* on_failure_node = reader.node("on_failure");
  if (auto end = reader.end(); !end) return tl::unexpected<Error>(end.error());

  if (on_failure == "start") {
    assignment.on_failure = OnFailure::start;
  } else if (on_failure != "keep-paused") {
    return fail_at(*on_failure_node, origin, R"(on_failure must be "start" or "keep-paused")");
  }
  if (devices == nullptr || devices->empty()) {
    return fail_at(node, origin, fmt::format("[domain.{}] needs devices = [\"...\"]", name));
  }
  for (const toml::node& item : *devices) {
    const auto text = item.value_exact<std::string>();
    if (!text) return fail_at(item, origin, "a device is a string such as \"0000:03:00.0\"");
    Result<DeviceSpec> spec = DeviceSpec::parse(*text);
    if (!spec) return fail_at(item, origin, spec.error().message);
    const bool twice = std::any_of(
        assignment.devices.begin(), assignment.devices.end(), [&](const DeviceSpec& other) {
          return other.name == spec->name && (!spec->name.empty() || other.sbdf == spec->sbdf);
        });
    if (twice) return fail_at(item, origin, fmt::format("{} is listed twice", *text));
    assignment.devices.push_back(std::move(*spec));
  }
  return assignment;
}

/// Every entry that can be read, beside those that cannot.
Loaded<Assignments> read_assignments(std::string_view text, const std::string& origin) {
  Loaded<Assignments> read;
  read_entries("domain", text, origin, read.problems,
               [&](const std::string& name, const toml::node& node) -> Result<void> {
                 Result<Assignment> assignment = read_assignment(name, node, origin);
                 if (!assignment) return tl::unexpected<Error>(assignment.error());
                 read.good.emplace(name, std::move(*assignment));
                 return {};
               });
  return read;
}

}  // namespace

Result<Assignments> parse_assignments(std::string_view text, const std::string& origin) {
  Loaded<Assignments> read = read_assignments(text, origin);
  if (!read.problems.empty()) return tl::unexpected<Error>(read.problems.front().error);
  return std::move(read.good);
}

Loaded<Assignments> load_assignments(const std::filesystem::path& directory) {
  Loaded<Assignments> all;
  read_toml_files(directory, all.problems, [&](const std::string& file, const std::string& text) {
    Loaded<Assignments> part = read_assignments(text, file);
    std::move(part.problems.begin(), part.problems.end(), std::back_inserter(all.problems));
    for (auto& [name, assignment] : part.good) {
      if (const auto other = all.good.find(name); other != all.good.end()) {
        all.problems.push_back(
            problem_of_entry(file, name,
                             {ErrorKind::usage,
                              {},
                              fmt::format("{}: domain {} is configured already at {}",
                                          assignment.origin, name, other->second.origin),
                              {},
                              0}));
      } else {
        all.good.emplace(name, std::move(assignment));
      }
    }
  });
  return all;
}

}  // namespace pciassign::config
