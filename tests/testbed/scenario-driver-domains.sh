#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed-alone: five domains at once
# testbed: --back ours --front ours --daemon on --memory 3584 --timeout 1500
#
# A driver domain for the network (e1000e) and one for the disk (nvme) serve guests, and fail in each way: every time
# they come back by themselves, the guests' interfaces, transfers and mounted file systems live on, and dom0 is unharmed.
# shellcheck disable=SC2034,SC2154 # what driver-domains.sh reads and sets
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/daemon.sh
. /usr/share/pciassign-tests/driver-domains.sh

serve_two_guests
survive "both kernels panic" both panic
pciassign domain show net1
survive "xl destroy" both destroy
survive "both hang, with interrupts off" both hang

daemon_dies() {
	both panic
	kill_daemon
	start_daemon
}
survive "they panic, and the daemon is killed at the same moment" daemon_dies

take_down_two_guests
echo "scenario-driver-domains: PASS"
