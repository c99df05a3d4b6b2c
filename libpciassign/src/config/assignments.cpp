// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include <algorithm>

#include "pciassign/config.hpp"
#include "pciassign/config_names.hpp"
#include "read_file.hpp"
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

Result<void> merge(Assignments& into, const Assignments& from) {
  for (const auto& [name, assignment] : from) {
    if (const auto other = into.find(name); other != into.end()) {
      return fail(ErrorKind::usage, fmt::format("{}: domain {} is configured already at {}",
                                                assignment.origin, name, other->second.origin));
    }
    into.emplace(name, assignment);
  }
  return {};
}

}  // namespace

Result<Assignments> parse_assignments(std::string_view text, const std::string& origin) {
  Result<toml::table> root = parse_toml(text, origin);
  if (!root) return tl::unexpected<Error>(root.error());
  TableReader top(*root, origin, "the top level");
  const toml::table* domains = top.table("domain");
  if (auto end = top.end(); !end) return tl::unexpected<Error>(end.error());
  Assignments assignments;
  if (domains == nullptr) return assignments;
  for (const auto& [key, node] : *domains) {
    const std::string name(key.str());
    Result<Assignment> assignment = read_assignment(name, node, origin);
    if (!assignment) return tl::unexpected<Error>(assignment.error());
    assignments.emplace(name, std::move(*assignment));
  }
  return assignments;
}

Result<Assignments> load_assignments(const std::filesystem::path& directory) {
  Assignments all;
  const auto files = toml_files(directory);
  if (!files) return tl::unexpected<Error>(files.error());
  for (const std::filesystem::path& file : *files) {
    const Result<std::string> text = read_file(file);
    if (!text) return tl::unexpected<Error>(text.error());
    Result<Assignments> part = parse_assignments(*text, file.string());
    if (!part) return tl::unexpected<Error>(part.error());
    if (auto merged = merge(all, *part); !merged) {
      return tl::unexpected<Error>(merged.error());
    }
  }
  return all;
}

}  // namespace pciassign::config
