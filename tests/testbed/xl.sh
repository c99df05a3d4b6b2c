# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What unchanged xl does with a device, without the daemon: at creation, hot attach, hot detach,
# destruction. For scenarios, after lib.sh and rights.sh; the standard devices are hidden.

# exercise_xl FRONT: with a guest that uses this front end.
exercise_xl() {
	local front=$1 name=net-$1 nic=0000:00:04.0 old_nic=0000:00:03.0 disk=0000:00:05.0 id gsi device sum

	step "xl create with pci= ($front front end)"
	gsi=$(device_gsi "$nic")
	must guest start "$name" --front "$front" --cfg "pci=[\"$nic\"]"
	id=$(xl domid "$name")
	must wait_pci_state 20 "$id" 4
	guest_network "$name" e1000e
	must assert_rights "$id" "$gsi" "$nic"
	assert_match "xl pci-list" "04\.0" "$(xl pci-list "$name")"

	step "xl pci-attach: an e1000 with INTx, and the disk ($front front end)"
	must xl pci-attach "$name" "$old_nic"
	must guest until "$name" 30 "ls -d /sys/bus/pci/drivers/e1000/*/net/*"
	must guest run "$name" "ip addr flush dev \$(ls /sys/bus/pci/drivers/e1000e/*/net/)"
	guest_network "$name" e1000
	must xl pci-attach "$name" "$disk"
	must guest until "$name" 30 "test -b /dev/nvme0n1"
	sum=$(guest run "$name" "dd if=/dev/nvme0n1 bs=64k iflag=count_bytes count=$TESTBED_NVME_BYTES 2>/dev/null | sha256sum")
	assert_equal "the disk's content" "$TESTBED_NVME_SHA256" "${sum%% *}"

	step "xl pci-detach ($front front end)"
	for device in "$old_nic" "$disk"; do
		must xl pci-detach "$name" "$device"
		# The next one has ten seconds for both ends to be there, and these are not ours to choose.
		must wait_pci_state 20 "$id" 4
	done
	must_fail - guest run "$name" "ls /sys/bus/pci/drivers/e1000/*/net" 2>/dev/null
	must_fail - guest run "$name" "test -b /dev/nvme0n1"
	guest_network "$name" e1000e
	must assert_rights "$id" "$gsi" "$nic"
	assert_quarantined "$old_nic" "$disk"

	step "xl destroy ($front front end)"
	must guest kill "$name"
	must guest gone "$name" 60
	assert_quarantined "$nic" "$old_nic" "$disk"
	assert_dom0_unharmed
}
