# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# PCI Express errors of devices that guests have, on scenario-pcie.sh's machine: QEMU's monitor injects them, dom0's
# AER driver hears of them, and the guest's driver recovers; guests that do not answer, or answer nonsense, delay nobody
# else. QEMU reports errors of few devices: those of the e1000e come from its port, which has the same effect on
# whatever is below it.

# inject DEVICE ERROR: and dom0's AER driver must be done with it in time; prints how it ended.
inject() {
	must monitor pcie_aer_inject_error "$@" >/dev/null
	recovered "$1"
}

recovered() {
	must wait_dmesg "${2:-60}" 'AER: device recovery (successful|failed)'
	dmesg_since | grep -oE 'AER: device recovery [a-z]+' | tail -n 1
}

# recovery_took: seconds from the first word of the error to the end of the recovery, by dom0's kernel's own clock: what the
# monitor and the reading of the log take is not meant.
recovery_took() {
	dmesg_since | sed -n 's/^\[ *\([0-9.]*\)\] .*AER: .*/\1/p' |
		awk 'NR == 1 { first = $1 } { last = $1 } END { printf "%d\n", last - first }'
}

links_up() { guest run "$1" "dmesg | grep -c 'NIC Link is Up'"; }

# given_up DEVICE GUEST DRIVER: its use by the guest ended, and the guest was told so.
given_up() {
	must wait_dmesg 60 "pciback $1: domain [0-9]+ did not recover it"
	must guest until "$2" 60 "! ls -d /sys/bus/pci/drivers/$3/*:*"
	# xl, which takes it away next, gives the back end ten seconds to be there.
	must wait_xenstore 60 "/local/domain/0/backend/pci/$(xl domid "$2")/0/state" == 4
}

step "errors that the guest's driver recovers from"
assert_equal "driver of $nic" pciback "$(device_driver "$nic")"
# Linux's e1000e warns of its own when it is removed after an error from which it did not recover.
must guest start net --may-complain --cfg "pci=[\"$nic\"]"
guest_network net e1000e
recovers() { # ERROR
	local before
	before=$(links_up net)
	dmesg_mark
	assert_equal "recovery from $1" "AER: device recovery successful" "$(inject port1 "$1")"
	must guest until net 30 "test \$(dmesg | grep -c 'NIC Link is Up') -gt $before"
	guest_network net e1000e
}
recovers COMP_TIME
recovers POISON_TLP

step "a fatal error, which resets the link"
# After a reset the driver has Linux restore MSI-X, which writes to the table; Xen lets no PV guest do that. MSI works.
must guest run net "rmmod e1000e && modprobe e1000e IntMode=1"
guest_network net e1000e
recovers DLP

step "a guest that is paused does not answer: dom0 and another guest go on"
must xl pause net
dmesg_mark
started=$SECONDS
must monitor pcie_aer_inject_error port1 COMP_TIME
guest_network other e1000e
assert_match "the end of the recovery" "AER: device recovery" "$(recovered port1 120)"
echo "dom0's recovery took $((SECONDS - started)) s"
must xl unpause net
given_up "$nic" net e1000e
must xl pci-detach net "$nic"
assert_quarantined "$nic"
must guest kill net
must guest gone net 60

step "drivers that know nothing of errors, answer nonsense, or too late"
must guest start odd --cfg "pci=[\"$virtio\"]"
must guest until odd 60 "ls -d /sys/bus/pci/drivers/virtio-pci/*:*"
dmesg_mark
assert_match "the end of the recovery" "AER: device recovery" "$(inject virtio COMP_TIME)"
must guest run odd "insmod /test-modules/testbed-aer.ko"
for odd in answer=77 delay=8; do
	must guest run odd "
		cd /sys/bus/pci/devices/0000:00:00.0
		[ ! -e driver ] || echo 0000:00:00.0 >driver/unbind
		echo testbed_aer >driver_override && echo 0000:00:00.0 >/sys/bus/pci/drivers_probe && test -e driver &&
			echo ${odd#*=} >/sys/module/testbed_aer/parameters/${odd%=*}
		readlink driver | grep testbed_aer"
	dmesg_mark
	assert_match "the end of the recovery" "AER: device recovery" "$(inject virtio COMP_TIME)"
	took=$(recovery_took)
	echo "dom0's recovery took $took s"
	((took < 20)) || fail "dom0's recovery took $took s"
	given_up "$virtio" odd testbed_aer
	must xl pci-detach odd "$virtio"
	must xl pci-attach odd "$virtio"
	# Bound by its usual driver, which would otherwise come in between when it gets another one.
	must guest until odd 60 "ls -d /sys/bus/pci/drivers/virtio-pci/0000:00:00.0"
done

step "a guest without a front end"
must guest run odd "echo pci-0 >/sys/bus/xen/drivers/pcifront/unbind"
dmesg_mark
assert_match "the end of the recovery" "AER: device recovery" "$(inject virtio COMP_TIME)"
must guest run odd true
must guest kill odd
must guest gone odd 60
assert_quarantined "$nic" "$virtio"
assert_dom0_unharmed
