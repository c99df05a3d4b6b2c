// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/uuid.hpp"

#include <fmt/format.h>

#include <random>

#include "pciassign/hypervisor.hpp"

namespace pciassign {

std::string new_uuid() {
  std::random_device random;
  DomainInfo info;
  for (std::uint8_t& byte : info.uuid) byte = static_cast<std::uint8_t>(random());
  info.uuid[6] = static_cast<std::uint8_t>((info.uuid[6] & 0x0f) | 0x40);
  info.uuid[8] = static_cast<std::uint8_t>((info.uuid[8] & 0x3f) | 0x80);
  return info.uuid_str();
}

Result<std::string> parse_uuid(std::string_view text) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  const auto refuse = [&] {
    return fail(ErrorKind::usage,
                fmt::format("\"{}\" is no uuid", text.substr(0, 2 * kForm.size())),
                fmt::format("write it as {}, in hexadecimal digits", kForm));
  };
  if (text.size() != kForm.size()) return refuse();
  std::string normal;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool upper = c >= 'A' && c <= 'F';
    const bool digit = upper || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (kForm[i] == '-' ? c != '-' : !digit) return refuse();
    normal += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return normal;
}

}  // namespace pciassign
