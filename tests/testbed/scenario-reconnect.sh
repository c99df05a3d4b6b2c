#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed-on-demand: edge cases of pvreconnect, minutes of waiting; driver-domains reconnects two dozen times
# testbed: --daemon off --timeout 900
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

# boot NAME [VCPUS]: a driver domain with the disk, in the background; `ready NAME` waits and makes its bridge. It has as many
# queues as it has virtual CPUs.
boot() {
	must guest start "$1" --no-wait --cfg "vcpus = ${2:-2}" \
		--cfg 'disk=["format=raw,vdev=xvda,access=rw,script=/etc/xen/scripts/block-ram,target=/dev/ram0"]'
}

ready() {
	must guest wait "$1"
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

must guest start app --no-wait --cfg 'vcpus = 2'
must guest start plain --cfg 'extra = "console=hvc0 panic=-1 testbed.name=plain testbed.front=ours testbed.reconnect=off"' --no-wait
for n in 1 2 3; do boot driver$n; done
must guest wait app
must guest wait plain
ready driver1

step "devices of a driver domain; the module comes with them and announces itself"
attach_net() {
	must xl network-attach "$1" backend=driver1 mac="$2"
	serve driver1 "$1" vif
	connected "$1" vif 0 driver1
	must guest until "$1" 30 'test -e /sys/class/net/eth0'
	must guest run "$1" "ip address add $3/24 dev eth0 && ip link set eth0 up"
	must guest until "$1" 30 'ping -c 1 -W 1 10.9.0.1 >/dev/null'
}
attach_net app 00:16:3e:00:00:01 10.9.0.2
attach_net plain 00:16:3e:00:00:02 10.9.0.3
must xl block-attach app 'format=raw,vdev=xvda,access=rw,backend=driver1,target=/dev/xvda'
serve driver1 app vbd
connected app vbd 51712 driver1
app=$(xl domid app)
announcement=/local/domain/$app/data/pciassign/reconnect
assert_equal "announcement" 1 "$(xenstore-read "$announcement")"
must wait_xenstore 1 "/local/domain/$(xl domid plain)/data/pciassign" gone
must guest run plain '! grep pvreconnect /proc/modules'
assert_equal "queues of network and disk" "2 2" \
	"$(xenstore-read "/local/domain/$app/device/vif/0/multi-queue-num-queues" "/local/domain/$app/device/vbd/51712/multi-queue-num-queues" | paste -sd ' ')"
# It waits for minutes below, as it should.
must guest run app 'echo 0 >/proc/sys/kernel/hung_task_timeout_secs'
must guest run app 'mkdir /disk && mount -t ext4 /dev/xvda /disk && cat /sys/class/net/eth0/ifindex >/run/ifindex'

# One record after another, each on the disk before it is said; beside it, blocks that keep the queue full.
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
cat >/run/bulk <<"END"
dd if=/dev/urandom of=/run/random bs=64k count=32 2>/dev/null
while :; do
	dd if=/run/random of=/disk/bulk bs=64k conv=fsync 2>/run/bulk.err || cp /run/bulk.err /run/failed
	echo 1 >/proc/sys/vm/drop_caches
	cmp /run/random /disk/bulk || echo "bulk: not what was written" >/run/failed
	rm /disk/bulk
	echo >>/run/rounds
done
END
sh /run/writer >/dev/null 2>&1 </dev/null &
sh /run/bulk >/dev/null 2>&1 </dev/null &'

# goes_on: both writers get on, after now.
goes_on() {
	local said rounds
	said=$(guest run app "cat /run/said 2>/dev/null || echo 0")
	rounds=$(guest run app "cat /run/rounds 2>/dev/null | wc -l")
	must guest until app 90 "test -e /run/failed || test \$(cat /run/said) -gt $said -a \$(wc -l </run/rounds) -gt $rounds"
	must guest run app '! cat /run/failed 2>/dev/null'
}

# whole: every record that was said is there; network and disk are the same devices as ever.
whole() {
	goes_on
	must guest until app 60 'ping -c 1 -W 1 10.9.0.1 >/dev/null'
	# shellcheck disable=SC2016 # the guest's shell expands it
	must guest run app 'set -e
		test "$(cat /sys/class/net/eth0/ifindex)" = "$(cat /run/ifindex)"
		ip -o address show dev eth0 | grep 10.9.0.2/24
		grep -q "^/dev/xvda /disk ext4 rw" /proc/mounts
		said=$(cat /run/said)
		echo 1 >/proc/sys/vm/drop_caches
		dd if=/disk/log bs=16 skip=1 count=$said 2>/dev/null | tr -d "\000" >/run/found
		seq 1 $said | sed "s/^/record /" | cmp - /run/found'
}

# replace OLD NEW
replace() {
	must xl destroy "$1"
	ready "$2"
	for guest in app plain; do give "$guest" vif 0 "$2"; done
	give app vbd 51712 "$2"
	follow "$2"
}

# follow NEW: what comes of it.
follow() {
	serve "$1" app vif vbd
	connected app vif 0 "$1"
	connected app vbd 51712 "$1"
	whole
}

step "two crashes: addresses, mounted file system and writers go on"
goes_on
replace driver1 driver2
boot driver4
replace driver2 driver3
boot driver5
boot narrow 1

step "a directory that was made anew is another device: it is left alone"
must guest run app 'dmesg -c >/dev/null'
ready driver4
must xl destroy driver3
guest_dir=/local/domain/$app/device/vbd/51712
must xenstore-rm "$guest_dir/reconnected"
mark=no give app vbd 51712 driver4
serve driver4 app vbd
give app vif 0 driver4
serve driver4 app vif
# Both go the same way: what has been done for the one would have been done for the other.
connected app vif 0 driver4
must guest run app '! dmesg | grep -E "vbd-51712: connects"'
assert_equal "state of the disk's front end" 1 "$(xenstore-read "$guest_dir/state")"

boot driver6

step "with the mark it follows, also when the module comes later"
must guest run app 'rmmod pvreconnect'
must wait_xenstore 5 "$announcement" gone
give app vbd 51712 driver4
serve driver4 app vbd
assert_equal "state of the disk's front end" 1 "$(xenstore-read "$guest_dir/state")"
must guest run app 'modprobe pvreconnect'
must wait_xenstore 5 "$announcement" == 1
follow driver4

# hasty DRIVER: app's disk begins to connect, and the domain does nothing more.
hasty() {
	must guest until "$1" 30 "test \"\$(xenstore-read backend/vbd/$app/51712/state)\" = 2"
	must xl pause "$1"
	must xenstore-write "/local/domain/$(xl domid "$1")/backend/vbd/$app/51712/physical-device" ca:0
	must wait_xenstore 20 "$guest_dir/state" == 3
}

step "two back ends that die before they connect; the module is loaded anew in between"
boot driver7
for n in 5 6; do
	ready driver$n
	must xl destroy driver$((n - 1))
	give app vif 0 driver$n
	give app vbd 51712 driver$n
	hasty driver$n
	must guest run app 'rmmod pvreconnect && modprobe pvreconnect'
done
must xl destroy driver6

step "one with fewer queues: blkfront would wait for itself, so it is refused"
ready narrow
give app vif 0 narrow
give app vbd 51712 narrow
serve narrow app vif vbd
connected app vif 0 narrow
must guest until app 20 'dmesg | grep "vbd-51712: the new back end has 1 queues, 2 are in use"'
assert_equal "state of the disk's front end" 1 "$(xenstore-read "$guest_dir/state")"

step "and after all that a sound one"
replace narrow driver7

step "a device that goes while it waits for its back end, and the module after it"
must xl pause plain
give app vif 0 plain
must xenstore-rm "/local/domain/$app/device/vif/0"
must guest until app 20 '! test -e /sys/class/net/eth0'
must guest run app 'rmmod pvreconnect'
must wait_xenstore 5 "$announcement" gone
must xl unpause plain
goes_on

step "the guest without the module was not disturbed"
must guest run plain 'ip -o address show dev eth0 | grep 10.9.0.3/24 && ! dmesg | grep -E "BUG|WARNING|Oops"'

echo "scenario-reconnect: PASS"
