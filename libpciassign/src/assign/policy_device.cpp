// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "assign/policy_checks.hpp"

namespace pciassign::detail {

Finding check_endpoint(const Subject& subject) {
  if (!subject.device.is_bridge())
    return passed("E-NOT-ENDPOINT", subject.device.sbdf, "an endpoint");
  return refused(subject, "E-NOT-ENDPOINT",
                 fmt::format("it is a bridge (header type {})", subject.device.header_type),
                 "assign the devices behind it");
}

Finding check_owner(const Subject& subject) {
  const auto owner = owner_of(subject.facts, subject.device.sbdf);
  if (!owner) return passed("E-OWNED", subject.device.sbdf, "no domain has it");
  const bool same = subject.facts.domain && subject.facts.domain->domid == *owner;
  return refused(subject, "E-OWNED",
                 same ? fmt::format("it is attached to domain {} already", *owner)
                      : fmt::format("it belongs to domain {}", *owner),
                 fmt::format("detach it there first: `pciassign detach {} {}`", *owner,
                             subject.device.sbdf.str()));
}

Finding check_dom0_use(const Subject& subject) {
  if (subject.device.in_use.empty())
    return passed("E-DOM0-USES", subject.device.sbdf, "dom0 does not depend on it");
  return refused(subject, "E-DOM0-USES",
                 fmt::format("dom0 uses it: {}", fmt::join(subject.device.in_use, ", ")),
                 "unmount, or move the route to another device, before it is taken away",
                 "dom0-uses");
}

Finding check_reserved(const Subject& subject) {
  const auto& device = subject.device;
  if (!subject.facts.pciback_present)
    return refused(subject, "E-NOT-RESERVED", "the module pciback is not loaded",
                   "modprobe pciback");
  if (device.on_pciback()) return passed("E-NOT-RESERVED", device.sbdf, "on pciback");
  const auto where = device.driver.empty() ? std::string("no driver has it")
                                           : fmt::format("dom0's driver {} has it", device.driver);
  if (subject.spec.options.seize)
    return passed("E-NOT-RESERVED", device.sbdf, where + "; it will be seized");
  return refused(subject, "E-NOT-RESERVED", where + ", not pciback",
                 fmt::format("`pciassign reserve {}`, or seize=1", device.sbdf.str()));
}

Finding check_reset(const Subject& subject) {
  const auto& device = subject.device;
  if (!device.reset_methods.empty())
    return passed("E-NO-RESET", device.sbdf,
                  fmt::format("can be reset: {}", fmt::join(device.reset_methods, " ")));
  return refused(
      subject, "E-NO-RESET",
      "the kernel knows no way to reset it, so its state would pass from domain to domain",
      "use a device with function-level reset", "no-reset");
}

Finding check_iommu(const Subject& subject) {
  if (subject.facts.host.iommu)
    return passed("E-NO-IOMMU", subject.device.sbdf, "Xen uses an IOMMU");
  return refused(subject, "E-NO-IOMMU",
                 "Xen uses no IOMMU: the device could read and write all memory, dom0's and Xen's "
                 "too",
                 "enable VT-d or AMD-Vi in the firmware, do not boot Xen with iommu=0, and look at "
                 "`xl dmesg | grep -i iommu`",
                 "no-iommu");
}

Finding check_remapping(const Subject& subject) {
  const auto& host = subject.facts.host;
  const auto& sbdf = subject.device.sbdf;
  if (!host.iommu) return passed("E-NO-INTREMAP", sbdf, "not looked at without an IOMMU");
  if (!host.interrupt_remapping) {
    Finding finding = passed("E-NO-INTREMAP", sbdf,
                             "Xen's console ring does not tell whether interrupts are remapped");
    finding.severity = Severity::warning;
    finding.remedy = "a larger ring (Xen's conring_size=) keeps the boot messages";
    return finding;
  }
  if (*host.interrupt_remapping) return passed("E-NO-INTREMAP", sbdf, "interrupts are remapped");
  return refused(subject, "E-NO-INTREMAP",
                 "interrupts are not remapped: the device could forge any interrupt by DMA",
                 "enable interrupt remapping in the firmware, do not boot Xen with "
                 "iommu=no-intremap",
                 "no-intremap");
}

}  // namespace pciassign::detail
