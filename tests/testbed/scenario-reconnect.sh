#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --daemon off
#
# pvreconnect: a guest's network and block devices go on, where they are, behind another back end. The driver domains here
# are plain guests whose back ends are set up by hand; dom0's part is what libpciassign's reconnect() does.
. /usr/share/pciassign-tests/lib.sh

# --- dom0's disk, which all driver domains have one after another

# The size is in KiB. What is on it outlives them.
must modprobe brd rd_nr=1 rd_size=65536
must modprobe xen-blkback
must mke2fs -q -t ext4 /dev/ram0
cat >/etc/xen/scripts/block-ram <<'SCRIPT'
#!/bin/sh
[ "$1" = add ] || exit 0
xenstore-write "$XENBUS_PATH/physical-device" 1:0 "$XENBUS_PATH/hotplug-status" connected
SCRIPT
chmod 755 /etc/xen/scripts/block-ram

# start_driver NAME: a driver domain with a bridge and the disk.
start_driver() {
	must guest start "$1" --cfg 'disk=["format=raw,vdev=xvda,access=rw,script=/etc/xen/scripts/block-ram,target=/dev/ram0"]'
	must guest run "$1" 'modprobe -a xen-netback xen-blkback bridge && ip link add xenbr0 type bridge &&
		ip address add 10.9.0.1/24 dev xenbr0 && ip link set xenbr0 up'
	must guest until "$1" 30 'test -e /dev/xvda'
}

# serve NAME GUEST [vif] [vbd]: what the agent does there for GUEST's devices 0 and xvda.
serve() {
	local driver=$1 guest
	guest=$(xl domid "$2")
	shift 2
	case " $* " in *' vif '*)
		must guest until "$driver" 30 "test -e /sys/class/net/vif$guest.0"
		must guest run "$driver" "ip link set vif$guest.0 master xenbr0 up &&
			xenstore-write backend/vif/$guest/0/hotplug-status connected"
		;;
	esac
	case " $* " in *' vbd '*)
		must guest until "$driver" 30 "xenstore-exists backend/vbd/$guest/51712/feature-max-indirect-segments"
		must guest run "$driver" "xenstore-write backend/vbd/$guest/51712/physical-device ca:0"
		;;
	esac
}

# --- dom0's part

copy_node() { xenstore-write "$2/$1" "$(xenstore-read "$3/$1")"; }

# give GUEST KIND DEVID DRIVER: as reconnect() does it, only that the tools have no transactions: each side's trigger is written last.
give() {
	local guest driver kind=$2 devid=$3 record front back node
	guest=$(xl domid "$1") driver=$(xl domid "$4")
	record=/libxl/$guest/device/$kind/$devid front=/local/domain/$guest/device/$kind/$devid
	back=/local/domain/$driver/backend/$kind/$guest/$devid
	xenstore-rm "$back" 2>/dev/null
	must xenstore-write "$back" ""
	must xenstore-chmod "$back" "n$driver" "r$guest"
	must xenstore-write "$back/frontend" "$front"
	for node in $(xenstore-list "$record"); do
		case $node in backend | frontend | state) ;; *) must copy_node "$node" "$back" "$record" ;; esac
	done
	for node in $(xenstore-list "$front"); do
		case $node in *ring-ref* | event-channel* | queue-* | multi-queue-num-queues) xenstore-rm "$front/$node" ;; esac
	done
	must xenstore-chmod -r "$front" "n$guest" "r$driver"
	must xenstore-write "$front/state" 1 "$front/backend" "$back" "$record/backend" "$back"
	must xenstore-write "$back/state" 1
	reconnections=$((${reconnections:-0} + 1))
	[[ ${mark:-yes} == no ]] || must xenstore-write "$front/reconnected" "$reconnections"
	must xenstore-write "$front/backend-id" "$driver"
}

# connected GUEST KIND DEVID DRIVER
connected() {
	local guest driver
	guest=$(xl domid "$1") driver=$(xl domid "$4")
	must wait_xenstore 20 "/local/domain/$driver/backend/$2/$guest/$3/state" == 4
	must wait_xenstore 20 "/local/domain/$guest/device/$2/$3/state" == 4
}

