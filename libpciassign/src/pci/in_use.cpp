// SPDX-License-Identifier: LGPL-2.1-or-later
// Goes from what is used down to the hardware, so that a scan costs what dom0 has of disks,
// interfaces and consoles, however many PCI functions there are.
#include "pci/in_use.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <vector>

#include "pci/files.hpp"
#include "pci/sysfs_device.hpp"

namespace pciassign::detail {
namespace {

using Words = std::set<std::string>;

class Scan {
 public:
  Scan(const fs::path& sys, const fs::path& proc) : sys_(sys), proc_(proc) {}

  HostUse run() {
    block_devices();
    mounts();
    swaps();
    disks_of_domains();
    for (const auto& [name, block] : blocks_) hold(name, block);
    routes();
    consoles();
    display();
    return std::move(use_);
  }

 private:
  struct Block {
    fs::path real;
    std::vector<std::string> holders;  ///< What is stacked on it.
    Words words;                       ///< How it is used itself.
  };

  /// The words go to every PCI function above the entry of a class.
  void put(const fs::path& real, const Words& words) {
    if (words.empty()) return;
    for (const auto& sbdf : place_of(real).functions) use_[sbdf].insert(words.begin(), words.end());
  }
  [[nodiscard]] fs::path real(const fs::path& link) const {
    std::error_code error;
    auto path = fs::canonical(link, error);
    return error ? fs::path{} : path;
  }
  [[nodiscard]] std::vector<std::string> lines_of(const fs::path& file) const {
    std::vector<std::string> lines;
    std::istringstream in(read_to_end(file).value_or(""));
    for (std::string line; std::getline(in, line);) lines.push_back(std::move(line));
    return lines;
  }

  void block_devices() {
    for (const auto& name : names_in(sys_ / "class/block")) {
      const auto entry = sys_ / "class/block" / name;
      blocks_[name] = {real(entry), names_in(entry / "holders"), {}};
      if (const auto number = read_text(entry / "dev", 32)) by_number_[*number] = name;
      if (const auto alias = read_text(entry / "dm/name", 256)) by_alias_[*alias] = name;
    }
  }

  Block* block_named(const std::string& name) {
    const auto at = blocks_.find(name);
    return at == blocks_.end() ? nullptr : &at->second;
  }
  Block* block_numbered(const std::string& number) {
    const auto at = by_number_.find(number);
    return at == by_number_.end() ? nullptr : block_named(at->second);
  }
  /// "/dev/sda1", "/dev/mapper/vg-root".
  Block* block_at(const std::string& node) {
    if (!node.starts_with("/dev/")) return nullptr;
    const auto name = node.substr(node.rfind('/') + 1);
    const auto alias = by_alias_.find(name);
    return block_named(alias == by_alias_.end() ? name : alias->second);
  }

  void mounts() {
    // Those of dom0's first process and of our own: each may have a name space of mounts in which
    // the other's are not, as systemd gives one to a service.
    for (const char* process : {"1", "self"}) mounts_of(process);
    for (const auto& uuid : names_in(sys_ / "fs/btrfs"))
      for (const auto& name : names_in(sys_ / "fs/btrfs" / uuid / "devices"))
        if (auto* block = block_named(name); block != nullptr && block->words.empty())
          block->words.insert("part of a mounted btrfs");
  }

  void mounts_of(const char* process) {
    // proc(5), mountinfo: id parent major:minor root mountpoint options... - type source options.
    for (const auto& line : lines_of(proc_ / process / "mountinfo")) {
      const auto words = words_of(line);
      if (words.size() < 5) continue;
      auto* block = block_numbered(words[2]);
      // btrfs has a number of its own; then the source tells.
      const auto dash = std::find(words.begin() + 5, words.end(), "-");
      if (block == nullptr && words.end() - dash > 2) block = block_at(dash[2]);
      if (block != nullptr) block->words.insert("mounted on " + words[4]);
    }
  }

  void swaps() {
    for (const auto& line : lines_of(proc_ / "swaps")) {
      const auto words = words_of(line);
      if (words.empty()) continue;
      if (auto* block = block_at(words[0])) block->words.insert("swap on " + words[0]);
    }
  }

