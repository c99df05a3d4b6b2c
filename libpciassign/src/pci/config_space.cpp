// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/config_space.hpp"

#include <bitset>

namespace pciassign::detail {
namespace {

// PCI Local Bus 3.0 chapter 6, PCI Express base specification chapter 7.
constexpr unsigned kStatus = 0x06, kHeaderType = 0x0e, kCapabilities = 0x34, kInterruptPin = 0x3d;
constexpr unsigned kCapPm = 0x01, kCapMsi = 0x05, kCapExpress = 0x10, kCapMsix = 0x11,
                   kCapAf = 0x13;
constexpr unsigned kExtendedAcs = 0x0d;

class Dump {
 public:
  explicit Dump(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] bool has(std::size_t offset) const { return offset < bytes_.size(); }
  [[nodiscard]] unsigned u8(std::size_t offset) const {
    return has(offset) ? static_cast<unsigned char>(bytes_[offset]) : 0;
  }
  [[nodiscard]] unsigned u16(std::size_t offset) const { return u8(offset) | u8(offset + 1) << 8; }
  [[nodiscard]] std::uint32_t u32(std::size_t offset) const {
    return u16(offset) | static_cast<std::uint32_t>(u16(offset + 2)) << 16;
  }

 private:
  std::string_view bytes_;
};

void read_capability(const Dump& dump, unsigned id, std::size_t at, ConfigFacts& facts) {
  switch (id) {
    case kCapPm:
      facts.pm_reset = (dump.u16(at + 4) & 0x0008) == 0;  // PMCSR No_Soft_Reset
      break;
    case kCapMsi:
      facts.msi = true;
      facts.interrupt_is_msi |= (dump.u16(at + 2) & 1) != 0;
      break;
    case kCapMsix:
      facts.msix = true;
      facts.interrupt_is_msi |= (dump.u16(at + 2) & 0x8000) != 0;
      break;
    case kCapExpress:
      facts.pcie_type = static_cast<std::uint8_t>(dump.u16(at + 2) >> 4 & 0xf);
      facts.flr = (dump.u32(at + 4) & 1U << 28) != 0;
      break;
    case kCapAf:
      facts.af_flr = (dump.u8(at + 3) & 3) == 3;  // transactions pending and FLR
      break;
    default:
      break;
  }
}

}  // namespace

ConfigFacts read_config_facts(std::string_view bytes) {
  const Dump dump(bytes);
  ConfigFacts facts;
  facts.header_type = static_cast<std::uint8_t>(dump.u8(kHeaderType) & 0x7f);
  facts.multifunction = (dump.u8(kHeaderType) & 0x80) != 0;
  facts.interrupt_pin = static_cast<std::uint8_t>(dump.u8(kInterruptPin));
  if ((dump.u16(kStatus) & 0x10) != 0) {
    std::bitset<256> seen;
    unsigned at = dump.u8(kCapabilities) & 0xfc;
    while (at >= 0x40 && !seen[at] && dump.has(at + 1)) {
      seen.set(at);
      read_capability(dump, dump.u8(at), at, facts);
      at = dump.u8(at + 1) & 0xfc;
    }
  }
  std::bitset<4096> seen;
  std::size_t at = 0x100;
  while (at >= 0x100 && !seen[at] && dump.has(at + 3)) {
    seen.set(at);
    const auto header = dump.u32(at);
    if (header == 0 || header == 0xffffffff) break;
    facts.acs |= (header & 0xffff) == kExtendedAcs;
    at = header >> 20 & 0xffc;
  }
  return facts;
}

std::vector<std::string> reset_methods_from(const ConfigFacts& facts, bool reset_file) {
  // Without the file the kernel knows of no way at all.
  if (!reset_file) return {};
  std::vector<std::string> methods;
  if (facts.flr) methods.emplace_back("flr");
  if (facts.af_flr) methods.emplace_back("af_flr");
  if (facts.pm_reset) methods.emplace_back("pm");
  if (methods.empty()) methods.emplace_back("bus");
  return methods;
}

}  // namespace pciassign::detail
