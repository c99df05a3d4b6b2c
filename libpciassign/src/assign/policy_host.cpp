// SPDX-License-Identifier: LGPL-2.1-or-later
// What the machine can guarantee: DMA and interrupts confined, and no state from owner to owner.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "assign/policy_checks.hpp"

namespace pciassign::detail {
namespace {

constexpr std::uint32_t kDisplay = 0x03, kUsb = 0x0c03;

std::string words_for_regions(const std::vector<ReservedMemory>& regions) {
  std::vector<std::string> list;
  for (const auto& region : regions)
    list.push_back(fmt::format("frames {:x}-{:x}", region.first_frame,
                               region.first_frame + region.frames - 1));
  return fmt::format("{}", fmt::join(list, ", "));
}

/// Functions that a reset of the device's bus would hit, and that somebody else uses. The domain's
/// own that it has already are among them: they would be reset under its driver.
std::vector<std::string> in_the_way(const Context& context, const Device& device,
                                    const Sbdf& bridge) {
  std::vector<std::string> list;
  for (const auto& other : context.facts.all_devices) {
    if (context.wanted(other.sbdf) || other.is_bridge() || !below(other, bridge) ||
        other.sbdf == device.sbdf)
      continue;
    const bool driven = !other.driver.empty() && !other.on_pciback();
    if (driven || context.owner_of(other.sbdf) != nullptr) list.push_back(context.who_uses(other));
  }
  return list;
}

Finding check_bus_reset(const Subject& subject) {
  const auto& device = subject.device;
  const auto* bridge = device.path.empty() ? nullptr : subject.context.find(device.path.back());
  if (bridge == nullptr)
    return refused(subject, "E-NO-RESET",
                   "it has no reset of its own, and it is on a root bus, which cannot be reset",
                   "use a device with function-level reset");
  const auto others = in_the_way(subject.context, device, bridge->sbdf);
  if (!others.empty())
    return refused(subject, "E-NO-RESET",
                   fmt::format("a reset of its bus would hit {}", fmt::join(others, ", ")),
                   "attach every function of the bus together, or reserve the others");
  if (!bridge->resets_below)
    return refused(subject, "E-NO-RESET",
                   fmt::format("dom0's kernel cannot reset the bus below {}", bridge->sbdf.str()),
                   "Linux 6.13 and newer can (reset_subordinate)");
  return passed("E-NO-RESET", device.sbdf,
                fmt::format("the bus below {} can be reset", bridge->sbdf.str()));
}

}  // namespace

Finding check_iommu(const Subject& subject) {
  if (subject.context.facts.host.iommu)
    return passed("E-NO-IOMMU", subject.device.sbdf, "Xen uses an IOMMU");
  return refused(subject, "E-NO-IOMMU",
                 "Xen uses no IOMMU: the device could read and write all memory, dom0's and Xen's "
                 "too",
                 "enable VT-d or AMD-Vi in the firmware, do not boot Xen with iommu=0, and look at "
                 "`xl dmesg | grep -i iommu`");
}

Finding check_remapping(const Subject& subject) {
  const auto& host = subject.context.facts.host;
  const auto& sbdf = subject.device.sbdf;
  if (!host.iommu) return passed("E-NO-INTREMAP", sbdf, "not looked at without an IOMMU");
  if (!host.interrupt_remapping)
    return warned("W-INTREMAP-UNKNOWN", sbdf,
                  "Xen's console ring does not tell whether interrupts are remapped",
                  "a larger ring (Xen's conring_size=) keeps the boot messages");
  if (*host.interrupt_remapping) return passed("E-NO-INTREMAP", sbdf, "interrupts are remapped");
  return refused(subject, "E-NO-INTREMAP",
                 "interrupts are not remapped: the device could forge any interrupt by DMA",
                 "enable interrupt remapping in the firmware, do not boot Xen with "
                 "iommu=no-intremap");
}

Finding check_reserved_memory(const Subject& subject) {
  const auto& device = subject.device;
  const auto at = subject.context.facts.in_xen.find(device.sbdf);
  if (at == subject.context.facts.in_xen.end() || at->second.reserved.empty())
    return passed("E-RMRR", device.sbdf, "no memory is reserved for it");
  const auto regions = words_for_regions(at->second.reserved);
  if (!at->second.reserved_with.empty()) {
    std::vector<std::string> others;
    for (const auto& other : at->second.reserved_with) others.push_back(other.str());
    return refused(subject, "E-RMRR",
                   fmt::format("the firmware reserved {} for it together with {}: both could use "
                               "it to reach each other",
                               regions, fmt::join(others, ", ")),
                   "use another device, or a firmware setting that ends the reservation");
  }
  // The firmware drives these itself until the operating system does, and not afterwards.
  if (device.class_code >> 16 == kDisplay || device.class_code >> 8 == kUsb)
    return warned("W-RMRR", device.sbdf,
                  fmt::format("the firmware reserved {} for it; the guest's driver reaches that by "
                              "DMA",
                              regions),
                  "legacy support (USB keyboards, the boot screen) can be switched off in most "
                  "firmware");
  return refused(
      subject, "E-RMRR",
      fmt::format("the firmware reserved {} for it, and may use it at any time", regions),
      "look for a firmware setting that ends the reservation");
}

Finding check_reset(const Subject& subject) {
  const auto& device = subject.device;
  const auto policy = subject.spec.options.reset;
  if (policy == ResetPolicy::none)
    return warned(
        "E-NO-RESET", device.sbdf,
        "reset=none: state passes from domain to domain; only that DMA is off is verified",
        "leave reset=none out");
  if (!device.reset_methods.empty())
    return passed("E-NO-RESET", device.sbdf,
                  fmt::format("can be reset: {}", fmt::join(device.reset_methods, " ")));
  if (policy == ResetPolicy::bus) return check_bus_reset(subject);
  if (policy == ResetPolicy::best_effort)
    return warned("E-NO-RESET", device.sbdf,
                  "reset=best-effort: the kernel knows no way to reset it, so its state passes "
                  "from domain to domain",
                  "use a device with function-level reset");
  return refused(
      subject, "E-NO-RESET",
      "the kernel knows no way to reset it, so its state would pass from domain to domain",
      "use a device with function-level reset, or reset=bus when all of its bus goes along");
}

}  // namespace pciassign::detail
