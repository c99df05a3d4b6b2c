// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once
#include "pciassign/config_domains.hpp"

namespace pciassign::config {

/// Unless it has something in common with one that is there: the error names both places.
Result<void> add_domain(DriverDomains& all, DriverDomain domain);

}  // namespace pciassign::config
