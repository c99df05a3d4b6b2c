// SPDX-License-Identifier: GPL-2.0-or-later
// Lists the devices of a machine, and what stands in the way of giving each to a PV domain, as far
// as that can be told without Xen. Needs neither root nor Xen:
//   c++ $(pkg-config --cflags pciassign) devices.cpp $(pkg-config --libs pciassign) -o devices
//   ./devices [SYSFS]
#include <iostream>
#include <pciassign/pci_bus.hpp>
#include <pciassign/policy.hpp>

int main(int argc, char** argv) {
  const auto bus = pciassign::make_sysfs_pci_bus(argc > 1 ? argv[1] : "/sys");
  const auto devices = bus->devices();
  if (!devices) {
    std::cerr << devices.error().message << '\n';
    return pciassign::exit_status(devices.error().kind);
  }
  for (const pciassign::Device& device : *devices) {
    std::cout << device.sbdf.str() << "  " << device.location() << "  "
              << (device.driver.empty() ? "no driver" : device.driver) << "  resets:";
    for (const std::string& method : device.reset_methods) std::cout << ' ' << method;
    std::cout << '\n';
    if (device.is_bridge()) continue;

    pciassign::AttachFacts facts;
    facts.host = {4, 17, true, true};  // What Xen would have told of itself.
    facts.all_devices = *devices;
    facts.wanted.emplace_back().sbdf = device.sbdf;
    for (const pciassign::Finding& finding : pciassign::judge_attach(facts)) {
      if (finding.severity == pciassign::Severity::refusal)
        std::cout << "    " << finding.code << ": " << finding.evidence << '\n';
    }
  }
  return 0;
}
