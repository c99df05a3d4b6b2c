// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/shell_words.hpp"

#include <algorithm>

namespace pciassign {
namespace {

bool is_bare(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
}

}  // namespace

std::string shell_quote(std::string_view word) {
  if (!word.empty() && std::all_of(word.begin(), word.end(), is_bare)) return std::string(word);
  // Within single quotes a shell takes everything as it is but their end.
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::string shell_words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : " ") += shell_quote(word);
  return text;
}

std::string shell_command(std::string_view command, const std::vector<std::string>& operands) {
  std::string text(command);
  if (operands.empty()) return text;
  if (operands.front().starts_with('-')) text += " --";
  return text + " " + shell_words(operands);
}

std::string domain_operand(const std::string& name, std::uint32_t domid) {
  const std::string number = std::to_string(domid);
  const bool is_number =
      std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
  const bool has_control = std::any_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  // "domain-N" is what a domain is called here that has no name (yet).
  return is_number || has_control || name == "domain-" + number ? number : name;
}

}  // namespace pciassign
