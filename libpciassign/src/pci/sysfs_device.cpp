// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/sysfs_device.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "pci/config_space.hpp"
#include "pci/files.hpp"
#include "pci/hex.hpp"

namespace pciassign::detail {
namespace {

// Linux include/linux/ioport.h
constexpr std::uint64_t kIo = 0x100, kMemory = 0x200, kPrefetch = 0x2000, kMem64 = 0x100000,
                        kUnset = 0x20000000;
constexpr int kRegions = 7;
constexpr std::uint16_t kNoVendor = 0xffff;

/// The next hexadecimal number of a line, with or without 0x.
bool take_hex(std::string_view& text, std::uint64_t& value) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  if (text.starts_with("0x")) text.remove_prefix(2);
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(at - text.data()));
  return true;
}

std::optional<Sbdf> address_of(std::string_view name) {
  // A refusal in words would cost more than all else that is read of a device.
  if (name.find(':') == std::string_view::npos) return std::nullopt;
  auto bdf = parse_bdf(name);
  if (!bdf || bdf->all_functions) return std::nullopt;
  return bdf->sbdf;
}

}  // namespace

std::vector<Region> parse_resource(std::string_view text) {
  std::vector<Region> regions;
  for (int index = 0; index < kRegions && !text.empty(); ++index) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    std::uint64_t start = 0, last = 0, flags = 0;
    if (!take_hex(line, start) || !take_hex(line, last) || !take_hex(line, flags)) continue;
    // An address of 0 or the "unset" flag: the kernel gave this BAR no address.
    if (start == 0 || last < start || (flags & kUnset) != 0 || (flags & (kIo | kMemory)) == 0)
      continue;
    Region region;
    region.index = index;
    region.start = start;
    region.size = last - start + 1;
    region.io = (flags & kIo) != 0;
    region.prefetchable = (flags & kPrefetch) != 0;
    region.is_64bit = (flags & kMem64) != 0;
    regions.push_back(region);
  }
  return regions;
}

Place place_of(const fs::path& real) {
  Place place;
  std::string_view rest = real.native();
  while (!rest.empty()) {
    const auto name = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    if (name.starts_with("pci") && name.find(':') != std::string::npos) {
      place.root = std::string(name);
      place.above_root = place.functions.size();
    } else if (!place.root.empty()) {
      if (auto sbdf = address_of(name)) place.functions.push_back(*sbdf);
    }
  }
  return place;
}

std::optional<Device> read_device(const fs::path& path, const Sbdf& sbdf) {
  const Directory directory(path);
  const int fd = directory.open("config");
  if (fd < 0) return std::nullopt;
  ConfigBytes bytes(fd);
  const auto config = read_config_facts(bytes);
  ::close(fd);
  Device device;
  device.sbdf = sbdf;
  device.vendor = config.vendor;
  device.device = config.device;
  if (config.vendor == kNoVendor) {
    // A virtual function does not say what it is, and a dead device does not say anything: the
    // kernel knows. A machine has thousands of the others, for which this saves two files.
    device.vendor = static_cast<std::uint16_t>(directory.number("vendor").value_or(kNoVendor));
    device.device = static_cast<std::uint16_t>(directory.number("device").value_or(kNoVendor));
  }
  // The kernel's own, which corrects some devices' registers.
  device.class_code = static_cast<std::uint32_t>(directory.number("class").value_or(0));
  device.irq = static_cast<int>(directory.number("irq").value_or(0));
  device.regions = parse_resource(directory.text("resource").value_or(""));
  device.driver = directory.link("driver");

  device.revision = config.revision;
  device.subsystem_vendor = config.subsystem_vendor;
  device.subsystem_device = config.subsystem_device;
  device.header_type = config.header_type;
  device.multifunction = config.multifunction;
  device.interrupt_pin = config.interrupt_pin;
  device.msi = config.msi;
  device.msix = config.msix;
  device.interrupt_is_msi = config.interrupt_is_msi;
  device.pcie_type = config.pcie_type;
  device.acs = config.acs;
  device.serial = config.serial;

  if (const auto methods = directory.text("reset_method"))
    device.reset_methods = words_of(*methods);
  else
    device.reset_methods = reset_methods_from(config, directory.has("reset"));
  if (device.is_bridge()) device.resets_below = directory.has("reset_subordinate");
  device.physfn = address_of(directory.link("physfn"));
  std::error_code error;
  auto place = place_of(fs::read_symlink(path, error));
  device.parent_bus = std::move(place.root);
  device.path.assign(place.functions.begin() + static_cast<std::ptrdiff_t>(place.above_root),
                     place.functions.end());
  if (!device.path.empty() && device.path.back() == sbdf) device.path.pop_back();
  return device;
}

}  // namespace pciassign::detail
