#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs in the testbed's dom0 with its debug kernel: what `make testbed-debug` relies on finds the mistakes
# that a test module makes, in a guest. Before that, what pcifront loses in that guest: nothing.
. /usr/share/pciassign-tests/lib.sh

nic=0000:00:04.0

# Twice: kmemleak doubts nothing that is younger than 5 s.
scan() {
	must guest run --timeout 120 guest "for i in 1 2; do echo scan >/sys/kernel/debug/kmemleak; sleep 6; done
		echo scan >/sys/kernel/debug/kmemleak; cat /sys/kernel/debug/kmemleak"
}

step "pcifront and kmemleak"
must guest start guest --may-complain --cfg "pci=[\"$nic\"]" --create-with 'pciassign create'
must guest run guest 'mount -t debugfs debugfs /sys/kernel/debug; echo scan >/sys/kernel/debug/kmemleak; echo clear >/sys/kernel/debug/kmemleak'
guest_network guest e1000e
must pciassign detach guest "$nic"
must pciassign attach guest "$nic"
guest_network guest e1000e
must pciassign detach guest "$nic"
must guest run guest 'rmmod e1000e && rmmod pcifront'
assert_equal "memory that nobody refers to in the guest" "" "$(scan)"
log=$(guest log guest | tr -d '\r')
/usr/lib/pciassign-testbed/complaints "guest's kernel" <(echo "$log") || exit 1

step "the mistakes of a module are found"
must guest run guest 'insmod /test-modules/testbed-faults.ko'
assert_match "what kmemleak found" testbed_faults "$(scan)"
log=$(guest run guest dmesg)
for sign in 'BUG: KASAN: (slab-)?use-after-free in' 'BUG: sleeping function called from invalid context' \
	'possible circular locking dependency detected' 'kmemleak: [0-9]+ new suspected memory leaks'; do
	grep -qE "$sign" <<<"$log" || fail "the guest's kernel did not say: $sign"
	echo "found: $(grep -m 1 -oE "$sign.*" <<<"$log")"
done
/usr/lib/pciassign-testbed/complaints "guest's kernel" /host/logs/guest-guest.log >/dev/null &&
	fail "a look at the guest's log would have found nothing"
must guest kill guest
must guest gone guest
echo "debug-detectors: PASS"
