// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/sysfs_device.hpp"

#include <cstdio>
#include <sstream>

#include "pci/config_space.hpp"
#include "pci/files.hpp"
#include "pci/hex.hpp"

namespace pciassign::detail {
namespace {

// Linux include/linux/ioport.h
constexpr std::uint64_t kIo = 0x100, kMemory = 0x200, kPrefetch = 0x2000, kMem64 = 0x100000,
                        kUnset = 0x20000000;
constexpr int kRegions = 7;

std::optional<Sbdf> address_of(const std::string& name) {
  auto bdf = parse_bdf(name);
  if (!bdf || bdf->all_functions) return std::nullopt;
  return bdf->sbdf;
}

/// /sys/devices/pci0000:00/0000:00:1c.0/0000:02:00.0 -> bridges and the root bus's name.
void read_path(const fs::path& directory, Device& device) {
  std::error_code error;
  const auto real = fs::canonical(directory, error);
  if (error) return;
  for (const auto& part : real.parent_path()) {
    const auto name = part.string();
    if (name.starts_with("pci") && name.size() > 3 && name.find(':') != std::string::npos) {
      device.parent_bus = name;
      device.path.clear();
    } else if (!device.parent_bus.empty()) {
      if (auto bridge = address_of(name)) device.path.push_back(*bridge);
    }
  }
}

}  // namespace

std::vector<Region> parse_resource(std::string_view text) {
  std::vector<Region> regions;
  std::istringstream lines{std::string(text)};
  int index = 0;
  for (std::string line; index < kRegions && std::getline(lines, line); ++index) {
    unsigned long long start = 0, end = 0, flags = 0;
    if (std::sscanf(line.c_str(), "%llx %llx %llx", &start, &end, &flags) != 3) continue;
    // An address of 0 or the "unset" flag: the kernel gave this BAR no address.
    if (start == 0 || end < start || (flags & kUnset) != 0 || (flags & (kIo | kMemory)) == 0)
      continue;
    Region region;
    region.index = index;
    region.start = start;
    region.size = end - start + 1;
    region.io = (flags & kIo) != 0;
    region.prefetchable = (flags & kPrefetch) != 0;
    region.is_64bit = (flags & kMem64) != 0;
    regions.push_back(region);
  }
  return regions;
}

std::optional<Device> read_device(const fs::path& directory, const Sbdf& sbdf) {
  const auto vendor = read_number(directory / "vendor");
  const auto device_id = read_number(directory / "device");
  if (!vendor || !device_id) return std::nullopt;
  const auto number = [&](const char* file) { return read_number(directory / file).value_or(0); };
  Device device;
  device.sbdf = sbdf;
  device.vendor = static_cast<std::uint16_t>(*vendor);
  device.device = static_cast<std::uint16_t>(*device_id);
  device.subsystem_vendor = static_cast<std::uint16_t>(number("subsystem_vendor"));
  device.subsystem_device = static_cast<std::uint16_t>(number("subsystem_device"));
  device.class_code = static_cast<std::uint32_t>(number("class"));
  device.revision = static_cast<std::uint8_t>(number("revision"));
  device.irq = static_cast<int>(number("irq"));
  device.regions = parse_resource(read_text(directory / "resource").value_or(""));
  device.driver = link_name(directory / "driver");

  const auto config = read_config_facts(read_text(directory / "config", 4096).value_or(""));
  device.header_type = config.header_type;
  device.multifunction = config.multifunction;
  device.interrupt_pin = config.interrupt_pin;
  device.msi = config.msi;
  device.msix = config.msix;
  device.interrupt_is_msi = config.interrupt_is_msi;
  device.pcie_type = config.pcie_type;
  device.acs = config.acs;

  const bool reset_file = detail::exists(directory / "reset");
  if (const auto methods = read_text(directory / "reset_method", 4096))
    device.reset_methods = words_of(*methods);
  else
    device.reset_methods = reset_methods_from(config, reset_file);
  device.physfn = address_of(link_name(directory / "physfn"));
  read_path(directory, device);
  return device;
}

}  // namespace pciassign::detail
