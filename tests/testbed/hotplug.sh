# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Devices that are taken out of the machine while a guest has them, on scenario-pcie.sh's machine: with notice (the
# slot's button) and without (the device is gone before anybody hears of it); and devices that are put in.

driver=/sys/bus/pci/drivers/pciback

# lost GUEST WORD: dom0 has no such device any more; the guest lives, and was told to remove it.
lost() {
	must wait_dmesg 60 "pciback $nic: $2 while domain $(xl domid "$1") uses it"
	must wait_dmesg 60 "pciback $nic: given up"
	[[ ! -e /sys/bus/pci/devices/$nic ]] || fail "$nic is still there"
	must guest until "$1" 60 "! ls -d /sys/bus/pci/drivers/e1000e/*:*"
	assert_equal "rights that unchanged xl still lists" "$pages" "$(rangeset "$(xl domid "$1")" 'I/O Memory')"
}

# ended GUEST: and nothing of it or of its device is left.
ended() {
	local id
	id=$(xl domid "$1")
	must guest kill "$1"
	must guest gone "$1" 60
	must wait_xenstore 20 "/local/domain/0/backend/pci/$id" gone
	assert_nothing_left "$id" "$nic"
	assert_equal "devices that Xen lists at this address" "" "$(debug_key Q | grep "$nic -")"
	assert_dom0_unharmed
}

# The device of a guest that did not answer (aer.sh) serves the next one.
step "taken out with notice, from a guest that uses it"
pages=$(device_pages "$nic" | merged_ranges)
must guest start net --cfg 'pci=["01:00.0"]'
guest_network net e1000e
dmesg_mark
must monitor --until $((60 * TESTBED_PATIENCE)) first device_del first
lost net unbound
ended net

step "another device in the same slot: seized, given, used"
dmesg_mark
must monitor device_add e1000e,id=second,bus=port1,netdev=net6
must wait_dmesg 60 "pciback $nic: seized"
pages=$(device_pages "$nic" | merged_ranges)
must guest start net --cfg 'pci=["01:00.0"]'
guest_network net e1000e

step "taken out without notice"
dmesg_mark
# The slot's power is cut behind the back of its driver: power indicator and power controller off.
must setpci -s "$port" CAP_EXP+18.w=0700:0700
assert_equal "its configuration space" ffff "$(setpci -s "$nic" VENDOR_ID)"
must_fail - tee "$driver/do_flr" <<<"$nic" 2>/dev/null
assert_match "reset_failed" "$nic it does not answer" "$(<"$driver/reset_failed")"
# The kernel's hot-plug driver takes a slot without power for one that is empty, and leaves its device in the list.
must tee "/sys/bus/pci/devices/$nic/remove" <<<1 >/dev/null
lost net 'pulled out'
ended net

step "a device for a guest that runs, while another one goes on"
dmesg_mark
must monitor device_add e1000e,id=third,bus=port1,netdev=net6
must wait_dmesg 60 "pciback $nic: seized"
must guest start net --cfg 'passthrough="enabled"' --cfg 'e820_host=1'
must xl pci-attach net "$nic"
guest_network net e1000e
must xl pci-detach net "$nic"
assert_quarantined "$nic"
must guest kill net
must guest gone net 60
