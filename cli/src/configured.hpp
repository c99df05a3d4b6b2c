// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// The daemon's configuration as the commands that edit it see it. What is bad in another file is
/// only remarked upon.
#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include "environment.hpp"
#include "output.hpp"
#include "pciassign/config_domains.hpp"
#include "pciassign/rpc_client.hpp"

namespace pciassign::cli {

/// Without a configuration file of the daemon the defaults.
Result<config::Paths> daemon_paths(const Environment& environment);

/// Names what cannot be used.
void remark_problems(Output& output, const std::vector<config::Problem>& problems);

/// An error where the domain's entry, or the file that would hold it, cannot be read: whoever
/// wrote that knows what is to stay.
Result<void> check_readable(const config::Configured& configured, const std::string& domain,
                            const std::filesystem::path& file);
/// Whether something is wrong with this file.
bool has_problem(const config::Configured& configured, const std::filesystem::path& file);

/// Has the daemon read everything again. Where it refuses, or cannot use `written`, that is put
/// back.
Result<void> reload(rpc::Client& client, const std::filesystem::path& written,
                    const std::function<void()>& put_back);

}  // namespace pciassign::cli
