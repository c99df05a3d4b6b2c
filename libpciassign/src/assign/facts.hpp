// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Gathering of facts for Toolstack. Reads only.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pciassign/toolstack.hpp"

namespace pciassign::detail {

/// Who has which device: our journal, and libxl's markers of domains that exist.
Result<std::vector<Owner>> read_owners(Ports& ports);
/// Devices whose record is damaged, with words that name the file.
Result<std::map<Sbdf, std::string>> read_unreadable(Ports& ports);
/// Names to addresses, "*" to every function of the slot.
Result<std::vector<DeviceSpec>> expand(Ports& ports, const std::vector<DeviceSpec>& specs,
                                       const std::vector<Device>& all);
Result<AttachFacts> gather(Ports& ports, const std::vector<DeviceSpec>& specs,
                           const std::optional<DomainInfo>& domain);
/// /local/domain/<domid>/name, or "domain-<domid>" when it has none.
Result<std::string> name_of(Ports& ports, DomId domid);

}  // namespace pciassign::detail
