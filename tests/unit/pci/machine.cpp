// SPDX-License-Identifier: GPL-2.0-or-later
#include "pci/machine.hpp"

#include <fmt/format.h>

namespace pciassign::test {
namespace {

bool is_bridge(Kind kind) {
  return kind == Kind::root_port || kind == Kind::upstream || kind == Kind::downstream ||
         kind == Kind::to_conventional || kind == Kind::conventional_bridge;
}

bool is_express(Kind kind) {
  return kind != Kind::conventional && kind != Kind::conventional_bridge;
}

/// Little-endian registers of one function.
class Space {
 public:
  explicit Space(std::size_t size) : bytes_(size, '\0') {}
  void put(std::size_t at, std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i)
      bytes_[at + static_cast<std::size_t>(i)] = static_cast<char>(value >> 8 * i & 0xff);
  }
  /// Appends to the list of capabilities.
  void capability(std::size_t at, unsigned id) {
    put(last_, at, 1);
    put(at, id, 1);
    last_ = at + 1;
    put(0x06, 0x10, 2);  // status: there is a list
  }
  /// Extended ones follow each other from 100.
  void extended(std::size_t at, unsigned id) {
    if (at != 0x100) put(last_extended_ + 2, (at << 4) | 1, 2);
    put(at, id | 1U << 16, 4);
    last_extended_ = at;
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  std::size_t last_ = 0x34, last_extended_ = 0x100;
};

std::string full(const std::string& at) {
  return at.size() == 7 ? "0000:" + at : at;
}

unsigned hex(const std::string& text) {
  return static_cast<unsigned>(std::stoul(text, nullptr, 16));
}

std::string resource_of(const std::vector<Bar>& bars) {
  std::string text;
  for (std::size_t i = 0; i < 7; ++i) {
    const Bar bar = i < bars.size() ? bars[i] : Bar{};
    // Linux include/linux/ioport.h: I/O 100, memory 200, 64 bits 100000.
    const unsigned flags = bar.size == 0  ? 0
                           : bar.io       ? 0x40101U
                           : bar.is_64bit ? 0x140204U
                                          : 0x40200U;
    text += fmt::format("{:#018x} {:#018x} {:#018x}\n", bar.start,
                        bar.size == 0 ? 0 : bar.start + bar.size - 1, flags);
  }
  return text;
}

}  // namespace

std::string config_of(const Function& f) {
  Space space(is_express(f.kind) ? 4096 : 256);
  // A virtual function does not say what it is.
  space.put(0x00, f.physfn.empty() ? hex(f.id.substr(0, 4)) : 0xffff, 2);
  space.put(0x02, f.physfn.empty() ? hex(f.id.substr(5)) : 0xffff, 2);
  space.put(0x09, f.cls, 3);
  space.put(0x0e, (is_bridge(f.kind) ? 1U : 0U) | (f.multifunction ? 0x80U : 0U), 1);
  space.put(0x3d, f.gsi > 0 ? 1 : 0, 1);
  space.capability(0x40, 0x01);  // PM
  space.put(0x44, 0x0008, 2);    // No_Soft_Reset
  if (!is_bridge(f.kind)) {
    space.capability(0x50, 0x11);  // MSI-X
    space.put(0x52, f.msix_on ? 0x8003 : 0x0003, 2);
  }
  if (!is_express(f.kind)) return space.bytes();
  space.capability(0x60, 0x10);
  space.put(0x62, static_cast<unsigned>(f.kind) << 4 | 2, 2);
  space.put(0x64, f.flr ? 1U << 28 : 0, 4);
  std::size_t next = 0x100;
  if (f.acs != Acs::absent) {
    space.extended(next, 0x0d);
    space.put(next + 4, 0x1d, 2);
    space.put(next + 6, f.acs == Acs::on ? 0x1d : 0, 2);
    next += 0x40;
  }
  if (!f.serial.empty()) {
    space.extended(next, 0x03);
    space.put(next + 4, std::stoull(f.serial, nullptr, 16), 8);
  }
  return space.bytes();
}

Machine::Machine(const std::vector<Function>& functions) {
  fs::create_directories(tree.sys() / "bus/pci/drivers/pciback");
  for (const auto& function : functions) add(function);
}

void Machine::add(const Function& f) {
  const auto name = full(f.at);
  const auto above =
      f.below.empty() ? tree.sys() / "devices" / ("pci" + name.substr(0, 7)) : dirs_.at(f.below);
  const auto dir = above / name;
  dirs_.emplace(f.at, dir);
  tree.file(dir / "vendor", "0x" + f.id.substr(0, 4) + "\n");
  tree.file(dir / "device", "0x" + f.id.substr(5) + "\n");
  tree.file(dir / "class", fmt::format("{:#08x}\n", f.cls));
  tree.file(dir / "irq", fmt::format("{}\n", f.gsi));
  tree.file(dir / "resource", resource_of(f.bars));
  tree.file(dir / "config", config_of(f));
  const auto method = f.reset_method.empty() && f.flr ? std::string("flr") : f.reset_method;
  tree.file(dir / "reset_method", method + "\n");
  if (!method.empty()) tree.file(dir / "reset", "");
  if (f.resets_below) tree.file(dir / "reset_subordinate", "");
  if (!f.physfn.empty()) tree.link(dir / "physfn", "../" + full(f.physfn));
  if (!f.driver.empty()) tree.driver(dir, f.driver);
  tree.link(tree.sys() / "bus/pci/devices" / name, dir);
}

void Machine::disk(const std::string& at, const std::string& name, const std::string& number,
                   const std::vector<std::string>& holders) const {
  const auto entry = dir(at) / "block" / name;
  tree.file(entry / "dev", number + "\n");
  for (const auto& holder : holders) tree.file(entry / "holders" / holder, "");
  tree.link(tree.sys() / "class/block" / name, entry);
}

void Machine::volume(const std::string& name, const std::string& number,
                     const std::string& alias) const {
  const auto entry = tree.sys() / "devices/virtual/block" / name;
  tree.file(entry / "dev", number + "\n");
  if (!alias.empty()) tree.file(entry / "dm/name", alias + "\n");
  tree.link(tree.sys() / "class/block" / name, entry);
}

void Machine::mounted(const std::string& number, const std::string& where) const {
  const auto file = tree.proc() / "self/mountinfo";
  tree.file(file, tree.text(file) +
                      fmt::format("22 1 {} / {} rw shared:1 - ext4 none rw\n", number, where));
}

void Machine::interface(const std::string& at, const std::string& name) const {
  tree.file(dir(at) / "net" / name / "ifindex", "2\n");
  tree.link(tree.sys() / "class/net" / name, dir(at) / "net" / name);
}

void Machine::default_route(const std::string& interface) const {
  tree.file(tree.proc() / "net/route",
            "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n" + interface +
                " 00000000 0202000A 0003 0 0 0 00000000 0 0 0\n");
}

std::vector<Function> many_functions(std::size_t count) {
  constexpr std::size_t kPorts = 16, kOnABus = 256;
  std::vector<Function> list;
  std::vector<std::string> ports;
  for (std::size_t i = 0; i < kPorts; ++i) {
    ports.push_back(fmt::format("00:{:02x}.0", i));
    list.push_back({.at = ports.back(), .kind = Kind::root_port, .cls = 0x060400, .acs = Acs::on});
  }
  for (std::size_t i = 0; list.size() < count; ++i) {
    const auto port = i % kPorts, on_bus = i / kPorts;
    if (on_bus >= kOnABus) break;
    const std::uint64_t base = 0x380000000000ULL + i * 0x10000;
    list.push_back(
        {.at = fmt::format("{:02x}:{:02x}.{:x}", port + 1, on_bus / 8, on_bus % 8),
         .below = ports[port],
         .multifunction = true,
         .acs = Acs::on,
         .flr = true,
         .gsi = static_cast<int>(16 + i % 8),
         .msix_on = true,
         .driver = i % 4 == 0 ? "ixgbe" : "pciback",
         .bars = {{base, 0x8000, false, true}, {}, {base + 0x8000, 0x4000, false, true}}});
  }
  return list;
}

}  // namespace pciassign::test
