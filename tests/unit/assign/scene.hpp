// SPDX-License-Identifier: GPL-2.0-or-later
// A driver domain "net" (3), a second one "disk" (4), and three devices on pciback.
#pragma once
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <set>

#include "pciassign/sim/world.hpp"
#include "pciassign/toolstack.hpp"

namespace pciassign::test {

inline constexpr Sbdf kNic{0, 0, 4, 0};
inline constexpr Sbdf kDisk{0, 0, 5, 0};
inline constexpr Sbdf kSound{0, 0, 6, 0};
inline constexpr DomId kNet = 3;
inline constexpr DomId kOther = 4;

struct Scene {
  explicit Scene(sim::FrontMode front = sim::FrontMode::responsive) {
    world.add_domain(kNet, "net", front);
    world.add_domain(kOther, "disk");
    world.add_device(kNic, 20);
    world.add_device(kDisk, 21);
    world.add_device(kSound, 22);
  }

  sim::World world;
  Settings settings;
  Toolstack tools{world.ports(), settings};

  static DeviceSpec spec(const Sbdf& device) {
    DeviceSpec spec;
    spec.sbdf = device;
    return spec;
  }

  Result<Plan> plan_attach(const std::vector<Sbdf>& devices, AttachMode mode = AttachMode::hot,
                           DomId domid = kNet) {
    std::vector<DeviceSpec> specs;
    for (const auto& device : devices) specs.push_back(spec(device));
    return tools.plan_attach(domid, specs, mode);
  }

  PlanReport attach(const std::vector<Sbdf>& devices, AttachMode mode = AttachMode::hot,
                    DomId domid = kNet) {
    return run(plan_attach(devices, mode, domid));
  }

  PlanReport detach(const std::vector<Sbdf>& devices, DomId domid = kNet) {
    return run(tools.plan_detach(domid, devices));
  }

  PlanReport run(Result<Plan> plan) {
    if (plan) return world.run(std::move(*plan));
    PlanReport report;
    report.error = plan.error();
    return report;
  }

  /// As the daemon does when it starts: compares until there is nothing to do.
  void reconcile() {
    for (int round = 0; round < 5; ++round) {
      auto plans = tools.reconcile({});
      ASSERT_TRUE(plans) << plans.error().message;
      if (plans->empty()) return;
      for (auto& plan : *plans) (void)world.run(std::move(plan));
    }
    FAIL() << "reconcile does not come to rest";
  }

  /// What is left of an assignment anywhere: empty when nothing is.
  std::string leftovers(const std::vector<Sbdf>& devices, DomId domid = kNet) {
    std::string left;
    if (const auto at = world.xen.all.find(domid); at != world.xen.all.end()) {
      const auto& domain = at->second;
      if (domain.has_rights())
        left += fmt::format("rights: {} frames {} ports {} irqs {} pirqs; ", domain.frames.size(),
                            domain.ports.size(), domain.irqs.size(), domain.pirqs.size());
    }
    for (const auto& device : devices) {
      const auto owner = world.xen.devices[device].owner;
      if (owner != kDomIo && owner != kDom0)
        left += fmt::format("{} owned by {}; ", device.str(), owner);
      if (!world.pci.all[device].driven_by_dom0() && (world.pci.all[device].command & 4) != 0)
        left += device.str() + " bus master on; ";
      if (*world.records().find(device)) left += device.str() + " in the journal; ";
      if (world.store.tree().has("/libxl/pci/" + device.libxl_key()))
        left += device.str() + " marked; ";
      for (auto& [path, value] : world.store.tree().dump())
        if (value == device.str()) left += path + "; ";
      if (world.guest(domid).exported().contains(device))
        left += device.str() + " still exported; ";
    }
    return left;
  }

  /// The rights of a domain equal exactly what these devices have.
  std::string wrong_rights(const std::vector<Sbdf>& devices, DomId domid = kNet) {
    std::set<std::uint64_t> frames;
    std::set<std::uint32_t> ports;
    std::set<int> irqs;
    std::string wrong;
    for (const auto& sbdf : devices) {
      const auto& facts = world.pci.all[sbdf].facts;
      for (const auto& region : facts.regions)
        for (std::uint64_t i = 0; i < (region.io ? region.size : region.frames()); ++i)
          if (region.io)
            ports.insert(static_cast<std::uint32_t>(region.start + i));
          else
            frames.insert(region.first_frame() + i);
      if (facts.interrupt_pin != 0) irqs.insert(facts.irq);
      if (world.xen.devices[sbdf].owner != domid) wrong += sbdf.str() + " has another owner; ";
    }
    const auto& domain = world.xen.all[domid];
    if (domain.frames != frames) wrong += "frames; ";
    if (domain.ports != ports) wrong += "ports; ";
    if (domain.irqs != irqs) wrong += "irqs; ";
    return wrong;
  }
};

}  // namespace pciassign::test