  /// blkback's disks: physical_device is "major:minor" in hexadecimal.
  void disks_of_domains() {
    const auto root = sys_ / "bus/xen-backend/devices";
    for (const auto& name : names_in(root)) {
      const auto text = read_text(root / name / "physical_device", 32);
      if (!text) continue;
      const auto colon = text->find(':');
      if (colon == std::string::npos) continue;
      const auto number = std::to_string(std::strtoul(text->c_str(), nullptr, 16)) + ":" +
                          std::to_string(std::strtoul(text->c_str() + colon + 1, nullptr, 16));
      if (auto* block = block_numbered(number))
        block->words.insert("a disk of another domain (" + name + ")");
    }
  }

  /// The uses of a block device and of everything stacked on it (partitions have entries of their
  /// own, with the same function above them).
  void collect(const std::string& name, Words& words, std::set<std::string>& seen) {
    const auto* block = block_named(name);
    if (block == nullptr || !seen.insert(name).second) return;
    words.insert(block->words.begin(), block->words.end());
    for (const auto& holder : block->holders) collect(holder, words, seen);
  }

  void hold(const std::string& name, const Block& block) {
    if (place_of(block.real).functions.empty()) return;
    Words words;
    std::set<std::string> seen;
    collect(name, words, seen);
    // A volume or an array that nobody has mounted yet is in use as well.
    if (words.empty())
      for (const auto& holder : block.holders) {
        const auto alias = read_text(sys_ / "class/block" / holder / "dm/name", 256);
        words.insert("part of " + holder + (alias ? " (" + *alias + ")" : ""));
      }
    put(block.real, words);
  }

  void routes() {
    std::map<std::string, Words> through;
    // Iface Destination Gateway Flags RefCnt Use Metric Mask: the default route is all zeros.
    for (const auto& line : lines_of(proc_ / "net/route")) {
      const auto words = words_of(line);
      if (words.size() > 7 && words[1] == "00000000" && words[7] == "00000000")
        through[words[0]].insert("default route through " + words[0]);
    }
    // Destination prefix ... next-hop metric refcount use flags interface. The kernel keeps a
    // rejecting one on lo.
    for (const auto& line : lines_of(proc_ / "net/ipv6_route")) {
      const auto words = words_of(line);
      if (words.size() > 9 && words[0] == std::string(32, '0') && words[1] == "00" &&
          words[9] != "lo")
        through[words[9]].insert("IPv6 default route through " + words[9]);
    }
    for (const auto& [name, words] : through) {
      std::set<std::string> seen;
      down_from(name, words, seen);
    }
  }

  /// To what carries the interface: ports of a bridge, slaves of a bond, below a VLAN.
  void down_from(const std::string& name, const Words& words, std::set<std::string>& seen) {
    if (!seen.insert(name).second) return;
    put(real(sys_ / "class/net" / name), words);
    for (const auto& other : names_in(sys_ / "class/net")) {
      const auto entry = sys_ / "class/net" / other;
      if (link_name(entry / "master") == name || detail::exists(entry / ("upper_" + name)))
        down_from(other, words, seen);
    }
  }

  void consoles() {
    // "ttyS0                -W- (EC p a)    4:64"
    for (const auto& line : lines_of(proc_ / "consoles")) {
      const auto words = words_of(line);
      if (words.empty()) continue;
      put(real(sys_ / "class/tty" / words[0]), {"console on " + words[0]});
    }
  }

  /// The frame buffers, when a console is on one.
  void display() {
    const bool on_screen = [&] {
      for (const auto& name : names_in(sys_ / "class/vtconsole")) {
        const auto entry = sys_ / "class/vtconsole" / name;
        const auto what = read_text(entry / "name", 128).value_or("");
        if (read_number(entry / "bind").value_or(0) == 1 &&
            what.find("frame buffer") != std::string::npos)
          return true;
      }
      return false;
    }();
    if (!on_screen) return;
    for (const auto& name : names_in(sys_ / "class/graphics"))
      if (name.starts_with("fb") && name != "fbcon")
        put(real(sys_ / "class/graphics" / name), {"console on " + name});
  }

  const fs::path& sys_;
  const fs::path& proc_;
  std::map<std::string, Block> blocks_;
  std::map<std::string, std::string> by_number_, by_alias_;
  HostUse use_;
};

}  // namespace

HostUse read_host_use(const fs::path& sys, const fs::path& proc) {
  return Scan(sys, proc).run();
}

}  // namespace pciassign::detail
