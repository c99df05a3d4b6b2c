// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include <algorithm>

#include "pciassign/config_names.hpp"

namespace pciassign::config {
namespace {

constexpr std::size_t kLongestDriverDomain = 48, kLongestDomain = 255;
/// A file's name has 255 bytes, extension and what replace_file() adds included.
constexpr std::size_t kLongestStem = 200;
/// Of a name that is none, in an error.
constexpr std::size_t kShown = 64;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
// <cctype> would ask the locale.
bool is_letter_or_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}
bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

tl::unexpected<Error> no_name(std::string_view text, const char* whose, const char* why,
                              const char* hint) {
  std::string shown(text.substr(0, kShown));
  std::replace_if(shown.begin(), shown.end(), is_control, '?');
  return fail(ErrorKind::usage,
              fmt::format("\"{}{}\" is no name for a {}: {}", shown,
                          text.size() > kShown ? "..." : "", whose, why),
              hint);
}

}  // namespace

Result<DriverDomainName> DriverDomainName::parse(std::string_view text) {
  const auto wrong = [&](const char* why) {
    return no_name(text, "driver domain", why, "give it a name such as net1");
  };
  const auto fits = [](char c) {
    return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
  };
  if (text.empty() || text.size() > kLongestDriverDomain || !is_letter_or_digit(text.front()) ||
      !std::all_of(text.begin(), text.end(), fits))
    return wrong("up to 48 letters, digits, - _ and ., the first a letter or a digit");
  if (is_number(text)) return wrong("xl would take it for a domain's number");
  if (text == "Domain-0" || text.ends_with("-standby") ||
      text.find("-dead-") != std::string_view::npos)
    return wrong("Domain-0, NAME-standby and NAME-dead-N mean other domains");
  return DriverDomainName(text);
}

Result<DomainName> DomainName::parse(std::string_view text) {
  const auto wrong = [&](const char* why, const char* hint = "`xl list` shows the domains' names") {
    return no_name(text, "domain", why, hint);
  };
  if (text.empty()) return wrong("it is empty");
  if (text.size() > kLongestDomain) return wrong("it has more than 255 bytes");
  if (std::any_of(text.begin(), text.end(), is_control)) return wrong("it has control characters");
  if (text.find('/') != std::string_view::npos || text == "." || text == "..")
    return wrong("it would be a path");
  if (is_number(text))
    return wrong("it is a number, and a domain has another one each time that it is created",
                 "devices are assigned to a domain by its name: see `xl list`");
  return DomainName(text);
}

std::string DomainName::file_name(std::string_view extension) const {
  std::string name = name_.substr(0, kLongestStem);
  std::replace_if(
      name.begin(), name.end(),
      [](char c) { return !is_letter_or_digit(c) && c != '-' && c != '_'; }, '_');
  return name.append(extension);
}

}  // namespace pciassign::config
