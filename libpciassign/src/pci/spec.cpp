// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>

#include "pci/hex.hpp"
#include "pciassign/address.hpp"

namespace pciassign {
namespace {

constexpr std::array<std::string_view, 13> kKeys = {
    "bdf",  "vslot", "permissive", "msitranslate", "seize", "power_mgmt", "rdm_policy",
    "name", "allow", "reset",      "serial",       "path",  "id"};

constexpr std::array<std::pair<std::string_view, ResetPolicy>, 4> kResets = {
    {{"required", ResetPolicy::required},
     {"bus", ResetPolicy::bus},
     {"best-effort", ResetPolicy::best_effort},
     {"none", ResetPolicy::none}}};

std::string known_keys() {
  return fmt::format("known keys: {}", fmt::join(kKeys, " "));
}

Result<bool> boolean(std::string_view key, std::string_view value) {
  for (std::string_view yes : {"1", "yes", "true", "on"})
    if (value == yes) return true;
  for (std::string_view no : {"0", "no", "false", "off"})
    if (value == no) return false;
  return fail(ErrorKind::usage, fmt::format("{}=\"{}\" is neither yes nor no", key, value),
              "write 0 or 1 (also: no yes false true off on)");
}

Result<std::uint8_t> virtual_slot(std::string_view value) {
  auto slot = detail::parse_hex(value);
  if (!slot || *slot > 0x1f)
    return fail(ErrorKind::usage,
                fmt::format("the virtual slot \"{}\" is not a hexadecimal number up to 1f", value),
                "write a slot from 0 to 1f, or leave it out");
  return static_cast<std::uint8_t>(*slot);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

/// Made of lower case letters, digits and `others` only, and not empty.
bool is_made_of(std::string_view text, std::string_view others) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
}

bool is_word(std::string_view text) {
  return is_made_of(text, "-");
}

/// What has been read so far of one specification.
struct Reader {
  DeviceSpec spec;
  bool have_bdf = false;
  std::set<std::string, std::less<>> seen;

  Result<void> address(std::string_view text) {
    auto bdf = detail::parse_bdf(text);
    if (!bdf) return tl::unexpected(bdf.error());
    spec.sbdf = bdf->sbdf;
    spec.all_functions = bdf->all_functions;
    have_bdf = true;
    return {};
  }

  Result<void> flag(bool AssignOptions::*member, std::string_view key, std::string_view value) {
    auto on = boolean(key, value);
    if (!on) return tl::unexpected(on.error());
    spec.options.*member = *on;
    return {};
  }

  Result<void> vslot(std::string_view value) {
    auto slot = virtual_slot(value);
    if (!slot) return tl::unexpected(slot.error());
    spec.options.vslot = *slot;
    return {};
  }

  Result<void> allow(std::string_view value) {
    spec.options.allow = split(value, '+');
    for (const auto& word : spec.options.allow)
      if (!is_word(word))
        return fail(ErrorKind::usage,
                    fmt::format("allow=\"{}\": \"{}\" is not a word", value, word),
                    "write allow=no-reset or allow=no-reset+no-iommu");
    return {};
  }

  Result<void> reset(std::string_view value) {
    for (const auto& [word, policy] : kResets)
      if (word == value) {
        spec.options.reset = policy;
        return {};
      }
    return fail(ErrorKind::usage, fmt::format("reset=\"{}\" is not known", value),
                "write required, bus, best-effort or none");
  }

  Result<void> id(std::string_view value) {
    const auto parts = split(value, ':');
    std::array<std::uint32_t, 3> numbers{};
    const std::array<std::size_t, 3> digits = {4, 4, 6};
    bool right = parts.size() == 2 || parts.size() == 3;
    for (std::size_t i = 0; right && i < parts.size(); ++i) {
      const auto number = detail::parse_hex(parts[i]);
      right = number && parts[i].size() == digits[i];
      if (right) numbers[i] = *number;
    }
    if (!right)
      return fail(ErrorKind::usage, fmt::format("id=\"{}\" is not VENDOR:DEVICE[:CLASS]", value),
                  "write it as lspci -n does, for example id=8086:10d3 or id=8086:10d3:020000");
    auto& expected = spec.options.expected;
    expected.vendor = static_cast<std::uint16_t>(numbers[0]);
    expected.device = static_cast<std::uint16_t>(numbers[1]);
    if (parts.size() == 3) expected.class_code = numbers[2];
    return {};
  }

  Result<void> serial(std::string_view value) {
    if (value.size() != 23 || !is_made_of(value, "-"))
      return fail(ErrorKind::usage, fmt::format("serial=\"{}\" is not a serial number", value),
                  "write it as `pciassign show` does: 00-1b-21-ff-ff-8c-9a-10");
    spec.options.expected.serial = value;
    return {};
  }

  Result<void> path(std::string_view value) {
    if (!value.starts_with("pci") || !is_made_of(value, ":./"))
      return fail(ErrorKind::usage, fmt::format("path=\"{}\" is not a path on the bus", value),
                  "write it as `pciassign show` does: pci0000:00/1c.0/00.0");
    spec.options.expected.path = value;
    return {};
  }

