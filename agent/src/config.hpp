// SPDX-License-Identifier: GPL-2.0-or-later
// The agent's configuration: what the image builder, or an administrator, wrote.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "pciassign/result.hpp"

namespace pciassign::agent {

enum class Kind { vif, vbd };

/// The name in xenstore: "vif", "vbd".
std::string_view to_string(Kind kind) noexcept;

struct NetConfig {
  bool route = false;  ///< Otherwise a bridge.
  std::string bridge = "xenbr0";
  unsigned mtu = 0;  ///< 0: as the device has it.
  /// Of the bridge, or of the first network device in route mode: "10.0.2.15/24"; may be empty.
  std::string address;
  std::string gateway;  ///< May be empty.
};

struct Mount {
  std::string device, at, type;
};

struct BlockConfig {
  bool volumes = false;
  std::vector<Mount> mounts;
};

struct Config {
  Kind kind = Kind::vif;
  std::chrono::seconds heartbeat{1};
  std::vector<std::string> modules;  ///< For the first process only.
  NetConfig net;
  BlockConfig block;
};

/// ErrorKind::usage with file:line:column for what is wrong.
Result<Config> parse_config(std::string_view text, const std::string& origin);

}  // namespace pciassign::agent
