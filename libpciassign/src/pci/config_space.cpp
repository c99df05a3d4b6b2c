// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/config_space.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace pciassign::detail {
namespace {

// PCI Local Bus 3.0 chapter 6, PCI Express base specification chapter 7.
constexpr unsigned kStatus = 0x06, kRevision = 0x08, kHeaderType = 0x0e, kSubsystem = 0x2c,
                   kCapabilities = 0x34, kInterruptPin = 0x3d;
constexpr unsigned kCapPm = 0x01, kCapMsi = 0x05, kCapExpress = 0x10, kCapMsix = 0x11,
                   kCapAf = 0x13;
constexpr unsigned kExtendedSerial = 0x03, kExtendedAcs = 0x0d;
// ACS: source validation, P2P request redirect, P2P completion redirect, upstream forwarding.
constexpr unsigned kAcsIsolates = 0x01 | 0x04 | 0x08 | 0x10;

void read_capability(ConfigBytes& config, unsigned id, std::size_t at, ConfigFacts& facts) {
  switch (id) {
    case kCapPm:
      facts.pm_reset = (config.u16(at + 4) & 0x0008) == 0;  // PMCSR No_Soft_Reset
      break;
    case kCapMsi:
      facts.msi = true;
      facts.interrupt_is_msi |= (config.u16(at + 2) & 1) != 0;
      break;
    case kCapMsix:
      facts.msix = true;
      facts.interrupt_is_msi |= (config.u16(at + 2) & 0x8000) != 0;
      break;
    case kCapExpress:
      facts.pcie_type = static_cast<std::uint8_t>(config.u16(at + 2) >> 4 & 0xf);
      facts.flr = (config.u32(at + 4) & 1U << 28) != 0;
      break;
    case kCapAf:
      facts.af_flr = (config.u8(at + 3) & 3) == 3;  // transactions pending and FLR
      break;
    default:
      break;
  }
}

void read_extended(ConfigBytes& config, unsigned id, std::size_t at, ConfigFacts& facts) {
  if (id == kExtendedAcs) {
    // A control that the device does not offer is wired to "on" (6.12.1).
    const auto needed = config.u16(at + 4) & kAcsIsolates;
    facts.acs = (config.u16(at + 6) & needed) == needed;
  } else if (id == kExtendedSerial) {
    facts.serial.clear();
    for (std::size_t i = 8; i-- > 0;)
      facts.serial += fmt::format("{:02x}{}", config.u8(at + 4 + i), i > 0 ? "-" : "");
  }
}

}  // namespace

void ConfigBytes::fetch(std::size_t piece) {
  fetched_.set(piece);
  const auto start = piece * kPiece;
  std::size_t got = 0;
  if (fd_ >= 0) {
    const auto n = ::pread(fd_, bytes_.data() + start, kPiece, static_cast<off_t>(start));
    got = n > 0 ? static_cast<std::size_t>(n) : 0;
  } else if (start < dump_.size()) {
    got = dump_.copy(bytes_.data() + start, kPiece, start);
  }
  for (std::size_t i = 0; i < got; ++i) valid_.set(start + i);
}

bool ConfigBytes::has(std::size_t offset) {
  if (offset >= kSize) return false;
  if (!fetched_[offset / kPiece]) fetch(offset / kPiece);
  return valid_[offset];
}

unsigned ConfigBytes::u8(std::size_t offset) {
  return has(offset) ? static_cast<unsigned char>(bytes_[offset]) : 0;
}

ConfigFacts read_config_facts(ConfigBytes& config) {
  ConfigFacts facts;
  if (config.has(3)) {
    facts.vendor = static_cast<std::uint16_t>(config.u16(0));
    facts.device = static_cast<std::uint16_t>(config.u16(2));
  }
  facts.header_type = static_cast<std::uint8_t>(config.u8(kHeaderType) & 0x7f);
  facts.multifunction = (config.u8(kHeaderType) & 0x80) != 0;
  facts.revision = static_cast<std::uint8_t>(config.u8(kRevision));
  if (facts.header_type == 0) {
    facts.subsystem_vendor = static_cast<std::uint16_t>(config.u16(kSubsystem));
    facts.subsystem_device = static_cast<std::uint16_t>(config.u16(kSubsystem + 2));
  }
  facts.interrupt_pin = static_cast<std::uint8_t>(config.u8(kInterruptPin));
  if ((config.u16(kStatus) & 0x10) != 0) {
    std::bitset<256> seen;
    unsigned at = config.u8(kCapabilities) & 0xfc;
    while (at >= 0x40 && !seen[at] && config.has(at + 1)) {
      seen.set(at);
      read_capability(config, config.u8(at), at, facts);
      at = config.u8(at + 1) & 0xfc;
    }
  }
  // Only PCI Express has extended capabilities.
  std::bitset<4096> seen;
  std::size_t at = facts.pcie_type ? 0x100 : 0;
  while (at >= 0x100 && !seen[at] && config.has(at + 3)) {
    seen.set(at);
    const auto header = config.u32(at);
    if (header == 0 || header == 0xffffffff) break;
    read_extended(config, header & 0xffff, at, facts);
    at = header >> 20 & 0xffc;
  }
  return facts;
}

ConfigFacts read_config_facts(std::string_view bytes) {
  ConfigBytes config(bytes);
  return read_config_facts(config);
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
