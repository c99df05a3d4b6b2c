// SPDX-License-Identifier: LGPL-2.1-or-later
// The two device notations of Xen 2.0 and xend, kept because old domain files carry them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <vector>

#include "pci/hex.hpp"

namespace pciassign::detail {
namespace {

constexpr const char* kHint = "write it as [DDDD:]BB:DD.F, for example 03:00.0";

std::string_view without_prefix(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  return text;
}

Result<Bdf> make(std::string_view whole, std::uint32_t segment, std::uint32_t bus,
                 std::uint32_t device, std::uint32_t function) {
  if (segment > 0xffff || bus > 0xff || device > 0x1f || function > 7)
    return fail(ErrorKind::usage,
                fmt::format("\"{}\": segment, bus, device and function may be up to ffff, ff, 1f "
                            "and 7",
                            whole),
                kHint);
  Bdf bdf;
  bdf.sbdf = {static_cast<std::uint16_t>(segment), static_cast<std::uint8_t>(bus),
              static_cast<std::uint8_t>(device), static_cast<std::uint8_t>(function)};
  return bdf;
}

/// "bb,dd,ff", each one or two hexadecimal digits.
std::optional<Result<Bdf>> comma_form(std::string_view text) {
  std::vector<std::uint32_t> numbers;
  std::string_view rest = text;
  while (true) {
    const auto comma = rest.find(',');
    const auto part = without_prefix(rest.substr(0, comma));
    const auto value = part.size() <= 2 ? parse_hex(part) : std::nullopt;
    if (!value) return std::nullopt;
    numbers.push_back(*value);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (numbers.size() != 3) return std::nullopt;
  return make(text, 0, numbers[0], numbers[1], numbers[2]);
}

std::vector<std::string> tokens(std::string_view text) {
  std::vector<std::string> list;
  std::string word;
  auto flush = [&] {
    if (!word.empty()) list.push_back(std::move(word));
    word.clear();
  };
  for (char c : text) {
    if (c == '(' || c == ')' || c == ' ' || c == '\t' || c == '\n') {
      flush();
      if (c == '(' || c == ')') list.emplace_back(1, c);
    } else {
      word += c;
    }
  }
  flush();
  return list;
}

/// A number as xend read it: decimal without 0x in Xen 2.0, hexadecimal in any case later.
std::optional<std::uint32_t> number(const std::string& text, bool decimal) {
  const auto digits = without_prefix(text);
  if (!decimal || digits.size() != text.size()) return parse_hex(digits);
  std::uint32_t value = 0;
  const auto* end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, value);
  if (error != std::errc{} || at != end) return std::nullopt;
  return value;
}

/// Xen 2.0: (device (pci (bus 3) (dev 26) (func 1)))
/// xend 3:  (device (pci (dev (domain 0x0) (bus 0x3) (slot 0x1a) (func 0x1))))
Result<Bdf> sxp_form(std::string_view text) {
  const auto list = tokens(text);
  const auto wrong = [&](const std::string& why) {
    return fail(ErrorKind::usage, fmt::format("\"{}\": {}", text, why),
                "the forms are (device (pci (bus 0x3) (dev 0x1a) (func 0x1))) and (device (pci "
                "(dev (domain 0x0) (bus 0x3) (slot 0x1a) (func 0x1))))");
  };
  const auto is = [&](std::size_t at, std::string_view token) {
    return at < list.size() && list[at] == token;
  };
  if (!is(0, "(") || !is(1, "device") || !is(2, "(") || !is(3, "pci"))
    return wrong("not the form (device (pci ...))");
  const bool nested = is(4, "(") && is(5, "dev") && is(6, "(");
  const std::vector<std::string> known =
      nested ? std::vector<std::string>{"domain", "bus", "slot", "func"}
             : std::vector<std::string>{"bus", "dev", "func"};
  std::size_t at = nested ? 6 : 4;
  std::map<std::string, std::uint32_t> fields;
  while (at + 3 < list.size() && list[at] == "(") {
    const auto& key = list[at + 1];
    if (std::find(known.begin(), known.end(), key) == known.end())
      return wrong(fmt::format("unknown field \"{}\"; known: {}", key, fmt::join(known, " ")));
    const auto value = number(list[at + 2], !nested);
    if (!value || list[at + 3] != ")")
      return wrong(fmt::format("the field \"{}\" needs one {}", key,
                               nested ? "hexadecimal number" : "number (hexadecimal with 0x)"));
    if (!fields.emplace(key, *value).second)
      return wrong(fmt::format("the field \"{}\" is given twice", key));
    at += 4;
  }
  const std::size_t open = nested ? 3 : 2;
  if (list.size() - at != open ||
      !std::all_of(list.begin() + static_cast<std::ptrdiff_t>(at), list.end(),
                   [](const std::string& token) { return token == ")"; }))
    return wrong("brackets do not match, or more than one device");
  for (const auto& needed : known)
    if (needed != "domain" && !fields.contains(needed))
      return wrong(fmt::format("the field \"{}\" is missing", needed));
  return make(text, fields["domain"], fields["bus"], fields[nested ? "slot" : "dev"],
              fields["func"]);
}

}  // namespace

std::optional<Result<Bdf>> parse_old_form(std::string_view text) {
  if (text.starts_with("(")) return sxp_form(text);
  return comma_form(text);
}

}  // namespace pciassign::detail
