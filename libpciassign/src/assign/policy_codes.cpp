// SPDX-License-Identifier: LGPL-2.1-or-later
#include <array>

#include "pciassign/policy.hpp"

namespace pciassign {
namespace {

constexpr std::array kCodes = {
    FindingCode{"E-TOO-MANY", "the domain would have more devices than its virtual bus has slots",
                ""},
    FindingCode{"E-DOMAIN-KIND", "the domain is not PV", ""},
    FindingCode{"E-DOMAIN-DYING", "the domain is going away", ""},
    FindingCode{"E-NO-PASSTHROUGH", "the domain was created without passthrough", ""},
    FindingCode{"E-ABSENT", "there is no such device", ""},
    FindingCode{"E-CHANGED", "the device at this address is not the one that was pinned", ""},
    FindingCode{"E-NOT-ENDPOINT", "it is a bridge or a part of the platform", ""},
    FindingCode{"E-OWNED", "a domain has it, given by us, by xl, or as only Xen knows", ""},
    FindingCode{"E-NOT-IN-XEN", "Xen does not know the device", ""},
    FindingCode{"E-DOM0-USES",
                "dom0 depends on it: file system, swap, volume, route, console or another "
                "domain's disk",
                "allow=dom0-uses"},
    FindingCode{"E-NOT-RESERVED", "it is not on pciback", "seize=1"},
    FindingCode{"E-NO-IOMMU", "the host uses no IOMMU: the device could write to any memory",
                "allow=no-iommu"},
    FindingCode{"E-NO-INTREMAP", "interrupts are not remapped: the device could forge them",
                "allow=no-intremap"},
    FindingCode{"W-INTREMAP-UNKNOWN", "it cannot be told whether interrupts are remapped", ""},
    FindingCode{"E-RMRR", "the firmware reserved memory for its DMA, which the guest would reach",
                "rdm_policy=relaxed"},
    FindingCode{"W-RMRR", "the firmware reserved memory for it, for use before the system runs",
                ""},
    FindingCode{"E-NO-RESET", "it cannot be reset: state of the previous owner may survive",
                "allow=no-reset"},
    FindingCode{"E-GROUP", "a device that cannot be isolated from it is used elsewhere",
                "allow=group"},
    FindingCode{"E-SHARED-INTX", "its interrupt line is shared with a device that stays",
                "allow=shared-intx"},
    FindingCode{"E-SHARED-PAGE", "a BAR shares a 4 KiB page with another device's BAR",
                "allow=shared-page"},
    FindingCode{"W-PERMISSIVE", "the guest writes to configuration registers as it likes", ""},
};

}  // namespace

std::span<const FindingCode> finding_codes() noexcept {
  return kCodes;
}

}  // namespace pciassign
