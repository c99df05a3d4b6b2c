// SPDX-License-Identifier: GPL-2.0-or-later
// completion: scripts for bash and zsh, made from the definitions.
#include <fmt/format.h>

#include <map>
#include <ostream>
#include <set>

#include "commands.hpp"
#include "definitions.hpp"

namespace pciassign::cli {
namespace {

/// What a shell runs to offer words; empty where files or nothing are offered.
std::string offer(Completes what) {
  if (const std::string_view words = choices(what); !words.empty())
    return fmt::format("echo {}", words);
  switch (what) {
    case Completes::device:
      return "ls /sys/bus/pci/devices";
    case Completes::domain:
      return "xl list 2>/dev/null | awk 'NR > 1 { print $1 }'";
    case Completes::driver_domain:
      return "cd /etc/pciassign/domains.d 2>/dev/null && ls | sed -n 's/[.]toml$//p'";
    default:
      break;
  }
  return "";
}

std::vector<std::string> split(std::string_view names) {
  std::vector<std::string> all;
  while (!names.empty()) {
    const std::size_t comma = std::min(names.find(','), names.size());
    all.emplace_back(names.substr(0, comma));
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
  return all;
}

std::string flags_of(const Command& command) {
  std::string words = "--help";
  const auto add = [&](const Flag& flag) {
    for (const std::string& name : split(flag.names)) words += " " + name;
  };
  for (const Flag& flag : command.flags) add(flag);
  for (const Flag& flag : common_flags()) add(flag);
  return words;
}

/// First words, and for a group ("plan") the words below it.
std::map<std::string, std::set<std::string>> words_by_group() {
  std::map<std::string, std::set<std::string>> groups;
  for (const Command& command : definitions()) {
    const std::string name = command.name;
    const std::size_t space = name.find(' ');
    groups[""].insert(name.substr(0, space));
    if (space != std::string::npos) groups[name.substr(0, space)].insert(name.substr(space + 1));
  }
  return groups;
}

std::string joined(const std::set<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : " ") + word;
  return all;
}

/// `compgen` for what belongs at a place.
std::string bash_offer(Completes what) {
  if (what == Completes::file) return "COMPREPLY=($(compgen -f -- \"$word\"))";
  const std::string from = offer(what);
  if (from.empty()) return "COMPREPLY=()";
  return fmt::format("COMPREPLY=($(compgen -W \"$({})\" -- \"$word\"))", from);
}

void bash(std::ostream& out) {
  out << "# bash completion for pciassign; made by: pciassign completion bash\n"
         "_pciassign() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
         "  local command=${COMP_WORDS[1]} first=2 at i\n"
         "  COMPREPLY=()\n";
  const auto groups = words_by_group();
  out << fmt::format(
      "  if ((COMP_CWORD == 1)); then\n"
      "    COMPREPLY=($(compgen -W \"{} --help --version\" -- \"$word\"))\n"
      "    return\n"
      "  fi\n",
      joined(groups.at("")));
  for (const auto& [group, words] : groups) {
    if (group.empty()) continue;
    out << fmt::format(
        "  if [[ $command == {0} ]]; then\n"
        "    if ((COMP_CWORD == 2)); then\n"
        "      COMPREPLY=($(compgen -W \"{1}\" -- \"$word\"))\n"
        "      return\n"
        "    fi\n"
        "    command=\"{0} ${{COMP_WORDS[2]}}\" first=3\n"
        "  fi\n",
        group, joined(words));
  }
  // The place among the arguments: words before that are no flags. A flag's value has a case of
  // its own and does not matter to commands, which have few such flags.
  out << "  at=0\n"
         "  for ((i = first; i < COMP_CWORD; i++)); do\n"
         "    [[ ${COMP_WORDS[i]} == -* ]] || at=$((at + 1))\n"
         "  done\n"
         "  case \"$command $before\" in\n";
  const auto value_of = [&](const std::string& command, const Flag& flag) {
    if (*flag.type == '\0') return;
    std::string names;
    for (const std::string& name : split(flag.names))
      names += fmt::format("{}{}' {}'", names.empty() ? "" : "|", command, name);
    out << fmt::format("    {}) {}; return ;;\n", names, bash_offer(flag.completes));
  };
  for (const Command& command : definitions())
    for (const Flag& flag : command.flags) value_of(fmt::format("'{}'", command.name), flag);
  for (const Flag& flag : common_flags()) value_of("*", flag);
  out << "  esac\n  case $command in\n";
  for (const Command& command : definitions()) {
    out << fmt::format("    '{}')\n", command.name);
    out << fmt::format(
        "      if [[ $word == -* ]]; then COMPREPLY=($(compgen -W \"{}\" -- \"$word\")); return; "
        "fi\n",
        flags_of(command));
    out << "      case $at in\n";
    std::size_t place = 0;
    for (const Argument& argument : command.arguments) {
      const bool many = std::string_view(argument.type).ends_with("...");
      out << fmt::format("        {}) {} ;;\n", many ? std::string("*") : std::to_string(place++),
                         bash_offer(argument.completes));
    }
    out << "      esac ;;\n";
  }
  // A colon is a separator of words for bash; addresses have three.
  out << "  esac\n"
         "  if declare -F __ltrim_colon_completions >/dev/null; then __ltrim_colon_completions "
         "\"$word\"; fi\n"
         "}\n"
         "complete -F _pciassign pciassign\n";
}

std::string zsh_quoted(std::string text) {
  for (std::size_t at = 0; (at = text.find_first_of("':[]", at)) != std::string::npos;) {
    if (text[at] == '\'') {
      text.replace(at, 1, "'\\''");
      at += 4;
    } else {
      text.insert(at, "\\");
      at += 2;
    }
  }
  return text;
}

std::string zsh_action(Completes what) {
  if (what == Completes::file) return "_files";
  const std::string from = offer(what);
  if (from.empty()) return " ";
  std::string quoted = from;
  for (std::size_t at = 0; (at = quoted.find('\'', at)) != std::string::npos; at += 4)
    quoted.replace(at, 1, "'\\''");
  return fmt::format("{{_values word $({})}}", quoted);
}

void zsh(std::ostream& out) {
  out << "#compdef pciassign\n# zsh completion; made by: pciassign completion zsh\n"
         "_pciassign() {\n  local -a commands\n  commands=(\n";
  std::set<std::string> told;
  for (const Command& command : definitions()) {
    const std::string name = command.name;
    const std::string first = name.substr(0, name.find(' '));
    if (!told.insert(first).second) continue;
    const std::string words = first == name ? command.words : std::string(group_words(first));
    out << fmt::format("    '{}:{}'\n", first, zsh_quoted(words));
  }
  out << "  )\n"
         "  if ((CURRENT == 2)); then _describe command commands; return; fi\n"
         "  local command=$words[2]\n  shift words; ((CURRENT--))\n";
  for (const auto& [group, words] : words_by_group()) {
    if (group.empty()) continue;
    out << fmt::format(
        "  if [[ $command == {0} ]]; then\n"
        "    if ((CURRENT == 2)); then _values word {1}; return; fi\n"
        "    command=\"{0} $words[2]\"; shift words; ((CURRENT--))\n"
        "  fi\n",
        group, joined(words));
  }
  out << "  case $command in\n";
  for (const Command& command : definitions()) {
    out << fmt::format("    '{}')\n      _arguments", command.name);
    const auto flag_of = [&](const Flag& flag) {
      for (const std::string& name : split(flag.names)) {
        out << fmt::format(
            " \\\n        '{}[{}]{}'", name, zsh_quoted(flag.words),
            *flag.type == '\0' ? "" : fmt::format(":{}:{}", flag.type, zsh_action(flag.completes)));
      }
    };
    for (const Flag& flag : command.flags) flag_of(flag);
    for (const Flag& flag : common_flags()) flag_of(flag);
    std::size_t place = 1;
    for (const Argument& argument : command.arguments) {
      const bool many = std::string_view(argument.type).ends_with("...");
      out << fmt::format(" \\\n        '{}{}:{}:{}'", many ? "*" : std::to_string(place++),
                         argument.required || many ? "" : ":", zsh_quoted(argument.name),
                         zsh_action(argument.completes));
    }
    out << " ;;\n";
  }
  out << "  esac\n}\n"
         "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _pciassign \"$@\"; else compdef "
         "_pciassign pciassign; fi\n";
}

}  // namespace

int completion(Environment&, const Options& options, Output& output) {
  if (options.shell == "bash") {
    bash(output.text());
  } else {
    zsh(output.text());
  }
  return 0;
}

}  // namespace pciassign::cli
