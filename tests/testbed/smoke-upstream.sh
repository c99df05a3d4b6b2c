#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back upstream --front upstream --daemon off
#
# The testbed itself, with nothing of ours in it: stock Xen tools give the e1000e to a guest, and
# the hypervisor, the guest's driver and the network agree that it is there.
# shellcheck source=tests/testbed/lib.sh
. /usr/share/pciassign-tests/lib.sh

device=0000:00:04.0

step "dom0 has the devices hidden"
for hidden in 0000:00:03.0 "$device" 0000:00:05.0; do
	assert_equal "driver of $hidden" pciback "$(device_driver "$hidden")"
done

step "a guest with the e1000e"
must guest start net --cfg 'pci=["00:04.0"]'
id=$(xl domid net)
must wait_pci_state 20 "$id" 4

step "the hypervisor's view"
rights "$id"
assert_owner "$device" "$id"
memory=$(rangeset "$id" 'I/O Memory')
while read -r pages; do
	must in_ranges 16 "${pages%-*}" "$memory"
	must in_ranges 16 "${pages#*-}" "$memory"
done < <(device_pages "$device")

step "the guest uses it"
guest_network net e1000e

step "the guest's statuses and output arrive whole"
must_fail 7 guest run net 'exit 7'
assert_equal "a million bytes" "$(seq 1 150000 | sha256sum)" "$(guest run net 'seq 1 150000' | sha256sum)"
assert_equal "standard input" hello "$(echo hello | guest run -i net cat)"

step "a guest that panics is gone"
must guest crash net
must guest gone net 60
must_fail 254 guest run net true

echo "smoke-upstream: PASS"
