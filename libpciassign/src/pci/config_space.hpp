// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// What a dump of configuration space says: header, capabilities, reset abilities.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pciassign::detail {

struct ConfigFacts {
  std::uint8_t header_type = 0;  ///< Without the multi-function bit.
  bool multifunction = false;
  std::uint8_t interrupt_pin = 0;
  bool msi = false, msix = false;
  bool interrupt_is_msi = false;
  std::optional<std::uint8_t> pcie_type;
  bool acs = false;
  bool flr = false;       ///< PCIe function-level reset.
  bool af_flr = false;    ///< Advanced Features function-level reset.
  bool pm_reset = false;  ///< D3hot to D0 resets (No_Soft_Reset clear).
};

/// `bytes` is what sysfs `config` gave: 64 bytes without privilege, else 256 or 4096. Bytes that
/// are missing count as absent; loops in the capability list are cut.
ConfigFacts read_config_facts(std::string_view bytes);

/// Reset methods when the kernel has no `reset_method` file (before 5.15): in the kernel's order.
std::vector<std::string> reset_methods_from(const ConfigFacts& facts, bool reset_file);

}  // namespace pciassign::detail
