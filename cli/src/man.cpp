// SPDX-License-Identifier: GPL-2.0-or-later
// Writes the manual pages as scdoc(5) from the definitions, at build time:
//   pciassign-man            pciassign(1)
//   pciassign-man --names    the commands that have a page of their own, one a line
//   pciassign-man "plan"     pciassign-plan(1)
#include <fmt/format.h>

#include <iostream>
#include <set>

#include "definitions.hpp"

namespace pciassign::cli {
namespace {

std::string escaped(std::string_view text, std::string_view marks) {
  std::string out;
  for (const char c : text) {
    if (marks.find(c) != marks.npos) out += '\\';
    out += c;
  }
  return out;
}

/// Text without scdoc's marks.
std::string plain(std::string_view text) {
  return escaped(text, "\\_*#[<`");
}

/// The details, in which *...* is bold.
std::string marked(std::string_view text) {
  return escaped(text, "\\_#[<`");
}

std::string first_word(std::string_view name) {
  return std::string(name.substr(0, name.find(' ')));
}

/// "plan" for the commands below it; else the command itself.
std::vector<const Command*> commands_of(std::string_view page) {
  std::vector<const Command*> all;
  for (const Command& command : definitions())
    if (first_word(command.name) == page) all.push_back(&command);
  return all;
}

std::string page_of(const std::string& command) {
  return "pciassign-" + command;
}

std::string type_of(const Argument& argument) {
  std::string type = argument.type;
  const bool many = type.ends_with("...");
  if (many) type.resize(type.size() - 3);
  std::string out = "_" + type + "_" + (many ? "..." : "");
  return argument.required ? out : "\\[" + out + "]";
}

void synopsis(const Command& command) {
  std::cout << "*pciassign " << command.name << "*";
  for (const Argument& argument : command.arguments) std::cout << ' ' << type_of(argument);
  std::cout << " \\[options]\n";
}

void flag_lines(const Flag& flag) {
  std::string names = flag.names;
  if (const std::size_t comma = names.find(','); comma != std::string::npos)
    names.replace(comma, 1, "*, *");
  std::cout << "*" << names << "*";
  if (*flag.type != '\0') std::cout << " _" << flag.type << "_";
  std::cout << "\n\t" << plain(flag.words) << ".\n\n";
}

void see_also() {
  std::cout << "# SEE ALSO\n\n*pciassign*(1), *pciassignd*(8), *pciassignd.toml*(5), *xl*(1), "
               "*xl-pci-configuration*(5)\n";
}

void page(const std::string& name) {
  const std::vector<const Command*> commands = commands_of(name);
  const bool group = commands.size() > 1 || commands.front()->name != name;
  const std::string words =
      group ? std::string(group_words(name)) : std::string(commands.front()->words);
  std::cout << page_of(name) << "(1)\n\n# NAME\n\n"
            << page_of(name) << " - " << plain(words) << "\n\n# SYNOPSIS\n\n";
  for (const Command* command : commands) {
    synopsis(*command);
    std::cout << '\n';
  }
  std::cout << "# DESCRIPTION\n\n";
  std::set<std::string> told;
  for (const Command* command : commands) {
    const std::string details = *command->details == '\0'
                                    ? fmt::format("*{}*: {}.", command->name, plain(command->words))
                                    : marked(command->details);
    std::cout << details << "\n\n";
  }
  std::cout << "# OPTIONS\n\n";
  for (const Command* command : commands) {
    for (const Argument& argument : command->arguments)
      if (told.insert(argument.type).second)
        std::cout << type_of(argument) << "\n\t" << plain(argument.words) << ".\n\n";
    for (const Flag& flag : command->flags)
      if (told.insert(flag.names).second) flag_lines(flag);
  }
  for (const Flag& flag : common_flags()) flag_lines(flag);
  bool examples = false;
  for (const Command* command : commands) {
    for (const Example& example : command->examples) {
      if (!std::exchange(examples, true)) std::cout << "# EXAMPLES\n\n";
      std::cout << "*" << plain(example.command) << "*\n";
      if (*example.words != '\0') std::cout << "\t" << plain(example.words) << ".\n";
      std::cout << '\n';
    }
  }
  std::cout << "# EXIT STATUS\n\nAs of *pciassign*(1).\n\n";
  see_also();
}

void overview() {
  std::cout
      << "pciassign(1)\n\n# NAME\n\npciassign - PCI devices for Xen domains\n\n"
         "# SYNOPSIS\n\n*pciassign* _COMMAND_ ...\n\n# DESCRIPTION\n\n"
         "Gives PCI devices to domains of Xen and takes them back. Changes are carried out by "
         "*pciassignd*(8), which grants exactly what a device needs, before the domain runs; "
         "questions are also answered without it, for root.\n\n# COMMANDS\n\n";
  std::set<std::string> told;
  for (const bool of_xl : {false, true}) {
    if (of_xl) std::cout << "The names of xl's commands, with xl's output:\n\n";
    for (const Command& command : definitions()) {
      const std::string name = first_word(command.name);
      if (command.of_xl != of_xl || !told.insert(name).second) continue;
      const bool group = name != command.name;
      std::cout << "*" << page_of(name) << "*(1)\n\t"
                << plain(group ? group_words(name) : std::string_view(command.words)) << ".\n\n";
    }
  }
  std::cout << "# OPTIONS\n\nOf every command:\n\n";
  for (const Flag& flag : common_flags()) flag_lines(flag);
  std::cout << "# EXIT STATUS\n\n"
               "*0*\n\tdone\n\n*1*\n\tfailed, and undone\n\n*2*\n\tmalformed request\n\n"
               "*3*\n\tno such device or domain\n\n*4*\n\trefused by policy\n\n"
               "*5*\n\tbusy: another domain has the device, or a change of it is under way\n\n"
               "*6*\n\tthe daemon, Xen or pciback is not there\n\n*7*\n\ta bounded wait ended\n\n"
               "# ENVIRONMENT\n\n*NO\\_COLOR*\n\tNo colours, even on a terminal.\n\n";
  see_also();
}

}  // namespace
}  // namespace pciassign::cli

int main(int argc, char** argv) {
  using namespace pciassign::cli;
  if (argc < 2) {
    overview();
  } else if (std::string_view(argv[1]) == "--names") {
    std::set<std::string> names;
    for (const Command& command : definitions()) names.insert(first_word(command.name));
    for (const std::string& name : names) std::cout << name << '\n';
  } else if (commands_of(argv[1]).empty()) {
    std::cerr << "pciassign-man: there is no command " << argv[1] << '\n';
    return 2;
  } else {
    page(argv[1]);
  }
  return 0;
}
