// SPDX-License-Identifier: LGPL-2.1-or-later
// What can be said of a device by itself.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "assign/policy_checks.hpp"

namespace pciassign::detail {
namespace {

constexpr std::uint8_t kEventCollector = 10;
constexpr std::uint32_t kBridgeClass = 0x06, kIommuClass = 0x0806;

/// Each way in which the device is not what was pinned.
std::vector<std::string> differences(const Identity& expected, const Device& device) {
  std::vector<std::string> list;
  const auto differ = [&](const char* what, const std::string& is, const std::string& pinned) {
    list.push_back(fmt::format("{} is {}, pinned was {}", what, is.empty() ? "none" : is, pinned));
  };
  if ((expected.vendor && *expected.vendor != device.vendor) ||
      (expected.device && *expected.device != device.device))
    differ("id", fmt::format("{:04x}:{:04x}", device.vendor, device.device),
           fmt::format("{:04x}:{:04x}", expected.vendor.value_or(device.vendor),
                       expected.device.value_or(device.device)));
  if (expected.class_code && *expected.class_code != device.class_code)
    differ("class", fmt::format("{:06x}", device.class_code),
           fmt::format("{:06x}", *expected.class_code));
  if (!expected.serial.empty() && expected.serial != device.serial)
    differ("serial", device.serial, expected.serial);
  if (!expected.path.empty() && expected.path != device.location())
    differ("path", device.location(), expected.path);
  return list;
}

/// Where a pinned device is by now, when it can be told.
std::string where_it_went(const Context& context, const DeviceSpec& spec) {
  const auto& expected = spec.options.expected;
  if (expected == Identity{}) return {};
  const Device* found = nullptr;
  for (const auto& device : context.facts.all_devices) {
    if (device.sbdf == spec.sbdf || !differences(expected, device).empty()) continue;
    if (found != nullptr) return {};  // several that look the same
    found = &device;
  }
  return found == nullptr ? std::string{}
                          : fmt::format("the pinned device is at {} now", found->sbdf.str());
}

}  // namespace

Finding check_present(const Context& context, const DeviceSpec& spec) {
  if (const auto* device = context.find(spec.sbdf))
    return passed(
        "E-ABSENT", spec.sbdf,
        fmt::format("present: {:04x}:{:04x} {}", device->vendor, device->device, device->name));
  const auto moved = where_it_went(context, spec);
  return refused("E-ABSENT", spec.sbdf, spec.options,
                 fmt::format("there is no PCI device {}", spec.sbdf.str()),
                 moved.empty() ? "`pciassign list --all` shows all devices" : moved);
}

Finding check_identity(const Subject& subject) {
  const auto& sbdf = subject.device.sbdf;
  if (subject.spec.options.expected == Identity{})
    return passed("E-CHANGED", sbdf, "its identity is not pinned");
  const auto list = differences(subject.spec.options.expected, subject.device);
  if (list.empty()) return passed("E-CHANGED", sbdf, "it is the device that was pinned");
  const auto moved = where_it_went(subject.context, subject.spec);
  return refused(subject, "E-CHANGED",
                 fmt::format("another device is there: {}", fmt::join(list, ", ")),
                 moved.empty() ? "addresses move when cards are added; correct the address, or the "
                                 "pin (`pciassign show`)"
                               : moved);
}

Finding check_endpoint(const Subject& subject) {
  const auto& device = subject.device;
  if (device.is_bridge())
    return refused(subject, "E-NOT-ENDPOINT",
                   fmt::format("it is a bridge (header type {})", device.header_type),
                   "assign the devices behind it");
  if (device.class_code >> 16 == kBridgeClass)
    return refused(subject, "E-NOT-ENDPOINT",
                   fmt::format("it is a bridge of the platform (class {:06x})", device.class_code),
                   "it belongs to the machine; assign something else");
  if (device.class_code >> 8 == kIommuClass || device.pcie_type == kEventCollector)
    return refused(subject, "E-NOT-ENDPOINT",
                   fmt::format("it is a part of the platform (class {:06x})", device.class_code),
                   "it belongs to the machine; assign something else");
  return passed("E-NOT-ENDPOINT", device.sbdf, "an endpoint");
}

Finding check_owner(const Subject& subject) {
  const auto& sbdf = subject.device.sbdf;
  const auto& facts = subject.context.facts;
  if (const auto at = facts.unreadable.find(sbdf); at != facts.unreadable.end())
    return refused(subject, "E-OWNED", "nobody knows who has it: " + at->second,
                   "check what the device and its domain still hold (`xl debug-keys Q; xl dmesg`), "
                   "then remove the file");
  const auto* owner = subject.context.owner_of(sbdf);
  if (owner != nullptr) {
    const bool same = facts.domain && facts.domain->domid == owner->domid;
    const auto how = owner->by_libxl ? ", given by xl" : "";
    return refused(subject, "E-OWNED",
                   same ? fmt::format("it is attached to domain {} already{}", owner->domid, how)
                        : fmt::format("it belongs to domain {}{}", owner->domid, how),
                   fmt::format("detach it there first: `{} {} {}`",
                               owner->by_libxl ? "xl pci-detach" : "pciassign detach", owner->domid,
                               sbdf.str()));
  }
  const auto in_xen = facts.in_xen.find(sbdf);
  if (in_xen != facts.in_xen.end() && in_xen->second.says == DeviceInXen::Says::taken)
    return refused(subject, "E-OWNED",
                   "Xen says that a domain has it, or that it keeps it for itself, although "
                   "neither pciassign nor xl gave it away",
                   "`xl debug-keys Q; xl dmesg` tells which domain; Xen keeps what its own command "
                   "line names (console, debugger)");
  return passed("E-OWNED", sbdf, "no domain has it");
}

Finding check_in_xen(const Subject& subject) {
  const auto& sbdf = subject.device.sbdf;
  const auto& in_xen = subject.context.facts.in_xen;
  const auto at = in_xen.find(sbdf);
  if (at == in_xen.end() || at->second.says == DeviceInXen::Says::nothing)
    return passed("E-NOT-IN-XEN", sbdf, "Xen was not asked");
  if (at->second.says != DeviceInXen::Says::unknown)
    return passed("E-NOT-IN-XEN", sbdf, "Xen knows the device");
  return refused(subject, "E-NOT-IN-XEN",
                 "Xen does not know the device, so its IOMMU cannot confine it",
                 "dom0's kernel reports devices to Xen when it finds them: see `xl dmesg` and "
                 "dom0's log; devices behind a controller of their own (VMD) are out of reach");
}

Finding check_dom0_use(const Subject& subject) {
  if (subject.device.in_use.empty())
    return passed("E-DOM0-USES", subject.device.sbdf, "dom0 does not depend on it");
  return refused(subject, "E-DOM0-USES",
                 fmt::format("dom0 uses it: {}", fmt::join(subject.device.in_use, ", ")),
                 "unmount it, or move the route or the console to another device, before it is "
                 "taken away");
}

Finding check_reserved(const Subject& subject) {
  const auto& device = subject.device;
  if (!subject.context.facts.pciback_present) {
    auto finding =
        refused(subject, "E-NOT-RESERVED", "the module pciback is not loaded", "modprobe pciback");
    // Without the module nothing can be seized either.
    finding.severity = Severity::refusal;
    finding.accept.clear();
    return finding;
  }
  if (device.on_pciback()) return passed("E-NOT-RESERVED", device.sbdf, "on pciback");
  const auto where = device.driver.empty() ? std::string("no driver has it")
                                           : fmt::format("dom0's driver {} has it", device.driver);
  if (subject.spec.options.seize)
    return passed("E-NOT-RESERVED", device.sbdf, where + "; it will be seized");
  return refused(subject, "E-NOT-RESERVED", where + ", not pciback",
                 fmt::format("`pciassign reserve {}`", device.sbdf.str()));
}

Finding check_permissive(const Subject& subject) {
  if (!subject.spec.options.permissive)
    return passed("W-PERMISSIVE", subject.device.sbdf, "configuration writes are filtered");
  return warned("W-PERMISSIVE", subject.device.sbdf,
                "permissive=1: the guest writes to registers that no table knows",
                "leave it out unless the driver fails without it (XSA-131)");
}

}  // namespace pciassign::detail
