// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "environment.hpp"

namespace pciassign::cli {

/// The whole command line: words in, exit status out.
int run(const std::vector<std::string>& words, Environment& environment);

}  // namespace pciassign::cli
