#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back ours --front ours --daemon on --disk agent=64 --device nvme,serial=agent,drive=agent,addr=0x6
# testbed: --dom0-arg 'pciback.hide=(0000:00:03.0)(0000:00:04.0)(0000:00:05.0)(0000:00:06.0)'
#
# The agent in driver domains made by hand: networks and disks for ordinary guests by ordinary xl commands.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/agent.sh

nic=0000:00:04.0
disk=0000:00:06.0
file=/host/agent.disk

seconds() { cut -d . -f 1 /proc/uptime; }
# quickly WHAT COMMAND...: it ends well before any of libxl's time limits, which are 10 s each.
quickly() {
	local what=$1 begin
	shift
	begin=$(seconds)
	must "$@"
	(($(seconds) - begin < 8 * TESTBED_SLOW)) || fail "$what took $(($(seconds) - begin)) s"
}

step "the disk: a partition with a file system for images, another one for a guest"
must sgdisk --zap-all --new 1:2048:+24M --new 2:0:+16M "$file" >/dev/null
second=$(sgdisk --info 2 "$file" | awk '/First sector/ { print $3 }')
truncate -s 24M /run/ext4
truncate -s 8M /run/image
must mke2fs -q -t ext4 /run/ext4
must debugfs -w -R 'write /run/image image' /run/ext4 >/dev/null 2>&1
must dd if=/run/ext4 of="$file" bs=1M seek=1 conv=notrunc status=none

