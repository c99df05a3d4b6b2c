// SPDX-License-Identifier: GPL-2.0-or-later
// One device that a guest has here, as xenstore describes it:
// /local/domain/<own>/backend/<kind>/<guest>/<devid>.
#pragma once
#include <compare>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config.hpp"
#include "pciassign/store.hpp"

namespace pciassign::agent {

struct BackendId {
  unsigned guest = 0, devid = 0;
  auto operator<=>(const BackendId&) const = default;
};

/// "3/51712" to an id; empty unless both are plain decimal numbers in range.
std::optional<BackendId> parse_id(std::string_view guest, std::string_view devid);

/// What the toolstack wrote about a device, read at one moment.
struct Backend {
  BackendId id;
  std::string path;
  XenbusState state = XenbusState::unknown;
  bool online = false;
  std::map<std::string, std::string> nodes;

  [[nodiscard]] std::string node(const std::string& name) const;
  [[nodiscard]] bool connected() const { return node("hotplug-status") == "connected"; }
  /// The guest, or the toolstack, takes the device away.
  [[nodiscard]] bool leaving() const {
    return state == XenbusState::closing || state == XenbusState::closed;
  }
};

/// Empty when the directory is not there (any more), or is no device.
Result<std::optional<Backend>> read_backend(Store& store, const std::string& path, BackendId id);

}  // namespace pciassign::agent
