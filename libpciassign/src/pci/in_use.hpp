// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// What of dom0 depends on a PCI function: file systems, swap, volumes, other domains' disks, the
/// default route, consoles.
#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "pciassign/address.hpp"

namespace pciassign::detail {

/// Words for each function that dom0 depends on ("mounted on /"), and for each bridge above one.
using HostUse = std::map<Sbdf, std::set<std::string>>;

/// Read once for a scan of the whole bus. `sys` and `proc` are the mount points of sysfs and
/// procfs.
HostUse read_host_use(const std::filesystem::path& sys, const std::filesystem::path& proc);

}  // namespace pciassign::detail
