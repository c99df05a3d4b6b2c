// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// What of dom0 depends on a PCI function: mounted file systems, swap, the default route.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace pciassign::detail {

/// Read once for a scan of the whole bus.
struct HostUse {
  std::multimap<std::string, std::string> block;  ///< "8:1" (major:minor) -> "mounted on /".
  std::multimap<std::string, std::string> net;    ///< "eth0" -> "default route".
};

/// `sys` and `proc` are the mount points of sysfs and procfs.
HostUse read_host_use(const std::filesystem::path& sys, const std::filesystem::path& proc);

/// Which of these hang below the device's directory in sysfs, also through partitions, device
/// mapper, RAID and network bridges.
std::vector<std::string> uses_of(const std::filesystem::path& sys,
                                 const std::filesystem::path& device_directory, const HostUse& use);

}  // namespace pciassign::detail
