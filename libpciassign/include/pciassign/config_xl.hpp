// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// What `pciassign create` has to know of a domain file of xl(1), read by Xen's own parser.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pciassign/address.hpp"
#include "pciassign/hypervisor.hpp"
#include "pciassign/result.hpp"

namespace pciassign::config {

struct XlDomain {
  std::string name;  ///< Not a number, which xl and we take for that of a domain.
  /// As DomainInfo::uuid_str() writes it. Empty: the file has none, and xl would make one up.
  std::string uuid;
  DomainKind kind = DomainKind::pv;
  std::vector<DeviceSpec> devices;         ///< pci=[...] with the file's pci_* defaults applied.
  std::optional<std::string> passthrough;  ///< As written.
  std::optional<bool> e820_host;
};

/// Errors are ErrorKind::usage and begin with file:line where the parser tells it.
Result<XlDomain> parse_xl_domain(std::string_view text, const std::string& origin);

/// The text with settings appended that take pci= back and make the domain fit for devices that
/// come later. In xl's language a later assignment replaces an earlier one, in whatever form
/// (lists over many lines, +=) that one was written, so nothing is cut out of the text. The domain
/// gets `domain.uuid`, by which it is known from every other one of its name.
std::string text_for_paused_creation(std::string_view text, const XlDomain& domain);

}  // namespace pciassign::config
