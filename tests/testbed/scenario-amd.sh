#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --iommu amd
#
# The second IOMMU vendor: create, crash, quarantine, and the device for the next domain.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh

nic=0000:00:04.0

for name in first second; do
	step "$name domain"
	gsi=$(device_gsi "$nic")
	must guest start "$name" --cfg "pci=[\"$nic\"]" --create-with 'pciassign create'
	id=$(xl domid "$name")
	guest_network "$name" e1000e
	must assert_rights "$id" "$gsi" "$nic"
	must guest crash "$name"
	must guest gone "$name" 60
	must wait_journal_empty 60
	assert_quarantined "$nic"
	assert_nothing_left "$id" "$nic"
	assert_dom0_unharmed
done
echo "scenario-amd: PASS"