# --- the guests

must guest start app --no-wait
must guest start plain --cfg 'extra = "console=hvc0 panic=-1 testbed.name=plain testbed.front=ours testbed.reconnect=off"' --no-wait
start_driver driver1
must guest wait app
must guest wait plain

step "devices of a driver domain; the module comes with them and announces itself"
attach() {
	must xl network-attach "$1" backend=driver1 mac="$2"
	serve driver1 "$1" vif
	connected "$1" vif 0 driver1
	must guest until "$1" 30 'test -e /sys/class/net/eth0'
	must guest run "$1" "ip address add $3/24 dev eth0 && ip link set eth0 up"
	must guest until "$1" 30 'ping -c 1 -W 1 10.9.0.1 >/dev/null'
}
attach app 00:16:3e:00:00:01 10.9.0.2
attach plain 00:16:3e:00:00:02 10.9.0.3
must xl block-attach app 'format=raw,vdev=xvda,access=rw,backend=driver1,target=/dev/xvda'
serve driver1 app vbd
connected app vbd 51712 driver1
app=$(xl domid app)
assert_equal "announcement" 1 "$(xenstore-read "/local/domain/$app/data/pciassign/reconnect")"
must wait_xenstore 1 "/local/domain/$(xl domid plain)/data/pciassign" gone
must guest run plain '! grep pvreconnect /proc/modules'
must guest run app 'mkdir /disk && mount -t ext4 /dev/xvda /disk && cat /sys/class/net/eth0/ifindex >/run/ifindex'

# One record after another, each on the disk before it is said.
# shellcheck disable=SC2016 # the guest's shell expands it
must guest run app 'cat >/run/writer <<"END"
n=0
while :; do
	n=$((n + 1))
	echo "record $n" | dd of=/disk/log bs=16 seek=$n conv=sync,notrunc,fsync 2>/run/writer.err || {
		cp /run/writer.err /run/failed
		exit 1
	}
	echo $n >/run/said.new
	mv /run/said.new /run/said
done
END
sh /run/writer >/dev/null 2>&1 </dev/null &'

# goes_on: the writer says another record, after now.
goes_on() {
	local was
	was=$(guest run app "cat /run/said 2>/dev/null || echo 0")
	must guest until app 60 "test \$(cat /run/said) -gt $was && ! test -e /run/failed"
}

# whole: every record that was said is there; network and disk are the same devices as ever.
whole() {
	goes_on
	must guest until app 60 'ping -c 1 -W 1 10.9.0.1 >/dev/null'
	# shellcheck disable=SC2016 # the guest's shell expands it
	must guest run app 'set -e
		test "$(cat /sys/class/net/eth0/ifindex)" = "$(cat /run/ifindex)"
		ip -o address show dev eth0 | grep -q 10.9.0.2/24
		grep -q "^/dev/xvda /disk ext4 rw" /proc/mounts
		said=$(cat /run/said) n=0
		echo 3 >/proc/sys/vm/drop_caches
		dd if=/disk/log bs=16 skip=1 count=$said 2>/dev/null | tr -d "\000" >/run/found
		while [ $n -lt $said ]; do n=$((n + 1)); echo "record $n"; done | cmp - /run/found'
}

replace() {
	local old=$1 new=$2
	must xl destroy "$old"
	start_driver "$new"
	for guest in app plain; do give "$guest" vif 0 "$new"; done
	give app vbd 51712 "$new"
	serve "$new" app vif vbd
	connected app vif 0 "$new"
	connected app vbd 51712 "$new"
}

step "three crashes: address, mounted file system and writer go on"
goes_on
last=driver1
for n in 2 3 4; do
	replace "$last" "driver$n"
	last=driver$n
	whole
done

step "a guest without the module: not disturbed, not reconnected"
must guest run plain 'ip -o address show dev eth0 | grep -q 10.9.0.3/24 && ! dmesg | grep -E "BUG|WARNING|Oops"'

echo "scenario-reconnect: PASS"