  Result<void> assign(std::string_view key, std::string_view value) {
    if (!seen.emplace(key).second)
      return fail(ErrorKind::usage, fmt::format("the key \"{}\" is given twice", key),
                  "give it once");
    if (key == "bdf") return address(value);
    if (key == "vslot") return vslot(value);
    if (key == "permissive") return flag(&AssignOptions::permissive, key, value);
    if (key == "msitranslate") return flag(&AssignOptions::msitranslate, key, value);
    if (key == "seize") return flag(&AssignOptions::seize, key, value);
    if (key == "power_mgmt") return flag(&AssignOptions::power_mgmt, key, value);
    if (key == "allow") return allow(value);
    if (key == "reset") return reset(value);
    if (key == "id") return id(value);
    if (key == "serial") return serial(value);
    if (key == "path") return path(value);
    if (key == "rdm_policy") {
      if (value != "strict" && value != "relaxed")
        return fail(ErrorKind::usage, fmt::format("rdm_policy=\"{}\" is not known", value),
                    "write strict or relaxed");
      spec.options.rdm_policy = value == "strict" ? RdmPolicy::strict : RdmPolicy::relaxed;
      return {};
    }
    if (key == "name") {
      if (value.empty() || value.find('/') != std::string_view::npos)
        return fail(ErrorKind::usage, fmt::format("name=\"{}\" is not a device name", value),
                    "give the name that was set with xl pci-assignable-add -n");
      spec.name = value;
      return {};
    }
    return fail(ErrorKind::usage, fmt::format("unknown key \"{}\"", key), known_keys());
  }

  /// The first part may be positional: bdf["@"hex].
  Result<void> positional(std::string_view part) {
    const auto at = part.find('@');
    auto done = address(part.substr(0, at));
    if (!done) return done;
    seen.emplace("bdf");
    if (at == std::string_view::npos) return {};
    seen.emplace("vslot");
    return vslot(part.substr(at + 1));
  }
};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

Result<DeviceSpec> DeviceSpec::parse(std::string_view text, const AssignOptions& defaults) {
  Reader reader;
  reader.spec.options = defaults;
  if (auto old = detail::parse_old_form(trimmed(text))) {
    if (!*old) return tl::unexpected(old->error());
    reader.spec.sbdf = (*old)->sbdf;
    return reader.spec;
  }
  bool first = true;
  for (const auto& raw : split(text, ',')) {
    const auto part = trimmed(raw);
    const auto equals = part.find('=');
    Result<void> done;
    if (first && equals == std::string_view::npos)
      done = reader.positional(part);
    else if (part.empty())
      done = fail(ErrorKind::usage, fmt::format("\"{}\" has an empty part", text),
                  "separate options by one comma");
    else if (equals == std::string_view::npos)
      done = fail(ErrorKind::usage, fmt::format("\"{}\" is not of the form key=value", part),
                  known_keys());
    else
      done = reader.assign(trimmed(part.substr(0, equals)), trimmed(part.substr(equals + 1)));
    if (!done) return tl::unexpected(done.error());
    first = false;
  }
  if (reader.have_bdf && !reader.spec.name.empty())
    return fail(ErrorKind::usage, fmt::format("\"{}\" has both an address and a name", text),
                "give one of bdf and name");
  if (!reader.have_bdf && reader.spec.name.empty())
    return fail(ErrorKind::usage, fmt::format("\"{}\" names no device", text),
                "give an address (bdf=03:00.0) or a name (name=...)");
  if (reader.spec.all_functions && reader.spec.options.expected != Identity{})
    return fail(ErrorKind::usage, fmt::format("\"{}\" pins many functions to one identity", text),
                "id, serial and path are for one function");
  return reader.spec;
}

std::string DeviceSpec::str() const {
  std::string text;
  if (!name.empty()) {
    text = "name=" + name;
  } else {
    text = sbdf.str();
    if (all_functions) text.replace(text.size() - 1, 1, "*");
  }
  if (options.vslot) text += fmt::format(",vslot={:x}", *options.vslot);
  if (options.permissive) text += ",permissive=1";
  if (options.msitranslate) text += ",msitranslate=1";
  if (options.seize) text += ",seize=1";
  if (options.power_mgmt) text += ",power_mgmt=1";
  if (options.rdm_policy == RdmPolicy::relaxed) text += ",rdm_policy=relaxed";
  for (const auto& [word, policy] : kResets)
    if (policy == options.reset && policy != ResetPolicy::required)
      text += fmt::format(",reset={}", word);
  const auto& expected = options.expected;
  if (expected.vendor && expected.device)
    text += fmt::format(",id={:04x}:{:04x}", *expected.vendor, *expected.device);
  if (expected.vendor && expected.device && expected.class_code)
    text += fmt::format(":{:06x}", *expected.class_code);
  if (!expected.serial.empty()) text += ",serial=" + expected.serial;
  if (!expected.path.empty()) text += ",path=" + expected.path;
  if (!options.allow.empty()) text += fmt::format(",allow={}", fmt::join(options.allow, "+"));
  return text;
}

}  // namespace pciassign
