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

constexpr std::array<std::string_view, 9> kKeys = {"bdf",          "vslot", "permissive",
                                                   "msitranslate", "seize", "power_mgmt",
                                                   "rdm_policy",   "name",  "allow"};

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

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
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
  if (!options.allow.empty()) text += fmt::format(",allow={}", fmt::join(options.allow, "+"));
  return text;
}

}  // namespace pciassign
