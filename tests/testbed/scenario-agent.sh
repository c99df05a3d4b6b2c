#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed-on-demand: fifteen steps of the agent alone; driver-domains uses it for all that it serves
# testbed: --back ours --front ours --daemon on --timeout 900 --disk agent=64 --device nvme,serial=agent,drive=agent,addr=0x6
# testbed: --qemu '-netdev user,id=net7 -device e1000e,netdev=net7,addr=7'
# testbed: --dom0-arg 'pciback.hide=(0000:00:03.0)(0000:00:04.0)(0000:00:05.0)(0000:00:06.0)(0000:00:07.0)'
#
# The agent in driver domains made by hand: networks and disks for ordinary guests by ordinary xl commands.
# shellcheck disable=SC2154 # what make_agent_disk sets
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/agent.sh

nic=0000:00:04.0
disk=0000:00:06.0
other_nic=0000:00:07.0

# quickly COMMAND...: it ends well before any of libxl's time limits, which are 10 s each.
quickly() {
	local begin=$SECONDS
	must "$@"
	((SECONDS - begin < 8 * TESTBED_SLOW)) || fail "$((SECONDS - begin)) s: $*"
}
# attach_vif GUEST BACKEND NUMBER [WORD]...: a network device; the last byte of its address is NUMBER.
attach_vif() { must xl network-attach "$1" "backend=$2" "mac=00:16:3e:00:00:0$3" "${@:4}"; }
attach_vbd() { must xl block-attach "$1" "backend=$2,vdev=$3,format=raw,target=$4"; }
# await_connected DIRECTORY: of a device that is to work.
await_connected() {
	must wait_xenstore 20 "$1/hotplug-status" == connected
	must wait_xenstore 20 "$1/state" == 4
	assert_equal "error of $1" "" "$(xenstore-read "$1/hotplug-error" 2>/dev/null)"
}
# await_refused DIRECTORY REGEX: of a device that is refused with such words.
await_refused() {
	must wait_xenstore 20 "$1/hotplug-status" == error
	assert_match "error of $1" "$2" "$(xenstore-read "$1/hotplug-error")"
}
# address GUEST MAC-NUMBER ADDRESS
address() {
	must guest until "$1" 20 "grep -l 00:16:3e:00:00:0$2 /sys/class/net/*/address"
	must guest run "$1" "
		name=\$(basename \$(dirname \$(grep -l 00:16:3e:00:00:0$2 /sys/class/net/*/address)))
		ip link set \$name up
		ip addr replace $3 dev \$name"
}
reaches() { must guest run "$1" "ping -q -c 2 -i 0.2 -W 20 $2"; }

step "the disk: a file system with an image, a partition for a guest, one with a volume"
make_agent_disk

step "driver domains without their devices wait"
must agent_image net net "pcifront e1000e bridge xen-netback" '[net]
bridge = "xenbr0"'
must agent_image router net "pcifront e1000e xen-netback" '[net]
mode = "route"
address = "10.0.2.9/24"'
must agent_image disks block "pcifront nvme crc32c_generic ext4 loop dm-mod xen-blkback" '[block]
volumes = true
[[block.mount]]
device = "/dev/nvme0n1p1"
at = "/srv"
type = "ext4"' /sbin/lvm
begin=$(cut -d ' ' -f 1 /proc/uptime)
must agent_start net
must agent_state net 60 waiting
echo "created until waiting: $(awk -v a="$begin" -v b="$(cut -d ' ' -f 1 /proc/uptime)" 'BEGIN { print b - a }') s"
must agent_start router
must agent_start disks
must guest start one --no-wait
must guest start two
must guest wait one
must agent_state router 60 waiting
must agent_state disks 60 waiting
for guest in one two; do must guest run "$guest" "modprobe -a xen-netfront xen-blkfront"; done
assert_match "version" '^[0-9]' "$(xenstore-read "$(agent_data net)/agent")"

step "its heart beats"
beat=$(xenstore-read "$(agent_data net)/heartbeat")
must wait_xenstore 10 "$(agent_data net)/heartbeat" == $((beat + 2))

step "a guest gets an interface before the NIC is there"
quickly attach_vif one net 1 bridge=xenbr0
await_connected "$(backend net vif one 0)"

step "the NIC comes: the domain is ready, and the guest's packets go out by it"
must pciassign attach net "$nic"
must agent_state net 60 ready
address one 1 10.0.2.15/24
reaches one 10.0.2.2
must wait_xenstore 20 "$(agent_data net)/traffic/vif-$(xl domid one)-0" == 1

step "a bridge that is not there is an error with words; an MTU that it asks for is set"
attach_vif one net 2 bridge=nowhere
await_refused "$(backend net vif one 1)" "no bridge nowhere"
quickly xl network-detach one 1
attach_vif one net 2 bridge=xenbr0 mtu=1400
await_connected "$(backend net vif one 1)"

step "two guests on the bridge reach each other"
attach_vif two net 3 bridge=xenbr0
address two 3 10.0.2.16/24
reaches two 10.0.2.15

step "detached: quick, and nothing is left"
quickly xl network-detach one 1
must wait_xenstore 5 "$(backend net vif one 1)" gone
quickly xl network-detach one 0
quickly xl network-detach two 0
assert_no_devices net vif

step "a routed guest: its address is reached through the NIC"
attach_vif one router 4 ip=10.0.2.20
must pciassign attach router "$other_nic"
must agent_state router 60 ready
await_connected "$(backend router vif one 0)"
address one 4 10.0.2.20/24
reaches one 10.0.2.2
quickly xl network-detach one 0
assert_no_devices router vif

step "the agent as a service of an administrator's own image; guests go on while it is not there"
must guest run two "modprobe -a bridge xen-netback"
own='class = "net"
[net]
address = "10.9.9.1/24"'
must agent_service two "$own"
must agent_state two 20 waiting
attach_vif one two 5
await_connected "$(backend two vif one 0)"
address one 5 10.9.9.2/24
reaches one 10.9.9.1
must agent_service_stop two
must agent_state two 20 stopping
reaches one 10.9.9.1
must agent_service two "$own"
must agent_state two 20 waiting
assert_equal "state of the device" 4 "$(xenstore-read "$(backend two vif one 0)/state")"
quickly xl network-detach one 0
assert_no_devices two vif
must agent_service_stop two
must agent_state two 20 stopping

step "a disk that is not there yet is waited for"
quickly attach_vbd one disks xvdb /dev/nvme0n1p2
quickly attach_vbd one disks xvdc /srv/image
quickly attach_vbd one disks xvdd /dev/vg/lv
must pciassign attach disks "$disk"
must agent_state disks 60 ready
for devid in 51728 51744 51760; do await_connected "$(backend disks vbd one $devid)"; done
assert_equal "the partition" /dev/nvme0n1p2 "$(xenstore-read "$(backend disks vbd one 51728)/physical-device-path")"
assert_equal "the file" /dev/loop0 "$(xenstore-read "$(backend disks vbd one 51744)/physical-device-path")"

step "what the guest writes is on the disk"
must dd if=/dev/urandom of=/run/random bs=64k count=16 status=none
for device in xvdb:51728 xvdc:51744 xvdd:51760; do
	name=${device%:*}
	must guest until one 20 "test -b /dev/$name"
	must guest run -i one "cat >/tmp/random && dd if=/tmp/random of=/dev/$name bs=64k conv=fsync 2>/dev/null" </run/random
	must wait_xenstore 20 "$(agent_data disks)/traffic/vbd-$(xl domid one)-${device#*:}" == 1
done
dd if="$file" bs=512 skip="$second" count=2048 status=none | cmp - /run/random || fail "the partition's content"
dd if="$file" bs=512 skip=$((third + 2048)) count=2048 status=none | cmp - /run/random || fail "the volume's content"

step "two guests cannot write to one medium"
vbd=$(backend disks vbd two 51728)
for target in /dev/nvme0n1p2 /srv/image /dev/vg/lv; do
	attach_vbd two disks xvdb "$target"
	await_refused "$vbd" "$target is in use by guest"
	quickly xl block-detach two 51728
done
attach_vbd two disks xvdb /dev/nvme0n1p1
await_refused "$vbd" "is mounted, or part of a volume"
quickly xl block-detach two 51728

step "refused until the other one lets go"
attach_vbd two disks xvdb /srv/image
await_refused "$vbd" "in use"
quickly xl block-detach one 51744
await_connected "$vbd"
assert_equal "its loop device was free again" /dev/loop0 "$(xenstore-read "$vbd/physical-device-path")"
must guest run two "dd if=/dev/xvdb bs=64k count=16 2>/dev/null | sha256sum" >/run/sum
assert_equal "the file's content" "$(sha256sum </run/random)" "$(</run/sum)"

step "a guest with an interface and a disk is destroyed: quick, and nothing is left"
attach_vif two net 6 bridge=xenbr0
await_connected "$(backend net vif two 0)"
quickly guest kill two
must guest gone two 30
assert_no_devices net vif
quickly xl block-detach one 51728
quickly xl block-detach one 51760
assert_no_devices disks vbd

step "a clean stop while a guest writes: all is on the disk, the file system is clean"
attach_vbd one disks xvdc /srv/image
must guest until one 20 "test -b /dev/xvdc"
must guest run one "dd if=/dev/zero of=/dev/xvdc bs=64k count=16 conv=fsync 2>/dev/null
	(while dd if=/dev/urandom of=/dev/xvdc bs=64k seek=32 count=16 conv=fsync; do :; done) >/dev/null 2>&1 &"
must xl shutdown -w disks >/dev/null
must dd if="$file" of=/run/ext4 bs=1M skip=1 count=24 status=none
features=$(dumpe2fs -h /run/ext4 2>/dev/null)
assert_match "the file system" 'Filesystem state: *clean' "$features"
[[ $features != *needs_recovery* ]] || fail "the journal was not finished"
must e2fsck -fn /run/ext4 >/dev/null 2>&1
must debugfs -R 'dump image /run/image' /run/ext4 >/dev/null 2>&1
head -c 1M /run/image | cmp - <(head -c 1M /dev/zero) || fail "what the guest had written is not in the image"
for name in net router; do must xl shutdown -w "$name" >/dev/null; done
must guest kill one
echo "scenario-agent: PASS"
