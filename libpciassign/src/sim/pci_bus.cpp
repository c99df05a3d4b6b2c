// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/sim/pci_bus.hpp"

#include <algorithm>

namespace pciassign::sim {
namespace {

constexpr std::uint16_t kBusMaster = 0x0004;

tl::unexpected<Error> absent(const Sbdf& sbdf) {
  return fail(ErrorKind::not_found, "there is no PCI device " + sbdf.str(), {}, "E-ABSENT");
}

}  // namespace

Result<std::vector<Device>> PciBus::devices() {
  return faults_.call<Result<std::vector<Device>>>("pci.devices", [&] {
    std::vector<Device> list;
    for (const auto& [sbdf, device] : all) list.push_back(device.facts);
    return list;
  });
}

Result<Device> PciBus::device(const Sbdf& sbdf) {
  return faults_.call<Result<Device>>("pci.device", [&]() -> Result<Device> {
    const auto at = all.find(sbdf);
    if (at == all.end()) return absent(sbdf);
    return at->second.facts;
  });
}

Result<Device> PciBus::identify(const Sbdf& sbdf) {
  return faults_.call<Result<Device>>("pci.identify", [&]() -> Result<Device> {
    const auto at = all.find(sbdf);
    if (at == all.end()) return absent(sbdf);
    Device facts = at->second.facts;
    facts.in_use.clear();
    facts.name.clear();
    return facts;
  });
}

Result<std::uint32_t> PciBus::read_config(const Sbdf& sbdf, unsigned offset, unsigned size) {
  return faults_.call<Result<std::uint32_t>>("pci.read_config", [&]() -> Result<std::uint32_t> {
    const auto at = all.find(sbdf);
    if (at == all.end()) return absent(sbdf);
    if (at->second.dead_after_reset && at->second.resets > 0)
      return size == 2 ? 0xffff : 0xffffffff;
    if (offset == 0) return at->second.facts.vendor;
    if (offset == 4) return at->second.command;
    return 0;
  });
}

Result<std::string> PciBus::reset(const Sbdf& sbdf) {
  return faults_.call<Result<std::string>>("pci.reset", [&]() -> Result<std::string> {
    const auto at = all.find(sbdf);
    if (at == all.end()) return absent(sbdf);
    auto& device = at->second;
    if (device.driven_by_dom0()) {
      ++device.disturbed;
      return fail(ErrorKind::busy, "dom0's driver has it", {}, "E-NOT-RESERVED");
    }
    if (device.facts.reset_methods.empty()) return fail(ErrorKind::failed, "no reset method");
    if (device.reset_fails) return fail_errno("sim: reset", ENOTTY);
    ++device.resets;
    if (!device.bus_master_sticks) device.command &= static_cast<std::uint16_t>(~kBusMaster);
    device.facts.interrupt_is_msi = false;
    if (on_reset) on_reset(sbdf);
    return device.facts.reset_methods.front();
  });
}

Result<void> PciBus::reset_below(const Sbdf& bridge) {
  return faults_.call<Result<void>>("pci.reset_below", [&]() -> Result<void> {
    const auto at = all.find(bridge);
    if (at == all.end()) return absent(bridge);
    if (!at->second.facts.resets_below) return fail(ErrorKind::failed, "no reset_subordinate");
    if (at->second.reset_fails) return fail_errno("sim: reset_subordinate", ENOTTY);
    for (auto& [sbdf, device] : all) {
      if (std::find(device.facts.path.begin(), device.facts.path.end(), bridge) ==
          device.facts.path.end())
        continue;
      if (device.driven_by_dom0()) ++device.disturbed;
      ++device.resets;
      if (!device.bus_master_sticks) device.command &= static_cast<std::uint16_t>(~kBusMaster);
      device.facts.interrupt_is_msi = false;
      if (on_reset) on_reset(sbdf);
    }
    return {};
  });
}

Result<void> PciBus::bind_pciback(const Sbdf& sbdf) {
  return faults_.call<Result<void>>("pci.bind", [&]() -> Result<void> {
    const auto at = all.find(sbdf);
    if (at == all.end()) return absent(sbdf);
    if (!module_loaded) return fail(ErrorKind::unavailable, "the module pciback is not loaded");
    at->second.facts.driver = "pciback";
    at->second.command = 0;
    return {};
  });
}

Result<void> PciBus::unbind_pciback(const Sbdf& sbdf, const std::string& driver) {
  return faults_.call<Result<void>>("pci.unbind", [&]() -> Result<void> {
    const auto at = all.find(sbdf);
    if (at == all.end()) return absent(sbdf);
    if (at->second.facts.on_pciback() && on_unbind) on_unbind(sbdf);
    at->second.facts.driver = driver;
    if (at->second.driven_by_dom0()) at->second.command |= kBusMaster;
    at->second.permissive = false;
    return {};
  });
}

Result<std::map<Sbdf, std::uint64_t>> PciBus::denied_writes() {
  return faults_.call<Result<std::map<Sbdf, std::uint64_t>>>("pci.denied_writes", [&] {
    std::map<Sbdf, std::uint64_t> counts;
    for (const auto& [sbdf, device] : all) {
      if (device.denied_writes > 0) counts[sbdf] = device.denied_writes;
    }
    return counts;
  });
}

Result<void> PciBus::set_permissive(const Sbdf& sbdf) {
  return faults_.call<Result<void>>("pci.permissive", [&]() -> Result<void> {
    const auto at = all.find(sbdf);
    if (at == all.end()) return absent(sbdf);
    at->second.permissive = true;
    return {};
  });
}

}  // namespace pciassign::sim
