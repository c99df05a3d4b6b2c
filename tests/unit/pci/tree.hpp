// SPDX-License-Identifier: GPL-2.0-or-later
// A sysfs and procfs in a temporary directory, with a configuration space captured from a machine.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace pciassign::test {

namespace fs = std::filesystem;

class Tree {
 public:
  Tree() {
    std::string name = (fs::temp_directory_path() / "pciassign-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    root_ = name;
    fs::create_directories(sys() / "bus/pci/devices");
    fs::create_directories(sys() / "bus/pci/drivers");
    fs::create_directories(root_ / "proc/self");
    fs::create_directories(root_ / "proc/net");
  }
  ~Tree() { fs::remove_all(root_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  [[nodiscard]] fs::path sys() const { return root_ / "sys"; }
  [[nodiscard]] fs::path proc() const { return root_ / "proc"; }

  void file(const fs::path& path, const std::string& text) const {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  [[nodiscard]] std::string text(const fs::path& path) const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void link(const fs::path& from, const fs::path& to) const {
    fs::create_directories(from.parent_path());
    fs::create_symlink(to, from);
  }

  /// A function at `where` below devices/ ("pci0000:00/0000:00:04.0"); the class link is made.
  fs::path device(const std::string& where, const std::string& vendor, const std::string& id,
                  const std::string& config) const {
    const auto dir = sys() / "devices" / where;
    file(dir / "vendor", vendor + "\n");
    file(dir / "device", id + "\n");
    file(dir / "class", "0x020000\n");
    file(dir / "revision", "0x03\n");
    file(dir / "irq", "20\n");
    file(dir / "config", config);
    link(sys() / "bus/pci/devices" / dir.filename(), dir);
    return dir;
  }
  void driver(const fs::path& device, const std::string& name) const {
    fs::create_directories(sys() / "bus/pci/drivers" / name);
    fs::remove(device / "driver");
    link(device / "driver", sys() / "bus/pci/drivers" / name);
  }

 private:
  fs::path root_;
};

/// From the hexadecimal digits of a dump, padded with zeros to `size`.
inline std::string bytes(const std::string& hex, std::size_t size = 256) {
  std::string out;
  std::string pair;
  for (char c : hex) {
    if (c == ' ' || c == '\n') continue;
    pair += c;
    if (pair.size() == 2) {
      out += static_cast<char>(std::stoi(pair, nullptr, 16));
      pair.clear();
    }
  }
  out.resize(size, '\0');
  return out;
}

/// Intel 82574L: PM at c8, MSI at d0, PCI Express at e0, MSI-X at a0 (lspci -xxx).
inline std::string config_82574() {
  auto space = bytes(
      "86 80 d3 10 06 04 10 00 00 00 00 02 10 00 00 00 00 00 84 fe 00 00 80 fe 01 c0 00 00 00 00 "
      "88 fe"
      "00 00 00 00 00 00 00 00 00 00 00 00 86 80 1f a0 00 00 00 00 c8 00 00 00 00 00 00 00 0b 01 "
      "00 00");
  const auto at = [&](std::size_t offset, const std::string& hex) {
    const auto part = bytes(hex, hex.size() / 3 + 1);
    space.replace(offset, part.size(), part);
  };
  at(0xc8, "01 d0 23 c8 08 20 00 0d");              // PM, No_Soft_Reset set
  at(0xd0, "05 e0 80 00 00 00 00 00");              // MSI, off
  at(0xe0, "10 a0 01 00 c0 8c 00 10 10 28 10 00");  // Express endpoint, FLR
  at(0xa0, "11 00 04 00 03 00 00 00");              // MSI-X, off
  return space;
}

}  // namespace pciassign::test
