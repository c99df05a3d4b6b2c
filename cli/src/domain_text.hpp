// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Driver domains as a person reads them, and what a change of one answers as JSON.
#pragma once
#include <iosfwd>
#include <optional>
#include <vector>

#include "pciassign/rpc_domains.hpp"
#include "text.hpp"

namespace pciassign::cli {

void print_domains(std::ostream& out, const Paint& paint,
                   const std::vector<rpc::DriverDomainView>& domains);
void print_domain(std::ostream& out, const Paint& paint, const rpc::DriverDomainView& domain);
/// `domain` is empty where nothing runs, or the daemon did not say.
boost::json::object domain_done_json(const std::string& name,
                                     const std::optional<rpc::DriverDomainView>& domain,
                                     const std::string& undo_command);

}  // namespace pciassign::cli
