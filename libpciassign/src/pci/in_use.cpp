// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/in_use.hpp"

#include <algorithm>
#include <set>
#include <sstream>

#include "pci/files.hpp"

namespace pciassign::detail {
namespace {

void add_mounts(const fs::path& proc, HostUse& use) {
  // proc(5), mountinfo: id parent major:minor root mountpoint options...
  std::istringstream lines(read_text(proc / "self/mountinfo").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const auto words = words_of(line);
    if (words.size() > 4) use.block.emplace(words[2], "mounted on " + words[4]);
  }
}

void add_swaps(const fs::path& sys, const fs::path& proc, HostUse& use) {
  std::istringstream lines(read_text(proc / "swaps").value_or(""));
  std::string line;
  std::getline(lines, line);  // heading
  while (std::getline(lines, line)) {
    const auto words = words_of(line);
    if (words.empty() || !words[0].starts_with("/dev/")) continue;
    const auto number = read_text(sys / "class/block" / words[0].substr(5) / "dev", 32);
    if (number) use.block.emplace(*number, "swap on " + words[0]);
  }
}

void add_routes(const fs::path& proc, HostUse& use) {
  // Iface Destination Gateway Flags ...: the default route has destination and mask 0.
  std::istringstream lines(read_text(proc / "net/route").value_or(""));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const auto words = words_of(line);
    if (words.size() > 7 && words[1] == "00000000" && words[7] == "00000000")
      use.net.emplace(words[0], "default route through " + words[0]);
  }
}

/// Calls `visit` for each class/block or class/net entry whose device lies below `device`.
template <class Visit>
void below(const fs::path& sys, const char* kind, const fs::path& device, Visit visit) {
  std::error_code error;
  const auto root = fs::canonical(device, error);
  if (error) return;
  const auto prefix = root.string() + "/";
  for (const auto& name : names_in(sys / "class" / kind)) {
    const auto real = fs::canonical(sys / "class" / kind / name, error);
    if (!error && real.string().starts_with(prefix)) visit(name, real);
  }
}

/// A block device and everything stacked on it (partitions, device mapper, RAID).
void collect_block(const fs::path& sys, const fs::path& entry, std::set<std::string>& numbers) {
  const auto number = read_text(entry / "dev", 32);
  if (!number || !numbers.insert(*number).second) return;
  for (const auto& holder : names_in(entry / "holders"))
    collect_block(sys, sys / "class/block" / holder, numbers);
}

}  // namespace

HostUse read_host_use(const fs::path& sys, const fs::path& proc) {
  HostUse use;
  add_mounts(proc, use);
  add_swaps(sys, proc, use);
  add_routes(proc, use);
  return use;
}

std::vector<std::string> uses_of(const fs::path& sys, const fs::path& device, const HostUse& use) {
  std::set<std::string> found;
  if (!use.block.empty()) {
    std::set<std::string> numbers;
    below(sys, "block", device,
          [&](const std::string&, const fs::path& entry) { collect_block(sys, entry, numbers); });
    for (const auto& number : numbers)
      for (auto [at, end] = use.block.equal_range(number); at != end; ++at)
        found.insert(at->second);
  }
  if (!use.net.empty())
    below(sys, "net", device, [&](const std::string& name, const fs::path& entry) {
      for (auto [at, end] = use.net.equal_range(name); at != end; ++at) found.insert(at->second);
      const auto master = link_name(entry / "master");  // a bridge or bond that has the route
      for (auto [at, end] = use.net.equal_range(master); at != end; ++at) found.insert(at->second);
    });
  return {found.begin(), found.end()};
}

}  // namespace pciassign::detail
