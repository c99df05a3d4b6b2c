// SPDX-License-Identifier: GPL-2.0-or-later
// A whole machine as sysfs shows it, from a table of its functions.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pci/tree.hpp"
#include "pciassign/address.hpp"

namespace pciassign::test {

/// PCI Express device/port types, and what is not Express.
enum class Kind {
  endpoint = 0,
  root_port = 4,
  upstream = 5,
  downstream = 6,
  to_conventional = 7,
  integrated = 9,
  conventional,         ///< A card of the old bus.
  conventional_bridge,  ///< A bridge of the old bus.
};

/// What the firmware and the kernel made of ACS.
enum class Acs { absent, off, on };

struct Bar {
  std::uint64_t start = 0, size = 0;
  bool io = false, is_64bit = false;
};

/// One function. What is left out has the plainest value.
struct Function {
  std::string at = {};     ///< "02:00.0"
  std::string below = {};  ///< The bridge above it; empty: the root bus of its own number.
  Kind kind = Kind::endpoint;
  std::string id = "8086:10d3";
  std::uint32_t cls = 0x020000;
  bool multifunction = false;
  Acs acs = Acs::absent;
  bool flr = false;
  std::string reset_method = {};  ///< What the kernel says; empty: "flr" if flr, else nothing.
  int gsi = 0;                    ///< Its line, with INTA; 0: no pin.
  bool msix_on = false;
  std::string driver = {};
  std::vector<Bar> bars = {};
  std::string physfn = {};  ///< A virtual function of that one.
  std::string serial = {};  ///< 16 hexadecimal digits, highest byte first.
  bool resets_below = false;
};

class Machine {
 public:
  explicit Machine(const std::vector<Function>& functions);

  Tree tree;
  [[nodiscard]] std::string sys() const { return tree.sys().string(); }
  /// The function's directory in sysfs.
  [[nodiscard]] const fs::path& dir(const std::string& at) const { return dirs_.at(at); }
  [[nodiscard]] std::size_t count() const { return dirs_.size(); }

  /// A block device of the function; `holders` are what lies on top of it.
  void disk(const std::string& at, const std::string& name, const std::string& number,
            const std::vector<std::string>& holders = {}) const;
  /// A device mapper volume or an array.
  void volume(const std::string& name, const std::string& number, const std::string& alias) const;
  void mounted(const std::string& number, const std::string& where) const;
  void interface(const std::string& at, const std::string& name) const;
  void default_route(const std::string& interface) const;

 private:
  void add(const Function& function);
  std::map<std::string, fs::path> dirs_;
};

/// Configuration space as the function's hardware would show it.
std::string config_of(const Function& function);

/// Sixteen root ports, and below each of them functions up to `count` in all.
std::vector<Function> many_functions(std::size_t count);

}  // namespace pciassign::test
