// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// What configuration space says: header, capabilities, reset abilities. The device is not
/// trusted: lists that loop are cut, registers that are missing count as absent.
#pragma once
#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pciassign::detail {

/// Configuration space, from a dump or read as it is needed from sysfs `config`: each register
/// costs the hardware an access, so that 4096 bytes of each function are not read at once.
class ConfigBytes {
 public:
  explicit ConfigBytes(std::string_view dump) : dump_(dump) {}
  /// `fd`: an open `config`, or negative for one that could not be opened.
  explicit ConfigBytes(int fd) : fd_(fd) {}

  [[nodiscard]] bool has(std::size_t offset);
  [[nodiscard]] unsigned u8(std::size_t offset);
  [[nodiscard]] unsigned u16(std::size_t offset) { return u8(offset) | u8(offset + 1) << 8; }
  [[nodiscard]] std::uint32_t u32(std::size_t offset) {
    return u16(offset) | static_cast<std::uint32_t>(u16(offset + 2)) << 16;
  }

 private:
  static constexpr std::size_t kSize = 4096, kPiece = 64;
  void fetch(std::size_t piece);

  std::string_view dump_;
  int fd_ = -1;
  std::array<char, kSize> bytes_;
  std::bitset<kSize / kPiece> fetched_;
  std::bitset<kSize> valid_;
};

struct ConfigFacts {
  std::uint16_t vendor = 0xffff, device = 0xffff;
  std::uint8_t header_type = 0;  ///< Without the multi-function bit.
  bool multifunction = false;
  std::uint8_t revision = 0;
  std::uint16_t subsystem_vendor = 0, subsystem_device = 0;
  std::uint8_t interrupt_pin = 0;
  bool msi = false, msix = false;
  bool interrupt_is_msi = false;
  std::optional<std::uint8_t> pcie_type;
  /// Access Control Services are there, and each control that isolates and that the device has
  /// is switched on.
  bool acs = false;
  std::string serial;     ///< Device Serial Number capability, "00-1b-21-ff-ff-8c-9a-10".
  bool flr = false;       ///< PCIe function-level reset.
  bool af_flr = false;    ///< Advanced Features function-level reset.
  bool pm_reset = false;  ///< D3hot to D0 resets (No_Soft_Reset clear).
};

ConfigFacts read_config_facts(ConfigBytes& config);
/// `bytes`: 64 bytes as sysfs gives them without privilege, else 256 or 4096.
ConfigFacts read_config_facts(std::string_view bytes);

/// Reset methods when the kernel has no `reset_method` file (before 5.15): in the kernel's order.
std::vector<std::string> reset_methods_from(const ConfigFacts& facts, bool reset_file);

}  // namespace pciassign::detail
