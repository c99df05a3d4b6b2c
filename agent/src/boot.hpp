// SPDX-License-Identifier: GPL-2.0-or-later
// What the first process of a domain does besides: file systems, modules, the end of the machine.
#pragma once
#include <string>
#include <vector>

#include "pciassign/result.hpp"

namespace pciassign::agent {

/// proc, sys, dev; descriptors 0 to 2; the loopback interface is the caller's.
void mount_basics();
/// Loads each, in order; words for those that could not be.
std::vector<std::string> load_modules(const std::vector<std::string>& paths);
/// Linux makes the pages onto which it maps grants by the section of 128 MiB, when the first of
/// them is wanted: while a guest waits for its device. Now they are there before. Does nothing
/// where it cannot.
void make_grant_pages();
/// As /sbin/poweroff or /sbin/reboot: tells the first process. The status of main().
int ask_init(int signal);
/// Never returns for the first process.
void power_off(bool again);

}  // namespace pciassign::agent
