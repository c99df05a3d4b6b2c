// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Every command as data: the parser, the help, the manual pages and the completion of the shells
/// are made from this one table.
#pragma once
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "environment.hpp"
#include "options.hpp"
#include "output.hpp"

namespace pciassign::cli {

/// The member of Options that a word sets.
using Target =
    std::variant<bool Options::*, std::string Options::*, std::vector<std::string> Options::*>;

/// What a shell may offer for a word.
enum class Completes {
  nothing,
  device,
  domain,
  driver_domain,
  file,
  shell,
  on_failure,
  driver_class,
  net_mode
};
/// The words that one of the last kind may be, with blanks between them; empty: any.
std::string_view choices(Completes what);

struct Argument {
  const char* name;  ///< As errors call it: "device".
  const char* type;  ///< As help shows it: "DEV".
  Completes completes;
  Target target;
  bool required;
  const char* words;
};

struct Flag {
  const char* names;  ///< "-a,--all"
  const char* type;   ///< "" for a switch, else what follows: "PATH".
  Completes completes;
  Target target;
  const char* words;
  bool required = false;
};

struct Example {
  const char* command;
  const char* words;
};

struct Command {
  const char* name;     ///< "plan attach" is a command below "plan".
  const char* words;    ///< One line.
  const char* details;  ///< Paragraphs of the manual, a blank line between them.
  std::vector<Argument> arguments;
  std::vector<Flag> flags;  ///< Besides those of every command.
  std::vector<Example> examples;
  int (*run)(Environment&, const Options&, Output&);
  bool of_xl = false;  ///< A name, and an output, that scripts for xl know.
};

std::span<const Command> definitions();
/// Of every command.
std::span<const Flag> common_flags();
/// "plan" has commands below it; its line for the help.
std::string_view group_words(std::string_view group);

}  // namespace pciassign::cli
