// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Policy: facts in, findings out. It never changes anything.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pciassign/address.hpp"
#include "pciassign/hypervisor.hpp"
#include "pciassign/pci_bus.hpp"

namespace pciassign {

/// Passed, worth knowing, or in the way.
enum class Severity { ok, warning, refusal };

/// One kind of finding. Codes are stable; Documentation/findings.md has the same table.
struct FindingCode {
  std::string_view code;     ///< "E-..." may refuse, "W-..." only warns.
  std::string_view meaning;  ///< One line.
  std::string_view accept;   ///< The option that turns the refusal into a warning; empty: none may.
};
/// All there are.
std::span<const FindingCode> finding_codes() noexcept;

/// One check's outcome.
struct Finding {
  std::string code;                  ///< FindingCode::code.
  Severity severity = Severity::ok;  ///< A refusal that was accepted is a warning.
  std::optional<Sbdf> device;        ///< Empty: of the host or the domain.
  std::string evidence;              ///< What was seen.
  std::string remedy;                ///< What to do.
  std::string accept;                ///< The option that accepts it, as FindingCode has it.
};

/// A device that a domain has.
struct Owner {
  Sbdf device;            ///< The function.
  DomId domid = 0;        ///< Who has it.
  bool by_libxl = false;  ///< From libxl's marker only: our journal does not know of it.
};

/// What Xen tells of a wanted device.
struct DeviceInXen {
  /// The answer of test_assign.
  enum class Says {
    nothing,     ///< It was not asked, or cannot tell (no IOMMU).
    assignable,  ///< dom0 or the quarantine has it.
    taken,       ///< Another domain has it, or Xen keeps it for itself.
    unknown,     ///< dom0's kernel has not told Xen of it.
  };
  Says says = Says::nothing;             ///< What it answered.
  std::vector<Sbdf> group;               ///< What must go with it (Hypervisor::device_group).
  std::vector<ReservedMemory> reserved;  ///< Hypervisor::reserved_memory.
  std::vector<Sbdf> reserved_with;       ///< Other devices of the same reserved regions.
};

/// Facts on which an attach is judged; gathered by Toolstack.
struct AttachFacts {
  HostInfo host;                     ///< Of the machine.
  std::optional<DomainInfo> domain;  ///< Empty when planning for a domain that does not exist yet.
  bool domain_has_passthrough = true;  ///< false: test_assign said EOPNOTSUPP for this domain.
  std::vector<Device> all_devices;     ///< Of the whole machine: neighbours matter.
  std::vector<DeviceSpec> wanted;      ///< One per function, '*' already expanded.
  std::vector<Owner> owners;           ///< From our journal and /libxl/pci/*/domid.
  std::size_t already_attached = 0;    ///< Devices that the domain has now.
  bool pciback_present = true;         ///< The module with the driver "pciback" is loaded.
  std::map<Sbdf, DeviceInXen> in_xen;  ///< For each wanted device.
  /// Devices whose record cannot be read, with the words that tell of it: whose they are is
  /// unknown.
  std::map<Sbdf, std::string> unreadable;
};

/// Every check on every wanted device, also the passed ones (Severity::ok).
std::vector<Finding> judge_attach(const AttachFacts& facts);

/// The refusals as an Error: the first with its code, the others in Error::also. Empty: none.
std::optional<Error> refusal(const std::vector<Finding>& findings);

}  // namespace pciassign
