// SPDX-License-Identifier: GPL-2.0-or-later
#include "config.hpp"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>

#include "config/toml_reader.hpp"

namespace pciassign::agent {
namespace {

using config::fail_at;
using config::TableReader;

constexpr std::int64_t kMtuLimit = 65535, kLongestBeat = 3600;

Result<void> read_net(const toml::table& table, const std::string& origin, NetConfig& net) {
  TableReader reader(table, origin, "[net]");
  std::string mode = "bridge";
  std::size_t mtu = 0;
  reader.text("mode", mode).text("bridge", net.bridge).count("mtu", mtu, 0, kMtuLimit);
  reader.text("address", net.address).text("gateway", net.gateway);
  if (auto end = reader.end(); !end) return end;
  if (mode != "bridge" && mode != "route")
    return fail_at(*table.get("mode"), origin, "mode is \"bridge\" or \"route\"");
  if (net.bridge.empty() || net.bridge.size() >= IFNAMSIZ || net.bridge == "." ||
      net.bridge == ".." || net.bridge.find('/') != std::string::npos)
    return fail_at(*table.get("bridge"), origin, "bridge must be the name of an interface");
  net.route = mode == "route";
  net.mtu = static_cast<unsigned>(mtu);
  return {};
}

Result<void> read_block(const toml::table& table, const std::string& origin, BlockConfig& block) {
  TableReader reader(table, origin, "[block]");
  reader.flag("volumes", block.volumes);
  const toml::array* mounts = reader.array("mount");
  if (auto end = reader.end(); !end) return end;
  if (mounts == nullptr) return {};
  for (const toml::node& node : *mounts) {
    const toml::table* entry = node.as_table();
    if (entry == nullptr) return fail_at(node, origin, "mount must be a table: [[block.mount]]");
    Mount mount;
    TableReader one(*entry, origin, "[[block.mount]]");
    one.text("device", mount.device).text("at", mount.at).text("type", mount.type);
    if (auto end = one.end(); !end) return end;
    if (!mount.device.starts_with('/') || !mount.at.starts_with('/') || mount.type.empty())
      return fail_at(node, origin, "a mount needs device and at, both with a path, and type");
    block.mounts.push_back(std::move(mount));
  }
  return {};
}

}  // namespace

std::string_view to_string(Kind kind) noexcept {
  return kind == Kind::vif ? "vif" : "vbd";
}

Result<Config> parse_config(std::string_view text, const std::string& origin) {
  const Result<toml::table> root = config::parse_toml(text, origin);
  if (!root) return tl::unexpected<Error>(root.error());
  Config config;
  TableReader top(*root, origin, "the top level");
  std::string type;
  std::size_t beat = 1;
  top.text("class", type).count("heartbeat-seconds", beat, 1, kLongestBeat);
  const toml::array* modules = top.array("modules");
  const toml::table* net = top.table("net");
  const toml::table* block = top.table("block");
  if (auto end = top.end(); !end) return tl::unexpected<Error>(end.error());
  if (type != "net" && type != "block")
    return fail(ErrorKind::usage, fmt::format("{}: class must be \"net\" or \"block\"", origin));
  config.kind = type == "net" ? Kind::vif : Kind::vbd;
  config.heartbeat = std::chrono::seconds(beat);
  if (modules != nullptr) {
    for (const toml::node& node : *modules) {
      const auto path = node.value_exact<std::string>();
      if (!path) return fail_at(node, origin, "modules must be paths");
      config.modules.push_back(*path);
    }
  }
  if (net != nullptr) {
    if (auto read = read_net(*net, origin, config.net); !read)
      return tl::unexpected<Error>(read.error());
  }
  if (block != nullptr) {
    if (auto read = read_block(*block, origin, config.block); !read)
      return tl::unexpected<Error>(read.error());
  }
  return config;
}

}  // namespace pciassign::agent
