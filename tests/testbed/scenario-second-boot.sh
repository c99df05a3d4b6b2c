#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back ours --front ours --daemon off --boots 2 --dom0-arg 'pciback.hide=(00:03.0)(00:04.0)' --timeout 900
#
# What the daemon keeps on disk or is given back with a copy of /run tells of a hypervisor that is no more. Boot 1: a guest has the
# disk that dom0's driver had, then the power fails. Boot 2: dom0's driver has the disk and dom0 reads from it, all records of
# boot 1 are in place, and the daemon starts: nothing happens to the disk. Then with a guest of the same number and uuid; then
# records of this very boot: in the format and folder of the release before, and of a device that an administrator took back by hand.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/cli.sh
. /usr/share/pciassign-tests/daemon.sh

nic=0000:00:04.0
disk=0000:00:05.0
block=/dev/nvme0n1
uuid=5ec0d000-b007-4b1d-8000-00000000cafe
journal=/run/pciassign/journal
former_journal=/var/lib/pciassign/journal
kept=/var/lib/second-boot # on dom0's disk: what boot 2 is to have of boot 1
reads=/run/reads
daemon_log= # start_daemon says
guest_options=(--cfg "uuid=\"$uuid\"" --cfg 'passthrough="enabled"' --cfg 'e820_host=1')

record() { echo "$1/${2//[:.]/-}.json"; }
boot_id() { cat /proc/sys/kernel/random/boot_id; }

# --- dom0 uses its disk

# reader: reads the file from the device, not from memory, over and over, and says of each time whether it is what was written.
reader() {
	local n=0
	until [[ -e /run/reader-ends ]]; do
		n=$((n + 1))
		[[ $(dd if=/mnt/data bs=1M iflag=direct status=none | sha256sum) == "$(<$kept/sum)" ]] || {
			echo "$n bad"
			return
		}
		echo "$n good"
	done
}

use_disk() {
	rm -f /run/reader-ends
	: >$reads
	must wait_path 60 $block
	must mount $block /mnt
	reader >>$reads 2>&1 &
	reader=$!
	reads_on
	dmesg_mark
}

# reads_on: what is read from now on is right, too: the second of these times begins later than now.
reads_on() {
	local n
	n=$(wc -l <$reads)
	wait_log 60 $reads "^$((n + 2)) good\$|bad" || fail "dom0 does not read its disk any more: $(dmesg_since | tail -n 5)"
	! grep -v good $reads || fail "what dom0 reads from its disk is wrong: $(dmesg_since | tail -n 5)"
}

stop_using_disk() {
	touch /run/reader-ends
	must wait "$reader"
	must umount /mnt
}

