// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include "pci/hex.hpp"
#include "pciassign/address.hpp"

namespace pciassign {

std::uint32_t Sbdf::machine() const noexcept {
  return std::uint32_t{segment} << 16 | std::uint32_t{bus} << 8 | std::uint32_t{device} << 3 |
         function;
}

Sbdf Sbdf::from_machine(std::uint32_t value) noexcept {
  return {static_cast<std::uint16_t>(value >> 16), static_cast<std::uint8_t>(value >> 8 & 0xff),
          static_cast<std::uint8_t>(value >> 3 & 0x1f), static_cast<std::uint8_t>(value & 7)};
}

std::string Sbdf::str() const {
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", segment, bus, device, function);
}

std::string Sbdf::libxl_key() const {
  return fmt::format("{:04x}-{:02x}-{:02x}-{:x}", segment, bus, device, function);
}

std::optional<Sbdf> Sbdf::from_libxl_key(std::string_view key) {
  if (key.size() != 12) return std::nullopt;
  std::string text(key);
  text[4] = text[7] = ':';
  text[10] = '.';
  const auto device = parse(text);
  if (!device || device->libxl_key() != key) return std::nullopt;
  return *device;
}

Result<Sbdf> Sbdf::parse(std::string_view text) {
  auto parsed = detail::parse_bdf(text);
  if (!parsed) return tl::unexpected(parsed.error());
  if (parsed->all_functions)
    return fail(ErrorKind::usage,
                fmt::format("\"{}\": one function is needed here, not all of them (\"*\")", text),
                "name one function, 0 to 7, for example 03:00.0");
  return parsed->sbdf;
}

namespace detail {

std::optional<std::uint32_t> parse_hex(std::string_view text) {
  if (text.empty() || text.size() > 8) return std::nullopt;
  std::uint32_t value = 0;
  for (char c : text) {
    std::uint32_t digit = 0;
    if (c >= '0' && c <= '9')
      digit = static_cast<std::uint32_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<std::uint32_t>(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<std::uint32_t>(c - 'A' + 10);
    else
      return std::nullopt;
    value = value << 4 | digit;
  }
  return value;
}

namespace {

Result<std::uint32_t> field(std::string_view whole, std::string_view text, const char* what,
                            std::size_t digits, std::uint32_t highest) {
  auto value = parse_hex(text);
  if (!value || text.size() > digits)
    return fail(ErrorKind::usage,
                fmt::format("\"{}\": the {} \"{}\" is not a hexadecimal number of 1 to {} digits",
                            whole, what, text, digits),
                "write [DDDD:]BB:DD.F, for example 0000:03:00.0");
  if (*value > highest)
    return fail(ErrorKind::usage,
                fmt::format("\"{}\": the {} {} is out of range, {:x} is the highest", whole, what,
                            text, highest),
                "write [DDDD:]BB:DD.F, for example 0000:03:00.0");
  return *value;
}

}  // namespace

Result<Bdf> parse_bdf(std::string_view text) {
  const auto dot = text.rfind('.');
  const auto colon = text.rfind(':', dot);
  if (dot == std::string_view::npos || colon == std::string_view::npos || colon > dot)
    return fail(ErrorKind::usage, fmt::format("\"{}\" is not a PCI address", text),
                "write [DDDD:]BB:DD.F, for example 03:00.0 or 0000:03:00.0");
  const auto function_text = text.substr(dot + 1);
  const auto device_text = text.substr(colon + 1, dot - colon - 1);
  auto bus_text = text.substr(0, colon);
  std::string_view segment_text = "0";
  if (const auto first = bus_text.find(':'); first != std::string_view::npos) {
    segment_text = bus_text.substr(0, first);
    bus_text = bus_text.substr(first + 1);
  }
  Bdf bdf;
  auto segment = field(text, segment_text, "segment", 4, 0xffff);
  if (!segment) return tl::unexpected(segment.error());
  auto bus = field(text, bus_text, "bus", 2, 0xff);
  if (!bus) return tl::unexpected(bus.error());
  auto device = field(text, device_text, "device", 2, 0x1f);
  if (!device) return tl::unexpected(device.error());
  bdf.sbdf.segment = static_cast<std::uint16_t>(*segment);
  bdf.sbdf.bus = static_cast<std::uint8_t>(*bus);
  bdf.sbdf.device = static_cast<std::uint8_t>(*device);
  if (function_text == "*") {
    bdf.all_functions = true;
    return bdf;
  }
  auto function = field(text, function_text, "function", 1, 7);
  if (!function) return tl::unexpected(function.error());
  bdf.sbdf.function = static_cast<std::uint8_t>(*function);
  return bdf;
}

}  // namespace detail
}  // namespace pciassign
