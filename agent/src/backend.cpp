// SPDX-License-Identifier: GPL-2.0-or-later
#include "backend.hpp"

#include <array>
#include <charconv>

namespace pciassign::agent {
namespace {

constexpr unsigned kFirstReservedDomain = 0x7ff0, kMostDevid = 0x7fffffff;
// More than any path or name may have.
constexpr std::size_t kLongestValue = 4096;
// What any of the services looks at.
constexpr std::array<const char*, 12> kNodes{
    "state", "online", "hotplug-status",  "hotplug-error",       "bridge", "mtu", "ip", "params",
    "mode",  "type",   "physical-device", "physical-device-path"};

std::optional<unsigned> number(std::string_view text, unsigned most) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || at != end || value > most) return std::nullopt;
  return value;
}

bool plain(const std::string& value) {
  if (value.size() > kLongestValue) return false;
  for (const char c : value) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') return false;
  }
  return true;
}

}  // namespace

std::optional<BackendId> parse_id(std::string_view guest, std::string_view devid) {
  const auto domain = number(guest, kFirstReservedDomain - 1);
  const auto device = number(devid, kMostDevid);
  if (!domain || !device) return std::nullopt;
  return BackendId{*domain, *device};
}

std::string Backend::node(const std::string& name) const {
  const auto found = nodes.find(name);
  return found == nodes.end() ? std::string{} : found->second;
}

Result<std::optional<Backend>> read_backend(Store& store, const std::string& path, BackendId id) {
  auto names = store.list(path);
  if (!names) return tl::unexpected<Error>(names.error());
  Backend backend{.id = id, .path = path, .nodes = {}};
  for (const char* wanted : kNodes) {
    bool there = false;
    for (const std::string& name : *names) there = there || name == wanted;
    if (!there) continue;
    auto value = store.read(path + "/" + wanted);
    if (!value) return tl::unexpected<Error>(value.error());
    if (*value && plain(**value)) backend.nodes[wanted] = **value;
  }
  const auto state =
      number(backend.node("state"), static_cast<unsigned>(XenbusState::reconfigured));
  if (!state) return std::nullopt;
  backend.state = static_cast<XenbusState>(*state);
  backend.online = backend.node("online") == "1";
  return backend;
}

}  // namespace pciassign::agent
