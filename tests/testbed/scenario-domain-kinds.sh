#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed-on-demand: other kinds of driver domains; driver-domains has a bridge and a whole disk
# testbed: --back ours --front ours --daemon on --timeout 900 --memory 3584 --disk agent=64 --device nvme,serial=agent,drive=agent,addr=0x6
# testbed: --dom0-arg 'pciback.hide=(0000:00:03.0)(0000:00:04.0)(0000:00:05.0)(0000:00:06.0)'
#
# Driver domains as `pciassign domain create` makes them that route instead of bridging, and that export a partition, a file
# and a logical volume: each serves a guest, panics, and its successor serves the guest in place.
# shellcheck disable=SC2034,SC2154 # what driver-domains.sh and agent.sh read and set
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/agent.sh
. /usr/share/pciassign-tests/driver-domains.sh
dd_device[disk1]=0000:00:06.0

step "the disk: a file system with an image, a partition for a guest, one with a volume"
make_agent_disk

step "a router, and a domain with all that a disk can hold"
must guest start one --timeout 180
take_hang_module one
make_driver_domain net1 --mode route --address 10.0.2.9/24 --gateway 10.0.2.2
make_driver_domain disk1 --volumes --mount /dev/nvme0n1p1:/srv:ext4
for name in net1 disk1; do assert_its_rights "$name"; done

step "a guest gets an interface with a route, a partition, a file and a volume"
must xl network-attach one mac=00:16:3e:00:00:01 backend=net1 ip=10.0.2.20
for where in xvda=/dev/nvme0n1p2 xvdb=/srv/image xvdc=/dev/vg/lv; do
	must xl block-attach one "format=raw,vdev=${where%=*},access=rw,backend=disk1,target=${where#*=}"
	must guest until one 60 "test -b /dev/${where%=*}"
done
network_up one 10.0.2.20
follows one
write() { # BYTE: a megabyte of it to each disk
	must guest run one "for name in xvda xvdb xvdc; do head -c 1048576 /dev/zero | tr '\\0' '$1' | dd of=/dev/\$name bs=64k conv=fsync 2>/dev/null || exit 1; done"
}
check() { # BYTE: in the guest, read from the disks
	must guest run one "echo 3 >/proc/sys/vm/drop_caches
		for name in xvda xvdb xvdc; do
		test \$(dd if=/dev/\$name bs=64k count=16 2>/dev/null | tr -dc '$1' | wc -c) = 1048576 || { echo \$name; exit 1; }; done"
}
write a
check a

step "both panic; their successors serve the guest where it is"
begin_ping one
both panic
assert_recovered net1 disk1
wait_served 120 one vif net1 || fail "the interface of one is not served again"
for devid in 51712 51728 51744; do
	path=/local/domain/$(xl domid one)/device/vbd/$devid
	wait_xenstore 120 "$path/backend-id" == "${dd_id[disk1]}" || fail "vbd $devid does not get its new back end"
	wait_xenstore 120 "$path/state" == 4 || fail "vbd $devid is not served again"
done
answered one 60
printf '   longest time without an answer: %s s\n' "$(end_ping one)"
check a
write b
check b

step "what the guest wrote last is on the disk"
end_guests one
for name in net1 disk1; do must pciassign domain remove "$name"; done
assert_equal "bytes in the partition" 1048576 "$(dd if="$file" bs=512 skip="$second" count=2048 status=none | tr -dc b | wc -c)"
assert_equal "bytes in the volume" 1048576 "$(dd if="$file" bs=512 skip=$((third + 2048)) count=2048 status=none | tr -dc b | wc -c)"
at_once assert_quarantined "${dd_device[@]}"
assert_dom0_unharmed
echo "scenario-domain-kinds: PASS"
