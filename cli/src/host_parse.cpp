// SPDX-License-Identifier: GPL-2.0-or-later
// Texts of Xen and of the kernel's command line.
#include <charconv>

#include "host_facts.hpp"

namespace pciassign::cli {
namespace {

template <class F>
void for_each_line(std::string_view text, F f) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("(XEN) ")) line.remove_prefix(6);
    f(line);
  }
}

std::optional<DomId> number_after(std::string_view line, std::string_view words) {
  const std::size_t at = line.find(words);
  if (at == line.npos) return std::nullopt;
  line.remove_prefix(at + words.size());
  DomId value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  return error == std::errc{} ? std::optional(value) : std::nullopt;
}

/// What is between the braces of "Interrupts { 20-21 }", without the spaces.
std::string between_braces(std::string_view line) {
  const std::size_t open = line.find('{'), close = line.rfind('}');
  if (open == line.npos || close == line.npos || close < open) return {};
  std::string_view set = line.substr(open + 1, close - open - 1);
  while (set.starts_with(' ')) set.remove_prefix(1);
  while (set.ends_with(' ')) set.remove_suffix(1);
  return std::string(set);
}

std::string_view without_indent(std::string_view line) {
  while (line.starts_with(' ')) line.remove_prefix(1);
  return line;
}

}  // namespace

std::map<DomId, Rights> parse_rights(std::string_view console) {
  std::map<DomId, Rights> all;
  std::optional<DomId> domid;
  for_each_line(console, [&](std::string_view line) {
    // The ring keeps older dumps; a later one starts anew.
    if (line.starts_with("'q' pressed")) all.clear();
    if (const auto at = number_after(line, "General information for domain ")) {
      domid = at;
      all[*domid] = {};
    }
    if (!domid) return;
    line = without_indent(line);
    if (line.starts_with("Interrupts ")) all[*domid].interrupts = between_braces(line);
    if (line.starts_with("I/O Memory ")) all[*domid].memory = between_braces(line);
    if (line.starts_with("I/O Ports ")) all[*domid].ports = between_braces(line);
  });
  return all;
}

std::map<Sbdf, DomId> parse_owners(std::string_view console) {
  std::map<Sbdf, DomId> owners;
  for_each_line(console, [&](std::string_view line) {
    if (line.starts_with("==== PCI devices ====")) owners.clear();
    // "0000:00:04.0 - d1 - node -1 ..."; quarantined: "- DomIO:7ff1" or "- d[IO]".
    const std::size_t dash = line.find(" - ");
    if (dash == line.npos) return;
    const Result<Sbdf> device = Sbdf::parse(without_indent(line.substr(0, dash)));
    if (!device) return;
    const std::string_view owner = line.substr(dash + 3);
    if (owner.starts_with("DomIO") || owner.starts_with("d[IO]")) {
      owners[*device] = kDomIo;
    } else if (const auto domid = number_after(owner, "d"); domid && owner.starts_with('d')) {
      owners[*device] = *domid;
    }
  });
  return owners;
}

std::vector<Hidden> parse_hidden(std::string_view command_line, std::string_view from) {
  std::vector<Hidden> all;
  std::string_view rest = command_line;
  while (!rest.empty()) {
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size());
    const std::size_t equals = word.find(".hide=");
    if (equals == word.npos) continue;
    const std::string_view module = word.substr(0, equals);
    const bool foreign = module == "xen-pciback" || module == "xen_pciback";
    if (!foreign && module != "pciback") continue;
    word.remove_prefix(equals + 6);
    for (std::size_t open = 0; (open = word.find('(')) != word.npos;) {
      const std::size_t close = std::min(word.find(')', open), word.size());
      all.push_back(
          {std::string(word.substr(open + 1, close - open - 1)), std::string(from), foreign});
      word.remove_prefix(std::min(close + 1, word.size()));
    }
  }
  return all;
}

}  // namespace pciassign::cli
