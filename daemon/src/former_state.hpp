// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// What the daemon does before anything else: what describes another boot, or was written by a
/// release that kept it elsewhere, is put right.
#pragma once
#include <string>

#include "log.hpp"
#include "pciassign/plan.hpp"

namespace pciassign::daemon {

/// Drops the records, notes and pauses of another boot and tells of each (former-record); takes
/// over those of this boot from the state directory, where releases before this one kept them. An
/// error: nobody can tell which are which, and the daemon must not begin.
Result<void> settle_former_state(const Ports& ports, const config::Paths& paths,
                                 const std::string& boot, Log& log);

}  // namespace pciassign::daemon