step "a driver domain without its device waits"
must agent_image net net "pcifront e1000e bridge xen-netback" '[net]
bridge = "xenbr0"'
must agent_image disks block "pcifront nvme crc32c_generic ext4 loop xen-blkback" '[[block.mount]]
device = "/dev/nvme0n1p1"
at = "/srv"
type = "ext4"'
ls -l /run/*.cpio
begin=$(cut -d ' ' -f 1 /proc/uptime)
must agent_start net
must agent_state net 60 waiting
echo "created until waiting: $(awk -v a="$begin" -v b="$(cut -d ' ' -f 1 /proc/uptime)" 'BEGIN { print b - a }') s"
assert_match "version" '^[0-9]' "$(xenstore-read "$(agent_data net)/agent")"
must agent_start disks
must guest start one
must agent_state disks 60 waiting
must guest run one "modprobe -a xen-netfront xen-blkfront"

step "its heart beats"
beat=$(xenstore-read "$(agent_data net)/heartbeat")
must wait_xenstore 10 "$(agent_data net)/heartbeat" == $((beat + 2))

step "a guest gets an interface before the NIC is there"
quickly "network-attach" xl network-attach one mac=00:16:3e:00:00:01 bridge=xenbr0 backend=net
vif=$(backend net vif one 0)
must wait_xenstore 20 "$vif/hotplug-status" == connected
must wait_xenstore 20 "$vif/state" == 4
assert_equal "error" "" "$(xenstore-read "$vif/hotplug-error" 2>/dev/null)"

step "the NIC comes: the domain is ready, and the guest's packets go out by it"
must pciassign attach net "$nic"
must agent_state net 60 ready
must guest until one 20 "test -d /sys/class/net/eth0"
must guest run one "
	ip link set eth0 up
	ip addr replace 10.0.2.15/24 dev eth0
	ping -c 2 -i 0.2 -W 20 10.0.2.2"
must wait_xenstore 20 "$(agent_data net)/traffic/vif-$(xl domid one)-0" == 1

step "a bridge that is not there is an error with words; an MTU that it asks for is set"
must xl network-attach one mac=00:16:3e:00:00:02 bridge=nowhere backend=net
must wait_xenstore 20 "$(backend net vif one 1)/hotplug-status" == error
assert_match "error" "no bridge nowhere" "$(xenstore-read "$(backend net vif one 1)/hotplug-error")"
quickly "network-detach of what never worked" xl network-detach one 1
must xl network-attach one mac=00:16:3e:00:00:02 bridge=xenbr0 mtu=1400 backend=net
must wait_xenstore 20 "$(backend net vif one 1)/state" == 4
assert_equal "status" connected "$(xenstore-read "$(backend net vif one 1)/hotplug-status")"

step "two guests on the bridge reach each other"
must guest start two
must guest run two "modprobe -a xen-netfront xen-blkfront"
must xl network-attach two mac=00:16:3e:00:00:03 bridge=xenbr0 backend=net
must guest until two 20 "test -d /sys/class/net/eth0"
must guest run two "ip link set eth0 up; ip addr replace 10.0.2.16/24 dev eth0; ping -c 2 -i 0.2 -W 20 10.0.2.15"

step "detached and destroyed: quick, and nothing is left"
quickly "network-detach" xl network-detach one 1
must wait_xenstore 5 "$(backend net vif one 1)" gone
quickly "network-detach" xl network-detach one 0
quickly "destroy" guest kill two
must guest gone two 30
must assert_no_devices net vif

step "a disk that is not there yet is waited for"
quickly "block-attach" xl block-attach one backend=disks,vdev=xvdb,format=raw,target=/dev/nvme0n1p2
quickly "block-attach of a file" xl block-attach one backend=disks,vdev=xvdc,format=raw,target=/srv/image
part=$(backend disks vbd one 51728) image=$(backend disks vbd one 51744)
must pciassign attach disks "$disk"
must agent_state disks 60 ready
for vbd in "$part" "$image"; do
	must wait_xenstore 20 "$vbd/hotplug-status" == connected
	must wait_xenstore 20 "$vbd/state" == 4
done
assert_equal "the partition" /dev/nvme0n1p2 "$(xenstore-read "$part/physical-device-path")"
assert_equal "the file" /dev/loop0 "$(xenstore-read "$image/physical-device-path")"

step "what the guest writes is on the disk"
must dd if=/dev/urandom of=/run/random bs=64k count=16 status=none
for device in xvdb:51728 xvdc:51744; do
	name=${device%:*}
	must guest until one 20 "test -b /dev/$name"
	must guest run -i one "cat >/tmp/random && dd if=/tmp/random of=/dev/$name bs=64k conv=fsync 2>/dev/null" </run/random
	must wait_xenstore 20 "$(agent_data disks)/traffic/vbd-$(xl domid one)-${device#*:}" == 1
done
dd if="$file" bs=512 skip="$second" count=2048 status=none | cmp - /run/random || fail "the partition's content"

step "two guests cannot write to one disk"
must guest start two
must guest run two "modprobe xen-blkfront"
for target in /dev/nvme0n1p2 /srv/image; do
	must xl block-attach two "backend=disks,vdev=xvdb,format=raw,target=$target"
	must wait_xenstore 20 "$(backend disks vbd two 51728)/hotplug-status" == error
	assert_match "error" "$target is in use by guest" "$(xenstore-read "$(backend disks vbd two 51728)/hotplug-error")"
	quickly "block-detach of what never worked" xl block-detach two 51728
done
must xl block-attach two "backend=disks,vdev=xvdb,format=raw,target=/dev/nvme0n1p1"
must wait_xenstore 20 "$(backend disks vbd two 51728)/hotplug-status" == error
assert_match "error" "mounted" "$(xenstore-read "$(backend disks vbd two 51728)/hotplug-error")"
must xl block-detach two 51728

step "refused until the other one lets go"
must xl block-attach two "backend=disks,vdev=xvdb,format=raw,target=/srv/image"
must wait_xenstore 20 "$(backend disks vbd two 51728)/hotplug-status" == error
quickly "block-detach" xl block-detach one 51744
must wait_xenstore 20 "$(backend disks vbd two 51728)/state" == 4
assert_equal "its loop device was free again" /dev/loop0 "$(xenstore-read "$(backend disks vbd two 51728)/physical-device-path")"
must guest run two "dd if=/dev/xvdb bs=64k count=16 2>/dev/null | sha256sum" >/run/sum
assert_equal "the file's content" "$(sha256sum </run/random)" "$(</run/sum)"
quickly "destroy" guest kill two
must guest gone two 30
quickly "block-detach" xl block-detach one 51728
must assert_no_devices disks vbd

step "a clean stop while a guest writes: all is on the disk, the file system is clean"
must xl block-attach one backend=disks,vdev=xvdc,format=raw,target=/srv/image
must guest until one 20 "test -b /dev/xvdc"
must guest run one "dd if=/dev/zero of=/dev/xvdc bs=64k count=16 conv=fsync 2>/dev/null
	(while dd if=/dev/urandom of=/dev/xvdc bs=64k seek=32 count=16 conv=fsync; do :; done) >/dev/null 2>&1 &"
must xl shutdown -w disks
must dd if="$file" of=/run/ext4 bs=1M skip=1 count=24 status=none
assert_match "the file system" 'Filesystem state: *clean' "$(dumpe2fs -h /run/ext4 2>/dev/null)"
[[ $(dumpe2fs -h /run/ext4 2>/dev/null) != *needs_recovery* ]] || fail "the journal was not finished"
must debugfs -R 'dump image /run/image' /run/ext4 >/dev/null 2>&1
head -c 1M /run/image | cmp - <(head -c 1M /dev/zero) || fail "what the guest had written is not in the image"
must e2fsck -fn /run/ext4 >/dev/null

step "the network's domain stops as well"
must xl shutdown -w net
must guest kill one
echo "scenario-agent: PASS"
