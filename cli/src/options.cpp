// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <sstream>

#include "definitions.hpp"
#include "pciassign/config.hpp"
#include "version.hpp"

namespace pciassign::cli {
namespace {

void check_choice(CLI::Option& option, Completes what) {
  const std::string all(choices(what));
  if (all.empty()) return;
  std::istringstream in(all);
  option.check(CLI::IsMember(std::vector<std::string>(std::istream_iterator<std::string>(in), {})));
}

void add_flag(CLI::App& app, const Flag& flag, Options& options) {
  std::visit(
      [&](auto member) {
        CLI::Option* added = nullptr;
        if constexpr (std::is_same_v<decltype(member), bool Options::*>) {
          added = app.add_flag(flag.names, options.*member, flag.words);
        } else {
          added = app.add_option(flag.names, options.*member, flag.words)->type_name(flag.type);
        }
        if constexpr (std::is_same_v<decltype(member), std::vector<std::string> Options::*>)
          added->allow_extra_args(false);  // Else it would take the arguments behind it.
        check_choice(*added, flag.completes);
        if (flag.required) added->required();
      },
      flag.target);
}

/// "DEV...": how many the words are is said by the type's dots.
bool many(const Argument& argument) {
  return std::string_view(argument.type).ends_with("...");
}

void add_argument(CLI::App& app, const Argument& argument, Options& options) {
  std::string type = argument.type;
  if (many(argument)) type.resize(type.size() - 3);
  CLI::Option* option = nullptr;
  if (const auto* text = std::get_if<std::string Options::*>(&argument.target)) {
    option = app.add_option(argument.name, options.**text, argument.words);
  } else if (const auto* texts =
                 std::get_if<std::vector<std::string> Options::*>(&argument.target)) {
    // As a list it would also take the words of the arguments behind it.
    option = many(argument)
                 ? app.add_option(argument.name, options.**texts, argument.words)
                 : app.add_option_function<std::string>(
                       argument.name,
                       [&list = options.**texts](const std::string& word) { list = {word}; },
                       argument.words);
  } else {
    return;  // A switch is a flag.
  }
  option->type_name(type)->required(argument.required);
  check_choice(*option, argument.completes);
}

/// The parser's place for "plan attach": below "plan", which is made when it is first met.
CLI::App& place(CLI::App& app, const std::string& name, const char* words) {
  const std::size_t space = name.find(' ');
  if (space == std::string::npos) return *app.add_subcommand(name, words);
  const std::string group = name.substr(0, space);
  const auto found =
      app.get_subcommands([&](const CLI::App* sub) { return sub->check_name(group); });
  CLI::App* above =
      found.empty() ? app.add_subcommand(group, std::string(group_words(group))) : found.front();
  above->require_subcommand(1);
  return *above->add_subcommand(name.substr(space + 1), words);
}

void add_command(CLI::App& app, const Command& command, Options& options) {
  CLI::App& at = place(app, command.name, command.words);
  if (command.of_xl) at.group("Names of xl");
  for (const Argument& argument : command.arguments) add_argument(at, argument, options);
  for (const Flag& flag : command.flags) add_flag(at, flag, options);
  for (const Flag& flag : common_flags()) add_flag(at, flag, options);
  at.callback([&options, name = command.name] { options.command = name; });
}

/// CLI11's own messages, made one line.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

ParseEnd wrong_words(std::string message, std::string hint) {
  return {.status = 2,
          .text = {},
          .error = Error{ErrorKind::usage, {}, std::move(message), std::move(hint), 0}};
}

}  // namespace

std::string Options::action() const {
  for (const std::string_view before : {"plan ", "pci-"}) {
    if (command.starts_with(before)) return command.substr(before.size());
  }
  return command;
}

std::variant<Options, ParseEnd> parse_words(const std::vector<std::string>& words) {
  Options options;
  CLI::App app{"PCI devices for Xen domains", "pciassign"};
  app.set_version_flag("--version", std::string("pciassign ") + kVersion);
  app.require_subcommand(1);
  for (const Command& command : definitions()) add_command(app, command, options);

  // CLI11 would only say that a command is missing.
  const auto named = [&](const CLI::App* command) { return command->check_name(words.front()); };
  if (!words.empty() && !words.front().starts_with('-') && app.get_subcommands(named).empty()) {
    return wrong_words("there is no command \"" + words.front() + "\"", "see: pciassign --help");
  }
  std::vector<std::string> reversed(words.rbegin(), words.rend());  // As CLI11 wants them.
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    const CLI::App* at = &app;
    for (auto subs = at->get_subcommands(); !subs.empty(); subs = at->get_subcommands())
      at = subs.front();
    return ParseEnd{
        .status = 0, .text = at == &app ? app.help() : at->help("pciassign"), .error = {}};
  } catch (const CLI::CallForVersion& version) {
    return ParseEnd{.status = 0, .text = std::string(version.what()) + "\n", .error = {}};
  } catch (const CLI::ParseError& error) {
    return wrong_words(one_line(error.what()), "see: pciassign --help");
  }
  if (const auto socket = config::path_of_option("--socket", options.socket); !socket)
    return wrong_words(socket.error().message, socket.error().hint);
  return options;
}

}  // namespace pciassign::cli
