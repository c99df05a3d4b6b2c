#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --iommu none
#
# Without an IOMMU a device is refused, with the reason and what to do; an administrator can say
# aloud that it is wanted all the same.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/cli.sh

nic=0000:00:04.0

step "a domain without an IOMMU"
must guest start net --cfg 'e820_host=1'
id=$(xl domid net)

step "attach is refused"
remember
refused 4 'E-NO-IOMMU.*IOMMU' attach net "$nic"
assert_match "the hint" 'allow=no-iommu' "$(</tmp/pciassign-errors)"
refused 4 'E-NO-IOMMU' plan attach net "$nic"

step "create is refused before a domain is made"
cat >/tmp/never.cfg <<-EOF
	name = "never"
	type = "pv"
	kernel = "/nonexistent"
	memory = 64
	pci = ["$nic"]
EOF
refused 4 'E-NO-IOMMU' create /tmp/never.cfg
must_fail - xl domid never

step "said aloud, it works, and is taken back"
gsi=$(device_gsi "$nic")
must pciassign attach net "$nic,allow=no-iommu+no-intremap"
guest_network net e1000e
assert_equal "I/O memory" "$(device_pages "$nic" | merged_ranges)" "$(rangeset "$id" 'I/O Memory')"
must in_ranges 10 "$gsi" "$(rangeset "$id" Interrupts)"
must pciassign detach net "$nic"
assert_unreachable "$nic"
assert_equal "interrupts" "" "$(rangeset "$id" Interrupts)"
assert_nothing_left "$id" "$nic"
must guest kill net
assert_dom0_unharmed
echo "scenario-no-iommu: PASS"
