#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back ours --front ours --daemon on --device rtl8139,addr=6 --timeout 900
#
# The daemon and the command line: wrong requests, attach and detach of several kinds of devices, two
# guests, the daemon's death, and every way in which a domain disappears.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/cli.sh
. /usr/share/pciassign-tests/daemon.sh

old_nic=0000:00:03.0
nic=0000:00:04.0
disk=0000:00:05.0
unhidden=0000:00:06.0

step "guests"
gsis=([3]=$(device_gsi "$old_nic") [4]=$(device_gsi "$nic") [5]=$(device_gsi "$disk"))
must guest start one --cfg 'passthrough="enabled"' --cfg 'e820_host=1'
must guest start two --cfg 'passthrough="enabled"' --cfg 'e820_host=1'
must guest start plain
one=$(xl domid one)
two=$(xl domid two)

step "wrong requests change nothing"
remember
refused 2 'zz:04.0' attach one zz:04.0
refused 2 '00:04.9' attach one 00:04.9
refused 2 'frobnicate' attach one 00:04.0,frobnicate=1
refused 2 'frobnicate' attach one 00:04.0 --frobnicate
refused 2 'frobnicate' frobnicate
refused 3 '0000:00:0a.0' attach one 00:0a.0
refused 3 '0000:00:0a.0' show 00:0a.0
refused 3 'nobody' attach nobody 00:04.0
refused 3 '4242' attach 4242 00:04.0
refused 4 'E-NO-PASSTHROUGH' attach plain 00:04.0
refused 4 'E-NOT-RESERVED' attach one "$unhidden"
refused 4 'E-NOT-ENDPOINT|E-DOM0-USES|E-NOT-RESERVED' attach one 00:1f.0
refused 4 'E-NO-RESET' attach one "$old_nic"
refused 3 '0000:00:04.0' detach one 00:04.0
must pciassign list --json >/tmp/list.json
assert_match "the envelope" '^\{"pciassign":1,' "$(</tmp/list.json)"
must guest kill plain
must guest gone plain

step "two guests, two devices"
must pciassign attach one "$nic"
must pciassign attach two "$old_nic,allow=no-reset" "$disk"
guest_network one e1000e
guest_network two e1000
must guest until two 20 "test -b /dev/nvme0n1"
must assert_rights "$one" "${gsis[4]}" "$nic"
must assert_rights "$two" "${gsis[3]} ${gsis[5]}" "$old_nic" "$disk"
remember
refused 5 'E-OWNED' attach two "$nic"
must pciassign list

step "xl sees our assignments and does not give the device away"
assert_match "xl pci-list one" '04\.0' "$(xl pci-list one)"
must_fail - xl pci-attach two "$nic"
assert_owner "$nic" "$one"

step "one of two devices leaves; the other stays in use"
must pciassign detach two "$disk"
must assert_rights "$two" "${gsis[3]}" "$old_nic"
assert_quarantined "$disk"
guest_network two e1000

step "the daemon is killed; its successor knows what was given"
kill_daemon
remember
refused 6 'pciassignd' attach two "$disk"
must pciassign list
start_daemon
must pciassign detach one "$nic"
assert_quarantined "$nic"
must pciassign attach one "$nic"
guest_network one e1000e

step "a guest panics: everything is taken back, the other guest keeps its device"
must guest crash one
must guest gone one 60
must wait_journal_without 60 "$nic"
assert_quarantined "$nic"
assert_nothing_left "$one" "$nic"
guest_network two e1000

step "a guest is destroyed while the daemon is dead: the next daemon cleans up"
kill_daemon
must guest kill two
must guest gone two 60
start_daemon
must wait_journal_empty 60
assert_quarantined "$nic" "$old_nic" "$disk"
assert_nothing_left "$two" "$old_nic"

step "a guest is shut down in an orderly way"
must guest start three --cfg "pci=[\"$nic\"]" --create-with 'pciassign create'
three=$(xl domid three)
# Once its driver has its interrupts, they do not change while they are compared.
must guest until three 60 "ls -d /sys/bus/pci/drivers/e1000e/*/net/*"
must assert_rights "$three" "${gsis[4]}" "$nic"
guest run three "poweroff -f" # its answer may or may not arrive
must guest gone three 60
must wait_journal_empty 60
assert_quarantined "$nic"
assert_nothing_left "$three" "$nic"

step "reserve and release a device that dom0 drives"
driver=$(device_driver "$unhidden")
assert_match "dom0's driver" '^8139' "$driver"
must pciassign reserve "$unhidden"
assert_equal "driver" pciback "$(device_driver "$unhidden")"
assert_owner "$unhidden" IO
must pciassign release "$unhidden"
assert_equal "driver" "$driver" "$(device_driver "$unhidden")"
assert_owner "$unhidden" 0

assert_dom0_unharmed
echo "scenario-daemon: PASS"
