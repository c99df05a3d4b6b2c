// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// From a request's words to plans: the same for the daemon and for a command line without one.
#pragma once
#include <string>
#include <vector>

#include "pciassign/rpc_types.hpp"
#include "pciassign/toolstack.hpp"

namespace pciassign::rpc {

/// Every specification parsed, or the first error. None and doubles are errors.
Result<std::vector<DeviceSpec>> parse_specs(const std::vector<std::string>& texts);
Result<std::vector<Sbdf>> parse_addresses(const std::vector<std::string>& texts);

/// How to attach to a domain as it is now: a paused guest cannot answer, so a hot attach would
/// only wait in vain.
AttachMode mode_for(const DomainInfo& domain) noexcept;

/// Every check, with its evidence; does not fail on refusals.
Result<std::vector<Finding>> explain(Toolstack& toolstack, const ExplainParams& params);

/// The plan that a change of these parameters would run.
/// The domain that the parameters mean. With a uuid one that is being destroyed is none any more.
Result<DomainInfo> find_domain(Toolstack& toolstack, const DomainParams& params);
Result<Plan> make_plan(Toolstack& toolstack, const PlanParams& params);

}  // namespace pciassign::rpc
