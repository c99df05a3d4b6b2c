#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back ours --front ours --daemon off --timeout 720
#
# Unchanged xl on our pciback, without the daemon, with our pcifront and with Linux's own.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/xl.sh

exercise_xl ours
exercise_xl upstream

step "pciback refuses to be unloaded while a guest has a device, and unloads and loads cleanly after"
must guest start busy --cfg 'pci=["00:04.0"]'
id=$(xl domid busy)
# A driver that is killed while it probes complains of the memory that was taken from it.
must guest until busy 30 "ls -d /sys/bus/pci/drivers/e1000e/*/net/*"
must_fail - modprobe -r pciback
must guest kill busy
must guest gone busy 60
must wait_taken_back "$id" 0000:00:04.0
unload_pciback
assert_equal "driver of the e1000e without pciback" "" "$(device_driver 0000:00:04.0)"
must modprobe pciback
assert_equal "driver of the e1000e" pciback "$(device_driver 0000:00:04.0)"
assert_dom0_unharmed
step "pcifront unloads and loads cleanly in a guest without devices"
must guest start plain
must guest run plain "rmmod pcifront && modprobe pcifront && ! dmesg | grep -E 'BUG|WARNING|Oops'"
must guest kill plain
echo "scenario-xl: PASS"
