#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back ours --front ours --daemon off
#
# Unchanged xl on our pciback, without the daemon: devices at creation, hot attach and detach,
# with our pcifront and with Linux's own.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh

nic=0000:00:04.0
old_nic=0000:00:03.0
disk=0000:00:05.0

for front in ours upstream; do
	step "xl create with pci= ($front front end)"
	gsi=$(device_gsi "$nic") old_gsi=$(device_gsi "$old_nic")
	must guest start "net-$front" --front "$front" --cfg "pci=[\"$nic\"]"
	id=$(xl domid "net-$front")
	must wait_pci_state 20 "$id" 4
	guest_network "net-$front" e1000e
	must assert_rights "$id" "$gsi" "$nic"
	assert_match "xl pci-list" "04\.0" "$(xl pci-list "net-$front")"

	step "xl pci-attach: an e1000 with INTx, and the disk ($front front end)"
	must xl pci-attach "net-$front" "$old_nic"
	must guest until "net-$front" 30 "ls -d /sys/bus/pci/drivers/e1000/*/net/*"
	must guest run "net-$front" "ip addr flush dev \$(ls /sys/bus/pci/drivers/e1000e/*/net/)"
	guest_network "net-$front" e1000
	must xl pci-attach "net-$front" "$disk"
	must guest until "net-$front" 30 "test -b /dev/nvme0n1"
	sum=$(guest run "net-$front" "dd if=/dev/nvme0n1 bs=64k iflag=count_bytes count=$TESTBED_NVME_BYTES 2>/dev/null | sha256sum")
	assert_equal "the disk's content" "$TESTBED_NVME_SHA256" "${sum%% *}"

	step "xl pci-detach ($front front end)"
	for device in "$old_nic" "$disk"; do
		must xl pci-detach "net-$front" "$device"
	done
	must wait_pci_state 20 "$id" 4
	must_fail - guest run "net-$front" "ls /sys/bus/pci/drivers/e1000/*/net"
	must_fail - guest run "net-$front" "test -b /dev/nvme0n1"
	guest_network "net-$front" e1000e
	must assert_rights "$id" "$gsi" "$nic"
	assert_quarantined "$old_nic" "$disk"

	step "xl destroy ($front front end)"
	must guest kill "net-$front"
	must guest gone "net-$front" 60
	assert_quarantined "$nic" "$old_nic" "$disk"
	assert_dom0_unharmed
done

step "pciback unloads and loads cleanly"
must modprobe -r pciback
must modprobe pciback
assert_dom0_unharmed
echo "scenario-xl: PASS"
