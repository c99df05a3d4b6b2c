// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// The commands. Each returns the exit status.
#pragma once
#include "environment.hpp"
#include "options.hpp"
#include "output.hpp"

namespace pciassign::cli {

int list_devices(Environment& environment, const Options& options, Output& output);
int show_device(Environment& environment, const Options& options, Output& output);
int show_plan(Environment& environment, const Options& options, Output& output);
int show_status(Environment& environment, const Options& options, Output& output);
int show_version(Environment& environment, const Options& options, Output& output);
/// attach, detach, reserve, release.
int change(Environment& environment, const Options& options, Output& output);
int create(Environment& environment, const Options& options, Output& output);

}  // namespace pciassign::cli
