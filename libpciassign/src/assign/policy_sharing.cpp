// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "assign/policy_checks.hpp"

namespace pciassign::detail {
namespace {

constexpr std::uint8_t kRootPort = 4, kDownstream = 6, kToConventional = 7;

const Device* find(const AttachFacts& facts, const Sbdf& sbdf) {
  for (const auto& device : facts.all_devices)
    if (device.sbdf == sbdf) return &device;
  return nullptr;
}

/// Somebody else really uses it: a dom0 driver, or another domain. One that lies on pciback for
/// nobody, or has no driver, does no harm (VFIO's rule for a viable group).
bool used_elsewhere(const AttachFacts& facts, const Device& other) {
  if (stays_together(facts, other.sbdf)) return false;
  if (owner_of(facts, other.sbdf)) return true;
  return !other.driver.empty() && !other.on_pciback();
}

bool same_slot(const Sbdf& a, const Sbdf& b) {
  return a.segment == b.segment && a.bus == b.bus && a.device == b.device;
}

/// Above this bridge the requester id or the route is not the device's own.
bool merges_what_is_below(const Device& bridge) {
  if (!bridge.pcie_type || *bridge.pcie_type == kToConventional) return true;
  return (*bridge.pcie_type == kDownstream || *bridge.pcie_type == kRootPort) && !bridge.acs;
}

bool below(const Device& device, const Sbdf& bridge) {
  return std::find(device.path.begin(), device.path.end(), bridge) != device.path.end();
}

/// Everything from which the topology cannot isolate the device.
std::set<Sbdf> group_of(const AttachFacts& facts, const Device& device) {
  std::set<Sbdf> group;
  for (const auto& other : facts.all_devices) {
    if (other.sbdf == device.sbdf || other.is_bridge()) continue;
    // Functions of one device may talk to each other unless ACS says that they do not. A virtual
    // function has a requester id of its own and its PF stays in charge of it.
    const bool functions =
        same_slot(other.sbdf, device.sbdf) && !device.acs && !device.physfn && !other.physfn;
    bool merged = functions;
    for (const auto& at : device.path) {
      const auto* bridge = find(facts, at);
      if (merged || bridge == nullptr) continue;
      merged = merges_what_is_below(*bridge) && below(other, at);
    }
    if (merged) group.insert(other.sbdf);
  }
  for (const auto& [sbdf, members] : facts.xen_groups)
    if (sbdf == device.sbdf) group.insert(members.begin(), members.end());
  return group;
}

}  // namespace

Finding check_group(const Subject& subject) {
  std::vector<std::string> missing;
  const auto group = group_of(subject.facts, subject.device);
  for (const auto& sbdf : group) {
    const auto* other = find(subject.facts, sbdf);
    if (other == nullptr || other->is_bridge() || !used_elsewhere(subject.facts, *other)) continue;
    const auto owner = owner_of(subject.facts, sbdf);
    missing.push_back(owner ? fmt::format("{} (domain {})", sbdf.str(), *owner)
                            : fmt::format("{} ({})", sbdf.str(), other->driver));
  }
  if (missing.empty())
    return passed("E-GROUP", subject.device.sbdf,
                  group.empty()
                      ? "isolated by itself"
                      : fmt::format("its group of {} is not used elsewhere", group.size() + 1));
  return refused(subject, "E-GROUP",
                 fmt::format("it cannot be isolated from {}", fmt::join(missing, ", ")),
                 "reserve them too, or attach them to the same domain", "group");
}

Finding check_interrupt(const Subject& subject) {
  const auto& device = subject.device;
  if (device.interrupt_pin == 0 || device.interrupt_is_msi || device.irq <= 0)
    return passed("E-SHARED-INTX", device.sbdf, "no interrupt line in use");
  std::vector<std::string> sharers;
  for (const auto& other : subject.facts.all_devices) {
    if (other.sbdf == device.sbdf || other.irq != device.irq || other.interrupt_pin == 0 ||
        other.interrupt_is_msi || !used_elsewhere(subject.facts, other))
      continue;
    sharers.push_back(fmt::format("{} ({})", other.sbdf.str(),
                                  other.driver.empty() ? "no driver" : other.driver));
  }
  if (sharers.empty())
    return passed("E-SHARED-INTX", device.sbdf, fmt::format("GSI {} is its own", device.irq));
  return refused(
      subject, "E-SHARED-INTX",
      fmt::format("it shares interrupt line GSI {} with {}", device.irq, fmt::join(sharers, ", ")),
      "a guest that does not serve the line stops the others; move one of the cards, or "
      "attach them together",
      "shared-intx");
}

Finding check_pages(const Subject& subject) {
  const auto& device = subject.device;
  for (const auto& mine : device.regions) {
    if (mine.io) continue;
    for (const auto& other : subject.facts.all_devices) {
      if (other.sbdf == device.sbdf || stays_together(subject.facts, other.sbdf)) continue;
      for (const auto& theirs : other.regions) {
        if (theirs.io || theirs.first_frame() >= mine.first_frame() + mine.frames() ||
            mine.first_frame() >= theirs.first_frame() + theirs.frames())
          continue;
        return refused(subject, "E-SHARED-PAGE",
                       fmt::format("BAR {} shares a 4 KiB page with BAR {} of {}", mine.index,
                                   theirs.index, other.sbdf.str()),
                       "attach both to one domain, or boot dom0 with "
                       "pci=resource_alignment=12@<address>",
                       "shared-page");
      }
    }
  }
  return passed("E-SHARED-PAGE", device.sbdf, "its BARs share no page with another device");
}

}  // namespace pciassign::detail
