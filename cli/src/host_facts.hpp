// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// What `doctor` looks at, and what it makes of it. Collecting never changes anything; a fact that
/// could not be collected carries the reason.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "environment.hpp"
#include "options.hpp"
#include "pciassign/config_domains.hpp"
#include "pciassign/rpc_types.hpp"

namespace pciassign::cli {

/// What Xen prints of a domain for the debug key q: the rangesets' text, such as "{ 20-21 }".
struct Rights {
  std::string interrupts, memory, ports;
  [[nodiscard]] bool none() const { return interrupts.empty() && memory.empty() && ports.empty(); }
};

/// From the console ring after the debug keys q and Q (xen/common/keyhandler.c,
/// xen/drivers/passthrough/pci.c). The last dump in the text counts.
std::map<DomId, Rights> parse_rights(std::string_view console);
/// Devices with the domain that has them; quarantined ones with kDomIo.
std::map<Sbdf, DomId> parse_owners(std::string_view console);

/// A device that pciback= or a modprobe option hides at boot.
struct Hidden {
  std::string pattern;   ///< As written, without parentheses.
  std::string from;      ///< The kernel command line, or a file.
  bool foreign = false;  ///< Of the in-tree module: xen-pciback.hide=.
};
std::vector<Hidden> parse_hidden(std::string_view command_line, std::string_view from);

struct HostFacts {
  bool on_xen = false, is_dom0 = false;
  Result<HostInfo> host;
  std::string driver_module;   ///< Module behind the PCI driver "pciback"; empty: not loaded.
  std::string module_version;  ///< Of pciback.
  std::string front_version;   ///< Of pcifront; empty: not loaded, as it need not be here.
  bool in_tree_kept_away = false;
  std::vector<Hidden> hidden;
  Result<std::vector<DeviceView>> devices;
  Result<config::Configured> configured;  ///< An error: the daemon's own file is bad.
  Result<rpc::StatusResult> daemon;
  std::vector<AttachmentRecord> journal;
  Result<std::vector<JournalFault>> journal_faults;
  std::set<DomId> domains;
  /// Directories below backend/pci and /libxl/pci that name a domain, with that domain.
  std::vector<std::pair<std::string, DomId>> nodes;
  Result<std::string> console;  ///< Xen's, after the debug keys.
};

HostFacts collect_host_facts(Environment& environment, const Options& options);
/// Every check, passed ones included: ok, warning, or refusal for what is broken.
std::vector<Finding> judge_host(const HostFacts& facts);

}  // namespace pciassign::cli
