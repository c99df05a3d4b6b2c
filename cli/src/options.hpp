// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "pciassign/rpc_message.hpp"

namespace pciassign::cli {

/// What the words of the command line say.
struct Options {
  std::string command;  ///< "list", "plan attach", ...
  std::string domain;
  std::vector<std::string> devices;
  std::string file;          ///< Of create and report.
  std::string virtual_slot;  ///< Of pci-attach.
  std::string device_class;  ///< Of list: a part of the class's name, or its number.
  std::string shell;         ///< Of completion.
  std::string on_failure;    ///< Of assign.
  std::string name;          ///< Of pci-assignable-add: accepted, as xl does.
  // Of domain create.
  std::string driver_class, memory, kernel;
  std::string net_mode = "bridge", bridge, address, gateway;
  std::vector<std::string> mounts, modules;
  bool standby = false, volumes = false, no_start = false;
  bool no_wait = false;  ///< Of domain start, stop and recover.
  bool no_unpause = false;
  bool all = false;   ///< Of list and show: bridges, passed checks.
  bool tree = false;  ///< Of list.
  bool names = false;
  bool force = false;
  bool give_back = false;
  bool dry_run = false;
  bool json = false;
  bool verbose = false;
  std::string socket = std::string(rpc::kDefaultSocket);

  /// "attach" of "plan attach", of "pci-attach" and of "attach": what a change is called.
  [[nodiscard]] std::string action() const;
};

/// Help or version text was asked for, or the words are wrong.
struct ParseEnd {
  int status = 0;
  std::string text;  ///< For stdout when status is 0.
  std::optional<Error> error;
};

std::variant<Options, ParseEnd> parse_words(const std::vector<std::string>& words);

}  // namespace pciassign::cli
