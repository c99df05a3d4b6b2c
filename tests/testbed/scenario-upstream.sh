#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back upstream --front ours --daemon off
#
# Linux's own back end with our pcifront; and the testbed itself, with nothing of ours in the guest.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/xl.sh

step "dom0 has the devices hidden"
for hidden in 0000:00:03.0 0000:00:04.0 0000:00:05.0; do
	assert_equal "driver of $hidden" pciback "$(device_driver "$hidden")"
done
assert_equal "back end" xen_pciback "$(basename "$(readlink /sys/bus/pci/drivers/pciback/module)")"

exercise_xl ours

step "a guest with Linux's own front end: statuses and output arrive whole"
must guest start net --front upstream --cfg 'pci=["00:04.0"]'
guest_network net e1000e
must_fail 7 guest run net 'exit 7'
assert_equal "a million bytes" "$(seq 1 150000 | sha256sum)" "$(guest run net 'seq 1 150000' | sha256sum)"
assert_equal "standard input" hello "$(echo hello | guest run -i net cat)"

step "a guest that panics is gone"
must guest crash net
must guest gone net 60
must_fail 254 guest run net true

step "our pciback does not load beside it"
dmesg_mark
must_fail - insmod "$(modinfo -n pciback)" 'hide=(00:03.0)'
assert_match "its reason" "xen-pciback" "$(dmesg_since | grep 'pciback: ')"

echo "scenario-upstream: PASS"
