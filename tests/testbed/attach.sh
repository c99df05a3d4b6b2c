# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The attachment's side of pciback, on scenario-device.sh's machine: a device that goes while a guest has it, a front
# end that comes back again and again with a page that cannot be mapped, and the passthrough topology.
behind=$(basename "$(echo /sys/bus/pci/devices/0000:00:08.0/0000:*:00.0)")

# seize DEVICE: pciback has it, whoever had it before.
seize() {
	[[ $(device_driver "$1") == pciback ]] && return
	[[ -z $(device_driver "$1") ]] || echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
	echo pciback >"/sys/bus/pci/devices/$1/driver_override"
	echo "$1" >/sys/bus/pci/drivers_probe
	assert_equal "driver of $1" pciback "$(device_driver "$1")"
}

step "a device is unbound from pciback while a guest has it: the guest sees it go"
seize "$behind"
must guest start one --cfg "pci=[\"$behind\"]"
id=$(xl domid one)
must wait_pci_state 30 "$id" 4
must xl pci-attach one "$nic"
# Its driver has to be done with it: one from which its device is taken while it probes may complain.
must guest until one 30 "ls -d /sys/bus/pci/devices/0000:00:01.0/net/*"
echo "$nic" >/sys/bus/pci/drivers/pciback/unbind
must guest until one 30 "! test -e /sys/bus/pci/devices/0000:00:01.0"
must wait_pci_state 30 "$id" 4
assert_equal "state of its entry" 6 "$(xenstore-read "/local/domain/0/backend/pci/$id/0/state-1")"
guest_network one e1000e

step "the toolstack takes it away and gives it again"
must xl pci-detach one "$nic"
seize "$nic"
must xl pci-attach one "$nic"
must guest until one 30 "ls -d /sys/bus/pci/devices/0000:00:01.0/net/*"

step "a front end whose page cannot be mapped comes back at once, each time: dom0's log stays short"
must guest run one "echo pci-0 >/sys/bus/xen/drivers/pcifront/unbind"
front=/local/domain/$id/device/pci/0
lines=$(dmesg | wc -l)
rounds=40
for ((round = 0; round < rounds; round++)); do
	must xenstore-write "$front/pci-op-ref" 99999 "$front/event-channel" 7 "$front/magic" 7 "$front/state" 3
	must xenstore-write "$front/state" 6 "$front/state" 1
done
said=$(($(dmesg | wc -l) - lines))
echo "$rounds rounds, $said lines"
((said < rounds / 2)) || fail "$said lines in dom0's log after $rounds rounds"
must xenstore-write "$front/state" 6

step "it can come back, by and by"
must guest run one "echo pci-0 >/sys/bus/xen/drivers/pcifront/bind"
must wait_pci_state 60 "$id" 4
guest_network_below one /sys/bus/pci/devices/0000:00:00.0
must guest kill one
must guest gone one 60

step "functions at their real addresses"
unload_pciback
must modprobe pciback passthrough=1 "hide=($nic)"
seize "$behind"
for front in ours upstream; do
	must guest start "real-$front" --front "$front" --cfg "pci=[\"$behind\"]"
	id=$(xl domid "real-$front")
	must wait_pci_state 30 "$id" 4
	must guest until "real-$front" 30 "ls -d /sys/bus/pci/devices/$behind/net/*"
	must xl pci-attach "real-$front" "$nic"
	must guest until "real-$front" 30 "ls -d /sys/bus/pci/devices/$nic/net/*"
	must xl pci-detach "real-$front" "$nic"
	must_fail - guest run "real-$front" "test -e /sys/bus/pci/devices/$nic"
	guest_network "real-$front" e1000e
	must guest kill "real-$front"
	must guest gone "real-$front" 60
	must wait_taken_back "$id" "$behind"
done
