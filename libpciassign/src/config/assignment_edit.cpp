// SPDX-License-Identifier: LGPL-2.1-or-later
// Editing of assignments as text: the parser says where things are, and only these places change.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "pciassign/config.hpp"
#include "read_file.hpp"
#include "toml_reader.hpp"

namespace pciassign::config {
namespace {

/// A half-open range of bytes.
struct Span {
  std::size_t begin = 0, end = 0;
};

/// toml++ counts lines and, in code points, columns from 1.
std::size_t offset_of(const std::string& text, const toml::source_position& at) {
  std::size_t offset = 0;
  for (toml::source_index line = 1; line < at.line; ++line) offset = text.find('\n', offset) + 1;
  for (toml::source_index column = 1; column < at.column && offset < text.size(); ++column) {
    ++offset;
    while (offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xc0U) == 0x80U)
      ++offset;
  }
  return offset;
}

Span span_of(const std::string& text, const toml::node& node) {
  return {offset_of(text, node.source().begin), offset_of(text, node.source().end)};
}

std::size_t line_begin(const std::string& text, std::size_t at) {
  return at == 0 ? 0 : text.rfind('\n', at - 1) + 1;  // npos + 1 is 0
}
std::size_t line_end(const std::string& text, std::size_t at) {
  return std::min(text.find('\n', at), text.size());
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string key_of(const std::string& name) {
  const bool bare = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
  return bare ? name : quoted(name);
}

std::string_view name_of(OnFailure on_failure) {
  return on_failure == OnFailure::start ? "start" : "keep-paused";
}

/// The domain's entry in the parsed text.
struct Entry {
  toml::table root;
  const toml::table* table = nullptr;  ///< Null: the text has none.
  const toml::array* devices = nullptr;
  Assignment assignment;
};

Result<Entry> find_entry(const std::string& text, const std::string& origin,
                         const std::string& domain) {
  const auto all = parse_assignments(text, origin);  // Everything in it is valid.
  if (!all) return tl::unexpected<Error>(all.error());
  Result<toml::table> root = parse_toml(text, origin);
  if (!root) return tl::unexpected<Error>(root.error());
  Entry entry{.root = std::move(*root), .table = nullptr, .devices = nullptr, .assignment = {}};
  const auto found = all->find(domain);
  if (found == all->end()) return entry;
  entry.assignment = found->second;
  entry.table = entry.root["domain"][domain].as_table();
  entry.devices = entry.table->get("devices")->as_array();
  return entry;
}

/// "[domain.net]" and nothing else can be cut out as whole lines.
bool has_header(const std::string& text, const toml::table& table) {
  const std::size_t at = offset_of(text, table.source().begin);
  return !table.is_inline() && at < text.size() && text[at] == '[';
}

Result<std::string> checked(std::string edited, const std::string& origin,
                            const std::string& domain, const std::vector<DeviceSpec>& wanted) {
  const auto all = parse_assignments(edited, origin);
  if (all) {
    const auto found = all->find(domain);
    const bool as_wanted = wanted.empty() ? found == all->end()
                                          : found != all->end() && found->second.devices == wanted;
    if (as_wanted) return edited;
  }
  return fail(ErrorKind::refused,
              fmt::format("the entry of domain {} in {} is written in a form that only a person "
                          "should edit",
                          domain, origin),
              "edit it by hand, then: systemctl reload pciassignd");
}

/// Lines from the entry's header to the next one; comments before that belong to what follows.
Span lines_of_entry(const std::string& text, const Entry& entry) {
  const std::size_t begin = line_begin(text, offset_of(text, entry.table->source().begin));
  std::size_t end = text.size();
  const auto nearer = [&](const toml::node& node) {
    const std::size_t at = line_begin(text, offset_of(text, node.source().begin));
    if (at > begin && at < end) end = at;
  };
  for (const auto& [key, node] : *entry.root["domain"].as_table()) nearer(node);
  if (end == text.size()) return {begin, end};
  for (std::size_t at = end; at > begin;) {
    at = line_begin(text, at - 1);
    const std::size_t word = text.find_first_not_of(" \t", at);
    if (text[word] != '#' && text[word] != '\n') break;
    if (text[word] == '#') end = at;
  }
  return {begin, end};
}

void insert_device(std::string& text, const toml::array& devices, const DeviceSpec& spec) {
  if (const toml::node* last = devices.get(devices.size() - 1)) {
    text.insert(span_of(text, *last).end, ", " + quoted(spec.str()));
  }
}

void remove_item(std::string& text, const toml::array& devices, std::size_t index) {
  const Span item = span_of(text, *devices.get(index));
  if (index + 1 < devices.size()) {
    text.erase(item.begin, span_of(text, *devices.get(index + 1)).begin - item.begin);
  } else {
    const std::size_t before = span_of(text, *devices.get(index - 1)).end;
    text.erase(before, item.end - before);
  }
}

}  // namespace

Result<std::string> with_devices(const std::string& text, const std::string& origin,
                                 const std::string& domain, const std::vector<DeviceSpec>& devices,
                                 std::optional<OnFailure> on_failure) {
  Result<Entry> entry = find_entry(text, origin, domain);
  if (!entry) return tl::unexpected<Error>(entry.error());
  std::string edited = text;
  if (entry->table == nullptr) {
    if (!edited.empty() && edited.back() != '\n') edited += '\n';
    if (!edited.empty()) edited += '\n';
    std::string list;
    for (const DeviceSpec& spec : devices) list += (list.empty() ? "" : ", ") + quoted(spec.str());
    edited += fmt::format("[domain.{}]\ndevices = [{}]\non_failure = \"{}\"\n", key_of(domain),
                          list, name_of(on_failure.value_or(OnFailure::keep_paused)));
    return checked(std::move(edited), origin, domain, devices);
  }

  std::vector<DeviceSpec> wanted = entry->assignment.devices;
  for (const DeviceSpec& spec : devices) {
    // Places move with every edit, so each edit works on a text that has just been parsed.
    const auto fresh = find_entry(edited, origin, domain);
    if (!fresh) return tl::unexpected<Error>(fresh.error());
    const auto same = std::find_if(wanted.begin(), wanted.end(), [&](const DeviceSpec& other) {
      return other.name == spec.name && (!spec.name.empty() || other.sbdf == spec.sbdf);
    });
    if (same == wanted.end()) {
      insert_device(edited, *fresh->devices, spec);
      wanted.push_back(spec);
    } else if (*same != spec) {
      const auto index = static_cast<std::size_t>(same - wanted.begin());
      const Span item = span_of(edited, *fresh->devices->get(index));
      edited.replace(item.begin, item.end - item.begin, quoted(spec.str()));
      *same = spec;
    }
  }
  if (on_failure && *on_failure != entry->assignment.on_failure) {
    const auto fresh = find_entry(edited, origin, domain);
    if (!fresh) return tl::unexpected<Error>(fresh.error());
    const std::string value = quoted(std::string(name_of(*on_failure)));
    if (const toml::node* node = fresh->table->get("on_failure")) {
      const Span at = span_of(edited, *node);
      edited.replace(at.begin, at.end - at.begin, value);
    } else {
      const std::size_t end = line_end(edited, span_of(edited, *fresh->devices).end);
      edited.insert(end, "\non_failure = " + value);
    }
  }
  return checked(std::move(edited), origin, domain, wanted);
}

Result<std::string> without_devices(const std::string& text, const std::string& origin,
                                    const std::string& domain, const std::vector<Sbdf>& devices) {
  const Result<Entry> entry = find_entry(text, origin, domain);
  if (!entry) return tl::unexpected<Error>(entry.error());
  if (entry->table == nullptr)
    return fail(ErrorKind::not_found, fmt::format("{} has no entry for domain {}", origin, domain),
                "`pciassign status` shows the domains with assignments");
  std::vector<DeviceSpec> wanted = entry->assignment.devices;
  std::string edited = text;
  const auto is = [](const Sbdf& device) {
    return [device](const DeviceSpec& spec) { return spec.name.empty() && spec.sbdf == device; };
  };
  for (const Sbdf& device : devices) {
    if (std::none_of(wanted.begin(), wanted.end(), is(device)))
      return fail(ErrorKind::not_found, fmt::format("{} is not assigned to domain {} in {}",
                                                    device.str(), domain, origin));
  }
  const auto left = std::count_if(wanted.begin(), wanted.end(), [&](const DeviceSpec& spec) {
    return std::none_of(devices.begin(), devices.end(),
                        [&](const Sbdf& device) { return is(device)(spec); });
  });
  if (devices.empty() || left == 0) {
    if (has_header(text, *entry->table)) {
      const Span lines = lines_of_entry(text, *entry);
      edited.erase(lines.begin, lines.end - lines.begin);
      if (edited.find_first_not_of(" \t\n") == std::string::npos) edited.clear();
    }
    return checked(std::move(edited), origin, domain, {});
  }
  for (const Sbdf& device : devices) {
    const auto fresh = find_entry(edited, origin, domain);
    if (!fresh) return tl::unexpected<Error>(fresh.error());
    const auto at = std::find_if(wanted.begin(), wanted.end(), is(device));
    remove_item(edited, *fresh->devices, static_cast<std::size_t>(at - wanted.begin()));
    wanted.erase(at);
  }
  return checked(std::move(edited), origin, domain, wanted);
}

}  // namespace pciassign::config
