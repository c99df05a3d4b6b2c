#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# debug.sh SCENARIO [ARGUMENT]...: runs in the testbed's dom0 with its debug kernel: the scenario, then a look for
# memory that it lost. What the kernels said meanwhile fails the run anyhow. `make testbed-debug` runs it.
. /usr/share/pciassign-tests/lib.sh

kmemleak=/sys/kernel/debug/kmemleak
mountpoint --quiet /sys/kernel/debug || must mount -t debugfs debugfs /sys/kernel/debug

[[ -r $kmemleak ]] || fail "this is not the debug kernel"
grep -q 'KernelAddressSanitizer initialized' < <(dmesg) || fail "KASAN is not at work"
grep -q '^ *debug_locks: *1' /proc/lockdep_stats || fail "lockdep is off before anything ran: $(grep -m 1 -A 20 -E 'WARNING:|BUG:' < <(dmesg))"
# What the system itself left is not the scenario's.
echo scan >"$kmemleak"
echo clear >"$kmemleak"

bash "/usr/share/pciassign-tests/scenario-$1.sh" "${@:2}"
result=$?
((result == 0)) || exit "$result"

step "what the debug kernels found"
if [[ $TESTBED_BACK == ours ]]; then
	[[ $TESTBED_DAEMON == off ]] || must pkill -x pciassignd
	must modprobe -r pciback
fi
# kmemleak doubts nothing that is younger than 5 s, and reports what two scans did not find.
sleep 6
echo scan >"$kmemleak"
echo scan >"$kmemleak"
leaks=$(cat "$kmemleak")
[[ -z $leaks ]] || fail "memory that nobody refers to: $leaks"
grep -q '^ *debug_locks: *1' /proc/lockdep_stats || fail "lockdep turned itself off"
echo "debug kernel: nothing found"
