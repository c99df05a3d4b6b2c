// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// What a service tells systemd, is given by it, and writes into its journal: protocols that are
/// documented and stay (sd_notify(3), sd_listen_fds(3), "Native Journal Protocol"). Spoken here,
/// since libsystemd brings six more libraries into the memory of a daemon that sleeps.
#pragma once
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "unique_fd.hpp"

namespace pciassign::daemon::service {

/// "READY=1" and the like; without systemd nothing happens.
void notify(const std::string& state);
/// The one socket that systemd made for us, if it did; its environment is taken away.
std::optional<UniqueFd> inherited_socket();
/// How often notify("WATCHDOG=1") is expected, if it is.
std::optional<std::chrono::microseconds> watchdog();
/// One message, of NAME=value lines without control characters.
void write_journal(const std::vector<std::string>& entries,
                   const std::filesystem::path& socket = "/run/systemd/journal/socket");

}  // namespace pciassign::daemon::service