# disk_untouched: dom0 has it, reads it, and its kernel has had nothing to say about it since use_disk.
disk_untouched() {
	assert_equal "driver of $disk" nvme "$(device_driver "$disk")"
	assert_owner "$disk" 0
	reads_on
	assert_equal "what dom0's kernel said of the disk" "" "$(dmesg_since | grep -iE "nvme|EXT4-fs|I/O error|$disk")"
	assert_match "the list" 'in use by dom0' "$(pciassign list | grep -F "${disk#0000:}")"
	must_fail 4 pciassign explain "$disk,seize=1" >/run/explained
	assert_match "explain" 'E-DOM0-USES' "$(</run/explained)"
}

# --- records

# put_former: everything that boot 1 left, where this boot's would be, and what the release before would have left.
put_former() {
	rm -rf /run/pciassign/{journal,paused,created,supervisor} /var/lib/pciassign/{journal,paused,created,supervisor}
	must cp -a $kept/run/. /run/pciassign/
	must cp -a $kept/state/. /var/lib/pciassign/
}

# dropped LOG FILE SBDF: LOG has a warning that names all three.
dropped() {
	grep -qw one < <(grep -E ' warning former-record: ' "$1" | grep -F "$2" | grep -F "$3") ||
		fail "the log does not say that $2 of $3 was dropped: $(grep former-record "$1")"
}

# all_dropped LOG: each of put_former's records.
all_dropped() {
	local directory device
	for directory in $journal $former_journal; do
		for device in "$disk" "$nic"; do
			dropped "$1" "$(record "$directory" "$device")" "$device"
			[[ ! -e $(record "$directory" "$device") ]] || fail "$(record "$directory" "$device") is still there"
		done
	done
}

first_boot() {
	step "boot 1: a file system on a disk of dom0"
	mkdir $kept $kept/run $kept/state
	must wait_path 60 $block
	must mkfs.ext4 -q $block
	must mount $block /mnt
	seq -f %015.0f 0 $((8 * 65536 - 1)) >/mnt/data
	sha256sum - </mnt/data >$kept/sum
	must umount /mnt

	step "a guest has a card from the start, and takes the disk"
	start_daemon /host/logs/pciassignd.log
	must guest start one "${guest_options[@]}" --cfg "pci=[\"$nic\"]" --create-with 'pciassign create'
	must pciassign attach one "$disk,seize=1"
	must guest until one 60 "test -b $block"
	must guest run one "mkdir -p /mnt && mount -t ext4 -o ro $block /mnt && sha256sum - </mnt/data" >/run/sum
	assert_equal "what the guest reads" "$(<$kept/sum)" "$(</run/sum)"
	assert_owner "$disk" "$(xl domid one)"

	step "the power fails"
	local device part
	xl domid one >$kept/domid
	boot_id >$kept/boot_id
	for part in journal paused created supervisor; do
		[[ ! -e /run/pciassign/$part ]] || must cp -a "/run/pciassign/$part" $kept/run/
		[[ ! -e /var/lib/pciassign/$part ]] || must cp -a "/var/lib/pciassign/$part" $kept/state/
	done
	mkdir -p $kept/state/{journal,paused,created}
	for device in "$disk" "$nic"; do
		assert_equal "phase in the record of $device" attached "$(jq -r .phase "$(record $kept/run/journal "$device")")"
		# As the release before wrote it.
		jq 'del(.boot)' "$(record $kept/run/journal "$device")" >"$(record $kept/state/journal "$device")"
	done
	echo "$uuid" >"$kept/state/paused/$(<$kept/domid)"
	must next-boot
}

second_boot() {
	step "boot 2: dom0's driver has the disk, and dom0 reads from it"
	[[ $(boot_id) != "$(<$kept/boot_id)" ]] || fail "this is no other boot"
	assert_equal "what is left in /run/pciassign" "" "$(ls /run/pciassign)"
	use_disk
	assert_equal "driver of $disk" nvme "$(device_driver "$disk")"

	step "the daemon starts, and has the records of boot 1"
	put_former
	start_daemon /host/logs/pciassignd-1.log
	wait_quiet 60
	disk_untouched
	all_dropped "$daemon_log"
	# Hidden at boot, and nobody's since: Xen has it as dom0 reported it.
	assert_owner "$nic" 0

	step "the same with a guest of the same number and uuid, which xl has paused"
	kill_daemon
	put_former
	must guest start one --no-wait "${guest_options[@]}" --create-with 'xl create -q -p'
	one=$(xl domid one)
	assert_equal "the guest's number" "$(<$kept/domid)" "$one"
	start_daemon /host/logs/pciassignd-2.log
	wait_quiet 60
	disk_untouched
	all_dropped "$daemon_log"
	assert_owner "$nic" 0
	must assert_rights "$one" ""
	assert_match "state and time of the guest" '--p--- +0\.0$' "$(xl list one | tail -n 1)"
	must xl unpause one
	must guest wait one

	step "requests are judged by what is so now"
	remember
	refused 4 'E-DOM0-USES' attach one "$disk,seize=1"
	must pciassign attach one "$nic"
	guest_network one e1000e
	disk_untouched
	must pciassign detach one "$nic"
	assert_nothing_left "$one" "$nic"
	assert_quarantined "$nic"
	disk_untouched

	step "an upgrade while a guest has a device: the record of the release before, and of this boot, is taken over"
	must pciassign attach one "$nic"
	guest_network one e1000e
	kill_daemon
	mkdir -p $former_journal
	assert_equal "boot in the record" "$(boot_id)" "$(jq -r .boot "$(record $journal "$nic")")"
	jq 'del(.boot)' "$(record $journal "$nic")" >"$(record $former_journal "$nic")"
	must rm "$(record $journal "$nic")"
	start_daemon /host/logs/pciassignd-3.log
	wait_quiet 60
	assert_equal "boot in the record" "$(boot_id)" "$(jq -r .boot "$(record $journal "$nic")")"
	[[ ! -e $(record $former_journal "$nic") ]] || fail "the former record is still there"
	! grep 'former-record: dropped' "$daemon_log" || fail "the record was dropped"
	must grep "former-record: taken over: $(record $former_journal "$nic")" "$daemon_log"
	assert_equal "state of $nic" attached "$(pciassign list --json | jq -r ".result[] | select(.address == \"$nic\") | .state")"
	assert_owner "$nic" "$one"
	guest_network one e1000e
	must pciassign detach one "$nic"
	assert_nothing_left "$one" "$nic"
	assert_quarantined "$nic"
	must assert_rights "$one" ""
	disk_untouched

	step "a record of this boot, and an administrator who took the disk back by hand"
	stop_using_disk
	must pciassign attach one "$disk,seize=1"
	must guest until one 60 "test -b $block"
	kill_daemon
	must guest kill one
	must guest gone one 60
	must wait_taken_back "$one" "$disk"
	assert_equal "phase in the record" attached "$(jq -r .phase "$(record $journal "$disk")")"
	# To unbind it is not enough: Xen has it in quarantine. xl asks Xen, and unbinds.
	must xl pci-assignable-remove "$disk"
	echo >"/sys/bus/pci/devices/$disk/driver_override"
	echo "$disk" >/sys/bus/pci/drivers/nvme/bind
	use_disk
	start_daemon /host/logs/pciassignd-4.log
	wait_quiet 60
	disk_untouched
	assert_nothing_left "$one" "$disk"
	must guest start two --cfg 'passthrough="enabled"' --cfg 'e820_host=1'
	must pciassign attach two "$nic"
	guest_network two e1000e
	must pciassign detach two "$nic"
	disk_untouched
	stop_using_disk

	assert_dom0_unharmed
	echo "scenario-second-boot: PASS"
}

case $TESTBED_BOOT in
1) first_boot ;;
2) second_boot ;;
esac
