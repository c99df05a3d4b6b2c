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
  std::string command;  ///< "list", "plan", ...
  std::string action;   ///< Of plan: attach, detach, reserve, release.
  std::string domain;
  std::vector<std::string> devices;
  std::string file;  ///< Of create.
  bool no_unpause = false;
  bool all = false;  ///< Of list and show: bridges, passed checks.
  bool json = false;
  bool verbose = false;
  std::string socket = std::string(rpc::kDefaultSocket);
};

/// Help or version text was asked for, or the words are wrong.
struct ParseEnd {
  int status = 0;
  std::string text;  ///< For stdout when status is 0.
  std::optional<Error> error;
};

std::variant<Options, ParseEnd> parse_words(const std::vector<std::string>& words);

}  // namespace pciassign::cli
