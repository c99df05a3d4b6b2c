// SPDX-License-Identifier: LGPL-2.1-or-later
// The two device notations of Xen 2.0 and xend, kept because old domain files carry them.
#include <fmt/format.h>

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

/// (device (pci (dev (domain 0x0) (bus 0x3) (slot 0x1a) (func 0x1))))
Result<Bdf> sxp_form(std::string_view text) {
  const auto list = tokens(text);
  const std::vector<std::string> head = {"(", "device", "(", "pci", "(", "dev"};
  const auto wrong = [&](const std::string& why) {
    return fail(ErrorKind::usage, fmt::format("\"{}\": {}", text, why),
                "the form is (device (pci (dev (domain 0x0) (bus 0x3) (slot 0x1a) (func 0x1))))");
  };
  std::size_t at = 0;
  for (const auto& expected : head)
    if (at >= list.size() || list[at++] != expected)
      return wrong("not the form (device (pci (dev ...)))");
  std::map<std::string, std::uint32_t> fields;
  while (at + 3 < list.size() && list[at] == "(") {
    const auto& key = list[at + 1];
    if (key != "domain" && key != "bus" && key != "slot" && key != "func")
      return wrong(fmt::format("unknown field \"{}\"; known: domain bus slot func", key));
    const auto value = parse_hex(without_prefix(list[at + 2]));
    if (!value || list[at + 3] != ")")
      return wrong(fmt::format("the field \"{}\" needs one hexadecimal number", key));
    if (!fields.emplace(key, *value).second)
      return wrong(fmt::format("the field \"{}\" is given twice", key));
    at += 4;
  }
  if (list.size() - at != 3 || list[at] != ")" || list[at + 1] != ")" || list[at + 2] != ")")
    return wrong("brackets do not match, or more than one device");
  for (const char* needed : {"bus", "slot", "func"})
    if (!fields.contains(needed)) return wrong(fmt::format("the field \"{}\" is missing", needed));
  return make(text, fields["domain"], fields["bus"], fields["slot"], fields["func"]);
}

}  // namespace

std::optional<Result<Bdf>> parse_old_form(std::string_view text) {
  if (text.starts_with("(")) return sxp_form(text);
  return comma_form(text);
}

}  // namespace pciassign::detail
