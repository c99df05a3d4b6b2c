#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back ours --front ours --daemon on --timeout $((500 + ${CYCLES:-12} * 15))
# arguments: ${CYCLES:-12}
#
# Attaching and detaching over and over leaves nothing behind: half of the cycles by pciassignd, with the guest's
# only device (each makes and ends a connection), half by xl without the daemon, beside a device that stays.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/leaks.sh

cycles=${1:-20}
nic=0000:00:04.0
disk=0000:00:05.0
# What the allocator keeps by itself, and less than a page for each cycle.
slack=$((1024 + cycles))

attach_ours() { pciassign attach guest "$disk" >/dev/null; }
detach_ours() { pciassign detach guest "$disk" >/dev/null; }
attach_xl() { xl pci-attach guest "$disk"; }
detach_xl() { xl pci-detach guest "$disk"; }

# cycle SIDE NUMBER: every tenth time the guest reads from the disk: each 16 bytes of it are their own number.
cycle() {
	must "attach_$1"
	must wait_pci_state 60 "$id" 4
	if (($2 % 10 == 0)); then
		must guest until guest 60 "test -b /dev/nvme0n1"
		assert_equal "the disk in cycle $2" 000000000000001 "$(guest run guest "dd if=/dev/nvme0n1 bs=16 skip=1 count=1 2>/dev/null")"
	fi
	must "detach_$1"
}

# what_guest_has: kilobytes that the guest's kernel does not give back; as in leaks.sh, not counted with the debug kernel.
what_guest_has() {
	[[ $TESTBED_KERNEL != debug ]] || {
		echo 0
		return
	}
	guest run guest "awk '/^(SUnreclaim|KernelStack|Percpu):/ { n += \$2 } END { print n }' /proc/meminfo"
}

# half SIDE COUNT DEVICE...: the devices that stay.
half() {
	local side=$1 count=$2 number before guest_before begin
	shift 2
	# The first ones fill caches.
	for number in 1 2 3; do cycle "$side" 0; done
	before=$(what_dom0_has)
	guest_before=$(what_guest_has)
	begin=${EPOCHREALTIME/./}
	for ((number = 1; number <= count; number++)); do cycle "$side" "$number"; done
	echo "   $count cycles, $(((${EPOCHREALTIME/./} - begin) / 1000 / count)) ms each"
	assert_no_growth "$before" "$slack"
	assert_at_most "growth of the guest's kernel, KiB" "$slack" $(($(what_guest_has) - guest_before))
	must assert_rights "$id" "${*:+$gsi}" "$@"
	assert_quarantined "$disk"
	assert_dom0_unharmed
}

gsi=$(device_gsi "$nic")
must guest start guest --timeout 180 --cfg 'passthrough="enabled"' --cfg 'e820_host=1'
id=$(xl domid guest)

step "$((cycles / 2)) cycles by pciassignd"
cycle ours 0
resident=$(resident_memory pciassignd)
half ours $((cycles / 2))
assert_at_most "growth of pciassignd, KiB" "$slack" $(($(resident_memory pciassignd) - resident))
assert_nothing_left "$id" "$disk"

step "$((cycles / 2)) cycles by xl, beside a device that stays"
daemon=$(pgrep -x pciassignd)
kill "$daemon"
timeout 60 tail --pid="$daemon" -f /dev/null || fail "pciassignd does not end"
must xl pci-attach guest "$nic"
guest_network guest e1000e
half xl $((cycles / 2)) "$nic"
guest_network guest e1000e

must guest kill guest
must guest gone guest 60
assert_quarantined "$nic" "$disk"
assert_dom0_unharmed
echo "scenario-cycles: PASS"
