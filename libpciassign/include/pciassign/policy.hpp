// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Policy: facts in, findings out. It never changes anything.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "pciassign/address.hpp"
#include "pciassign/hypervisor.hpp"
#include "pciassign/pci_bus.hpp"

namespace pciassign {

enum class Severity { ok, warning, refusal };

/// One check's outcome. Codes are stable: E-ABSENT E-NOT-ENDPOINT E-DOM0-USES E-OWNED
/// E-GROUP E-SHARED-INTX E-SHARED-PAGE E-NO-RESET E-NO-IOMMU E-NO-INTREMAP E-NO-PASSTHROUGH
/// E-DOMAIN-KIND E-DOMAIN-DYING E-NOT-RESERVED E-TOO-MANY.
struct Finding {
  std::string code;
  Severity severity = Severity::ok;
  std::optional<Sbdf> device;
  std::string evidence;  ///< What was seen.
  std::string remedy;    ///< What to do.
  std::string accept;    ///< Word for allow= that turns a refusal into a warning; empty: may not.
};

/// Facts on which an attach is judged; gathered by Toolstack.
struct AttachFacts {
  HostInfo host;
  std::optional<DomainInfo> domain;  ///< Empty when planning for a domain that does not exist yet.
  bool domain_has_passthrough = true;  ///< false: test_assign said EOPNOTSUPP for this domain.
  std::vector<Device> all_devices;
  std::vector<DeviceSpec> wanted;              ///< One per function, '*' already expanded.
  std::vector<std::pair<Sbdf, DomId>> owners;  ///< From our journal and /libxl/pci/*/domid.
  std::size_t already_attached = 0;            ///< Devices that the domain has now.
  bool pciback_present = true;                 ///< The module with the driver "pciback" is loaded.
  /// For each wanted device what Xen says must go with it (Hypervisor::device_group).
  std::vector<std::pair<Sbdf, std::vector<Sbdf>>> xen_groups;
};

/// Every check on every wanted device, also the passed ones (Severity::ok).
std::vector<Finding> judge_attach(const AttachFacts& facts);

/// The first refusal as an Error (refused, with its code), or empty.
std::optional<Error> first_refusal(const std::vector<Finding>& findings);

}  // namespace pciassign
