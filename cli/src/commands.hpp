// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// The commands. Each returns the exit status.
#pragma once
#include "environment.hpp"
#include "options.hpp"
#include "output.hpp"

namespace pciassign::cli {

// commands_read.cpp
int list_devices(Environment& environment, const Options& options, Output& output);
int show_device(Environment& environment, const Options& options, Output& output);
int explain(Environment& environment, const Options& options, Output& output);
int show_plan(Environment& environment, const Options& options, Output& output);
int show_status(Environment& environment, const Options& options, Output& output);
int show_version(Environment& environment, const Options& options, Output& output);
// commands_change.cpp
/// attach, detach, reserve, release, reset.
int change(Environment& environment, const Options& options, Output& output);
// create.cpp
int create(Environment& environment, const Options& options, Output& output);
// assign.cpp
int assign(Environment& environment, const Options& options, Output& output);
int unassign(Environment& environment, const Options& options, Output& output);
// watch.cpp
int watch(Environment& environment, const Options& options, Output& output);
// doctor.cpp
int doctor(Environment& environment, const Options& options, Output& output);
// report.cpp
int report(Environment& environment, const Options& options, Output& output);
// completion.cpp
int completion(Environment& environment, const Options& options, Output& output);
// domain.cpp
int domain_list(Environment& environment, const Options& options, Output& output);
int domain_show(Environment& environment, const Options& options, Output& output);
/// domain start, stop, recover.
int domain_change(Environment& environment, const Options& options, Output& output);
// domain_create.cpp
int domain_create(Environment& environment, const Options& options, Output& output);
// domain_remove.cpp
int domain_remove(Environment& environment, const Options& options, Output& output);
// xl_names.cpp
int xl_list(Environment& environment, const Options& options, Output& output);
int xl_attach(Environment& environment, const Options& options, Output& output);
int xl_detach(Environment& environment, const Options& options, Output& output);
int xl_assignable_list(Environment& environment, const Options& options, Output& output);
int xl_assignable_add(Environment& environment, const Options& options, Output& output);
int xl_assignable_remove(Environment& environment, const Options& options, Output& output);

}  // namespace pciassign::cli
