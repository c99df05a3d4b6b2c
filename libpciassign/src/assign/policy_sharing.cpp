// SPDX-License-Identifier: LGPL-2.1-or-later
// What a device shares with others: its isolation group, its interrupt line, a page of memory.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "assign/isolation.hpp"
#include "assign/policy_checks.hpp"

namespace pciassign::detail {
namespace {

/// The bridges below which nothing can be told apart from the device, as far as the topology goes.
std::set<Sbdf> merging_bridges(const Context& context, const Device& device) {
  std::set<Sbdf> found;
  for (std::size_t i = 0; i < device.path.size(); ++i) {
    const auto* bridge = context.find(device.path[i]);
    if (bridge == nullptr) continue;
    switch (merging_of(*bridge)) {
      case Merging::nothing:
        break;
      case Merging::below:
        found.insert(bridge->sbdf);
        break;
      case Merging::whole:
        found.insert(i > 0 ? device.path[i - 1] : bridge->sbdf);
        break;
      case Merging::siblings:
        found.insert(bridge->sbdf);
        for (const auto& other : context.facts.all_devices)
          if (other.is_bridge() && merging_of(other) == Merging::siblings &&
              same_slot(other.sbdf, bridge->sbdf))
            found.insert(other.sbdf);
        break;
    }
  }
  return found;
}

/// Functions of one device may talk to each other unless ACS says that they do not. A virtual
/// function has a requester id of its own, and its physical function stays in charge of it: a
/// domain that has the one must not share a card with a domain that has the other.
bool functions_of_one(const Context& context, const Device& device, const Device& other) {
  if (other.physfn == device.sbdf) return true;
  if (device.physfn == other.sbdf) return context.owner_of(other.sbdf) != nullptr;
  return same_slot(other.sbdf, device.sbdf) && !device.acs && !device.physfn && !other.physfn;
}

/// Everything from which the device cannot be isolated.
std::set<Sbdf> group_of(const Context& context, const Device& device) {
  const auto bridges = merging_bridges(context, device);
  std::set<Sbdf> group;
  for (const auto& other : context.facts.all_devices) {
    if (other.sbdf == device.sbdf || other.is_bridge()) continue;
    const bool merged = functions_of_one(context, device, other) ||
                        std::any_of(other.path.begin(), other.path.end(),
                                    [&](const Sbdf& at) { return bridges.contains(at); });
    if (merged) group.insert(other.sbdf);
  }
  const auto at = context.facts.in_xen.find(device.sbdf);
  if (at != context.facts.in_xen.end())
    group.insert(at->second.group.begin(), at->second.group.end());
  return group;
}

}  // namespace

Finding check_group(const Subject& subject) {
  const auto group = group_of(subject.context, subject.device);
  std::vector<std::string> missing;
  for (const auto& sbdf : group) {
    const auto* other = subject.context.find(sbdf);
    if (other != nullptr && !other->is_bridge() && subject.context.used_elsewhere(*other))
      missing.push_back(subject.context.who_uses(*other));
  }
  if (missing.empty())
    return passed("E-GROUP", subject.device.sbdf,
                  group.empty()
                      ? "isolated by itself"
                      : fmt::format("its group of {} is not used elsewhere", group.size() + 1));
  return refused(subject, "E-GROUP",
                 fmt::format("it cannot be isolated from {}", fmt::join(missing, ", ")),
                 "reserve them too, or attach them to the same domain");
}

Finding check_interrupt(const Subject& subject) {
  const auto& device = subject.device;
  if (device.interrupt_pin == 0 || device.interrupt_is_msi || device.irq <= 0)
    return passed("E-SHARED-INTX", device.sbdf, "no interrupt line in use");
  std::vector<std::string> sharers;
  for (const auto& other : subject.context.facts.all_devices)
    if (other.irq == device.irq && other.sbdf != device.sbdf && other.interrupt_pin != 0 &&
        !other.interrupt_is_msi && subject.context.used_elsewhere(other))
      sharers.push_back(subject.context.who_uses(other));
  if (sharers.empty())
    return passed("E-SHARED-INTX", device.sbdf, fmt::format("GSI {} is its own", device.irq));
  return refused(
      subject, "E-SHARED-INTX",
      fmt::format("it shares interrupt line GSI {} with {}", device.irq, fmt::join(sharers, ", ")),
      "a guest that does not serve the line stops the others; move one of the cards, or "
      "attach them together");
}

Finding check_pages(const Subject& subject) {
  const auto& device = subject.device;
  for (const auto& mine : device.regions) {
    if (mine.io) continue;
    for (const auto& other : subject.context.facts.all_devices) {
      if (other.sbdf == device.sbdf) continue;
      for (const auto& theirs : other.regions) {
        if (theirs.io || theirs.first_frame() >= mine.first_frame() + mine.frames() ||
            mine.first_frame() >= theirs.first_frame() + theirs.frames() ||
            subject.context.stays_together(other.sbdf))
          continue;
        return refused(subject, "E-SHARED-PAGE",
                       fmt::format("BAR {} shares a 4 KiB page with BAR {} of {}", mine.index,
                                   theirs.index, other.sbdf.str()),
                       "attach both to one domain, or boot dom0 with "
                       "pci=resource_alignment=12@<address>");
      }
    }
  }
  return passed("E-SHARED-PAGE", device.sbdf, "its BARs share no page with another device");
}

}  // namespace pciassign::detail
