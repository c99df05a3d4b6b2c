#!/usr/bin/env bash
#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed-on-demand: times of starts beside a bare kernel, which want a quiet machine; driver-domains makes the same images
# testbed: --timeout 420 --memory 3584
#
# The images of driver domains: how large they are, that they boot to ready in about the time of a bare kernel, and that
# `pciassign domain` makes, starts, stops and removes them.
. /usr/share/pciassign-tests/lib.sh

kernel=/usr/lib/pciassign-testbed/vmlinux
domains=/var/lib/pciassign/domains
rounds=${ROUNDS:-3}

# json COMMAND...: the result of a command with --json, after a look at its status.
json() {
	local answer
	answer=$("$@" --json) || fail "$*: $answer"
	jq --compact-output .result <<<"$answer"
}

step "made, not started"
must_fail 4 pciassign domain create net2 --class net --device 00:05.0 --kernel "$kernel" --no-start
net=$(json pciassign domain create net1 --class net --device 00:04.0 --kernel "$kernel" --no-start) || exit
block=$(json pciassign domain create disk1 --class block --device 00:05.0 --kernel "$kernel" --no-start) || exit
for made in "$net" "$block"; do
	name=$(jq -r .name <<<"$made") size=$(jq .image.initramfs_bytes <<<"$made")
	echo "$name: initramfs $size bytes: $(jq -r '.image.modules | join(" ")' <<<"$made")"
	((size < 16 * 1024 * 1024)) || fail "the image of $name is larger than 16 MiB"
	assert_equal "the kernel's content" "$(sha256sum <$kernel)" "$(sha256sum <"$domains/$name/kernel")"
done
assert_equal "modules of the network image" pcifront,e1000e,xen_gntdev,xen_netback,llc,stp,bridge "$(jq -r '.image.modules | join(",")' <<<"$net")"
assert_match "modules of the block image" '(^|,)nvme_core,nvme,xen_gntdev,xen_blkback$' "$(jq -r '.image.modules | join(",")' <<<"$block")"
must_fail 5 pciassign domain create net1 --class net --device 00:03.0 --kernel "$kernel" --no-start
must_fail 5 pciassign domain create net2 --class net --device 00:04.0 --kernel "$kernel" --no-start
must_fail 3 pciassign domain create net2 --class net --device 00:03.0,allow=no-reset --no-start
assert_equal "directories" "disk1 net1" "$(find $domains -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs)"

# Only the daemon's attaching is wanted here, not its supervision: the same files, as ordinary domains.
copies=/tmp/domains
cp -a $domains $copies
sed -i "s|\"$domains/|\"$copies/|" $copies/*/domain.cfg
must pciassign domain remove disk1
must pciassign domain remove net1
must pciassign assign net1 00:04.0
must pciassign assign disk1 00:05.0

# The same kernel with a first process that switches off at once.
step "a bare kernel to compare with"
mkdir -p /tmp/bare/bin
cp /bin/busybox /tmp/bare/bin/
printf '#!/bin/busybox sh\n/bin/busybox poweroff -f\n' >/tmp/bare/init
chmod +x /tmp/bare/init
(cd /tmp/bare && find . | busybox cpio -o -H newc) >/tmp/bare.cpio 2>/dev/null
sed -e 's|^name = .*|name = "bare"|; s|^ramdisk = .*|ramdisk = "/tmp/bare.cpio"|; /passthrough/d; /e820_host/d' $copies/net1/domain.cfg >/tmp/bare.cfg

now() { echo "${EPOCHREALTIME/./}"; }

# Times in ms from xl create; the domain is gone afterwards.
to_power_off() {
	local began events
	coproc EVENTS { exec timeout 60 xenstore-watch @releaseDomain 2>/dev/null; }
	events=$EVENTS_PID
	read -r -t 60 <&"${EVENTS[0]}"
	began=$(now)
	must xl create -q -e /tmp/bare.cfg
	read -r -t 60 <&"${EVENTS[0]}" || fail "the bare kernel did not end"
	echo $((($(now) - began) / 1000))
	kill "$events" && wait "$events" 2>/dev/null
	must xl destroy bare
}

to_ready() {
	local began domid
	began=$(now)
	must xl create -q -e "$copies/$1/domain.cfg"
	domid=$(xl domid "$1") || fail "no $1"
	wait_xenstore 60 "/local/domain/$domid/data/pciassign/state" == ready ||
		fail "$1 is not ready: $(xenstore-ls "/local/domain/$domid/data")"
	echo $((($(now) - began) / 1000))
	must xl destroy "$1"
	must wait_xenstore 30 "/local/domain/$domid" gone
}

median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

step "from xl create to ready"
bare=() net_times=() block_times=()
for ((round = 0; round < rounds; ++round)); do
	bare+=("$(to_power_off)") || exit
	net_times+=("$(to_ready net1)") || exit
	block_times+=("$(to_ready disk1)") || exit
done
echo "bare ${bare[*]} ms; net ${net_times[*]} ms; block ${block_times[*]} ms"
base=$(median "${bare[@]}")
for kind in net block; do
	declare -n times=${kind}_times
	ratio=$(($(median "${times[@]}") * 100 / base))
	echo "$kind: ready after $ratio % of a bare kernel's time"
	((ratio <= 200)) || fail "an image takes far longer than a bare kernel"
done

step "one whose life the daemon watches"
must pciassign unassign disk1
must pciassign unassign net1
must pciassign domain create net1 --class net --device 00:04.0 --kernel "$kernel"
assert_equal "state" ready "$(json pciassign domain show net1 | jq -r .state)"
must pciassign domain list
must pciassign domain show net1
must pciassign domain stop net1
assert_equal "state" stopped "$(json pciassign domain show net1 | jq -r .state)"
must pciassign domain start net1
assert_equal "state" ready "$(json pciassign domain list | jq -r '.domains[0].state')"
must pciassign domain remove net1
assert_equal "left over" "" "$(find /etc/pciassign/domains.d $domains -mindepth 1 2>/dev/null)"
assert_equal "domains" Domain-0 "$(xl list | awk 'NR > 1 { print $1 }' | xargs)"
assert_equal "the device" reserved "$(json pciassign show 00:04.0 | jq -r .state)"
