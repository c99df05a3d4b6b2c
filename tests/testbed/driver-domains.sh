# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Driver domains and the guests that use them: making both, work that runs through a recovery (pings, a transfer by
# TCP, records written with fsync), ways to fail, and what must be true afterwards. After lib.sh and rights.sh.
kernel=/usr/lib/pciassign-testbed/vmlinux
declare -A dd_device=([net1]=0000:00:04.0 [disk1]=0000:00:05.0)
declare -A dd_class=([net1]=net [disk1]=block)
declare -A dd_gsi dd_id

# make_driver_domain NAME OPTION...: created by pciassign and ready. It may be made to panic or hang by SysRq.
make_driver_domain() {
	local name=$1 device=${dd_device[$1]}
	shift
	mkdir -p /run/testbed-guests
	touch "/run/testbed-guests/$name.may-complain" "/run/testbed-guests/$name-standby.may-complain"
	dd_gsi[$name]=$(device_gsi "$device")
	must pciassign domain create "$name" --class "${dd_class[$name]}" --device "$device" --kernel "$kernel" --memory 128 \
		--module /run/testbed-hang.ko --no-start "$@"
	sed -i '/^cmdline *=/s/"$/ sysrq_always_enabled"/' "/var/lib/pciassign/domains/$name/"*.cfg
	# They fail more often here than anywhere, on an emulated machine with other work.
	supervised "$name" most-crashes 50 start-timeout $((180 * TESTBED_SLOW)) heartbeat-timeout $((30 * TESTBED_SLOW))
	must pciassign domain start "$name"
	dd_id[$name]=$(xl domid "$name") || fail "$name does not run"
	wait_domain 60 "$name" ready
}

# assert_its_rights NAME: as they are once its driver, which may still change its interrupts, has what it wants.
assert_its_rights() {
	local name=$1 end=$((SECONDS + 30 * TESTBED_SLOW))
	while ((SECONDS < end)); do
		(at_once assert_rights "${dd_id[$name]}" "${dd_gsi[$name]}" "${dd_device[$name]}") 2>/dev/null && return
		sleep 1
	done
	at_once assert_rights "${dd_id[$name]}" "${dd_gsi[$name]}" "${dd_device[$name]}"
}

# supervised NAME KEY VALUE [KEY VALUE]...: in its supervision entry.
supervised() {
	local file=/etc/pciassign/domains.d/$1.toml
	shift
	while (($#)); do
		sed -i "/^$1 *=/d" "$file"
		echo "$1 = $2" >>"$file"
		shift 2
	done
	pkill -HUP -x pciassignd || fail "pciassignd does not run"
}

# take_hang_module GUEST: the module that make_driver_domain gives to driver domains, out of a test guest.
take_hang_module() { must guest run "$1" "cat /test-modules/testbed-hang.ko" >/run/testbed-hang.ko; }

domain_json() { pciassign domain show "$1" --json | jq -r "$2"; }
domain_state() { domain_json "$1" .result.state; }

# wait_domain SECONDS NAME STATE: by the daemon's own notes, which change with each phase.
wait_domain() {
	local seconds=$(($1 * TESTBED_SLOW)) name=$2 state=$3 directory=/run/pciassign/supervisor event
	[[ $(domain_state "$name") == "$state" ]] && return
	while [[ $(domain_state "$name" 2>/dev/null) != "$state" ]] && read -r -t "$seconds" event; do
		: "$event"
	done < <(timeout "$seconds" inotifywait --monitor --event create,modify,moved_to,delete "$directory" 2>&1)
	[[ $(domain_state "$name") == "$state" ]] && return
	pciassign domain show "$name"
	fail "$name does not become $state within $seconds s"
}

# --- guests

# front GUEST KIND: the directory of its first device of this kind.
front() {
	local id
	id=$(xl domid "$1") || return
	echo "/local/domain/$id/device/$2/$(xenstore-list "/local/domain/$id/device/$2" | sort -n | sed -n 1p)"
}

# wait_front SECONDS GUEST KIND: until it has a device of this kind; $path is its directory.
wait_front() {
	local seconds=$(($1 * TESTBED_SLOW)) guest=$2 kind=$3 event
	has_front() { path=$(front "$guest" "$kind" 2>/dev/null) && [[ $path =~ /[0-9]+$ ]]; }
	has_front && return
	while ! has_front && read -r -t "$seconds" event; do
		: "$event"
	done < <(timeout "$seconds" xenstore-watch "/local/domain/$(xl domid "$guest")/device/$kind" 2>/dev/null)
	has_front
}

# wait_served SECONDS GUEST KIND DOMAIN: until the device's backend is in DOMAIN and both ends are connected.
wait_served() {
	local seconds=$1 path back
	wait_front "$seconds" "$2" "$3" || return
	wait_xenstore "$seconds" "$path/backend-id" == "$(xl domid "$4")" || return
	back=$(xenstore-read "$path/backend") || return
	wait_xenstore "$seconds" "$back/state" == 4 && wait_xenstore "$seconds" "$path/state" == 4
}

# poll GUEST SECONDS COMMAND: for what the kernel tells no event of: files in a tmpfs, connections.
poll() {
	must guest run --timeout $(($2 + 30)) "$1" "n=0
		until $3; do
			n=\$((n + 1))
			test \$n -lt $(($2 * TESTBED_SLOW * 10)) || exit 1
			usleep 100000
		done"
}

# answered GUEST SECONDS: until the world beyond the driver domain answers it. What is sent meanwhile may be lost.
answered() { poll "$1" "$2" "ping -c 1 -W 2 10.0.2.2 >/dev/null"; }

network_up() { # GUEST ADDRESS
	must guest until "$1" 60 "test -e /sys/class/net/eth0"
	must guest run "$1" "ip link set eth0 up && ip addr add $2/24 dev eth0"
	answered "$1" 60
}

# follows GUEST: until its kernel says that it can change to another back end in place.
follows() {
	wait_xenstore 60 "/local/domain/$(xl domid "$1")/data/pciassign/reconnect" == 1 || fail "$1 cannot follow in place"
}

# begin_ping GUEST: an echo request each 0.1 s, for as long as it lives.
begin_ping() { must guest run "$1" "setsid ping -i 0.1 10.0.2.2 </dev/null >/run/ping.log 2>&1 & echo \$! >/run/ping.pid"; }

# end_ping GUEST: prints the longest time without an answer, in seconds.
end_ping() {
	must guest run "$1" "kill -INT \$(cat /run/ping.pid)
		sed -n 's/.* seq=\([0-9]*\) .*/\1/p' /run/ping.log |
			awk 'NR > 1 && \$1 - last > most { most = \$1 - last } { last = \$1 } END { printf \"%.1f\n\", most / 10 }'"
}

# begin_transfer FROM TO ADDRESS: random bytes at a steady pace until end_transfer.
# The listener ends by itself when its own input does: /run/never is a pipe that nobody writes to.
begin_transfer() {
	must guest run "$2" "rm -f /run/received; setsid sh -c 'nc -l -p 7000 </run/never | sha256sum >/run/received.new; mv /run/received.new /run/received' </dev/null >/dev/null 2>&1 &"
	poll "$2" 60 "grep -q ':1B58 .* 0A ' /proc/net/tcp /proc/net/tcp6" # listening
	must guest run "$1" "rm -f /run/stop /run/sent /run/pipe; mkfifo /run/pipe
		setsid sh -c 'sha256sum </run/pipe >/run/sent.new; mv /run/sent.new /run/sent' </dev/null >/dev/null 2>&1 &
		setsid sh -c 'while ! test -e /run/stop; do head -c 65536 /dev/urandom; usleep 50000; done | tee /run/pipe | nc $3 7000' </dev/null >/dev/null 2>&1 &"
	poll "$2" 60 "grep -q ':1B58 .* 01 ' /proc/net/tcp /proc/net/tcp6" # established
}

# end_transfer FROM TO: TCP tries again as much later as the pause was long, two minutes at most.
end_transfer() {
	local sent received
	must guest run "$1" "touch /run/stop"
	poll "$1" 300 "test -e /run/sent"
	poll "$2" 300 "test -e /run/received"
	sent=$(guest run "$1" "cat /run/sent") received=$(guest run "$2" "cat /run/received")
	assert_match "what was sent" '^[0-9a-f]{64}' "$sent"
	assert_equal "SHA-256 of the transfer" "$sent" "$received"
}

# begin_records GUEST: an ext4 on xvda, and a program that appends records with fsync, and notes each one that was acknowledged.
begin_records() {
	must guest until "$1" 60 "test -b /dev/xvda"
	# The kernel complains of a program that waits for its disk for two minutes, which a recovery may take on a slow machine.
	must guest run "$1" "! test -e /proc/sys/kernel/hung_task_timeout_secs || echo 900 >/proc/sys/kernel/hung_task_timeout_secs"
	must guest run "$1" "mke2fs -q -t ext4 /dev/xvda && mkdir -p /mnt && mount -t ext4 /dev/xvda /mnt"
	must guest run "$1" "cat >/run/writer <<-'END'
		n=0
		while ! test -e /run/writer-stop; do
			n=\$((n + 1))
			printf '%015d\n' \$n | dd of=/mnt/records oflag=append conv=notrunc,fsync bs=16 2>/dev/null || break
			echo \$n >/run/acked.new
			mv /run/acked.new /run/acked
			usleep 20000
		done
		echo \$n >/run/writer-ended
		END
		setsid sh /run/writer </dev/null >/dev/null 2>&1 &"
	poll "$1" 60 "test -e /run/acked"
}

# check_records GUEST: the writer lives and advances, and every acknowledged record is there.
check_records() {
	local before
	before=$(guest run "$1" "cat /run/acked")
	poll "$1" 120 "test \$(cat /run/acked) -gt $((before + 5))"
	must guest run "$1" "before=\$(cat /run/acked)
		test ! -e /run/writer-ended || { echo the writer gave up; exit 1; }
		grep -q '^/dev/xvda /mnt ext4 rw' /proc/mounts || { grep /mnt /proc/mounts; exit 1; }
		head -n \$before /mnt/records | awk -v n=\$before '\$0 != sprintf(\"%015d\", NR) { print \"line\", NR, \"is\", \$0; bad = 1; exit } END { if (!bad && NR != n) print NR, \"lines, not\", n; exit bad || NR != n }' ||
			{ echo a record is lost; tail -n 3 /mnt/records; cat /run/acked; exit 1; }"
}

# end_records GUEST: the file system is sound, and holds each record when it is read from the disk again.
end_records() {
	must guest run "$1" "touch /run/writer-stop"
	poll "$1" 120 "test -e /run/writer-ended"
	must guest run "$1" "umount /mnt && e2fsck -fn /dev/xvda >/dev/null && mount -t ext4 -o ro /dev/xvda /mnt &&
		awk -v n=\$(cat /run/acked) '\$0 != sprintf(\"%015d\", NR) { exit 1 } END { print NR, \"records, of which\", n, \"were acknowledged\"; exit NR < n }' /mnt/records &&
		umount /mnt"
}

# --- ways to fail

panic() { must xl sysrq "$1" c; }
hang() { must xl sysrq "$1" y; }
destroy() { must xl destroy "$1"; }

# --- afterwards

# assert_domain_gone DOMID: no node of it or about it, and Xen does not know it. Who destroys it and who clears up after it are
# not the same, so the last node may go after the domain.
assert_domain_gone() {
	local left end
	wait_xenstore 120 "/local/domain/$1" gone || fail "/local/domain/$1 is left"
	wait_xenstore 120 "/libxl/$1" gone || fail "/libxl/$1 is left"
	wait_no_domain 60 "$1" || fail "domain $1 is left"
	end=$((SECONDS + 60 * TESTBED_SLOW))
	while
		left=$(nodes_about "$1")
		[[ -n $left ]]
	do
		((SECONDS < end)) || fail "nodes about domain $1 are left: $left"
		sleep 1
	done
}

nodes_about() {
	xenstore-ls -f / 2>/dev/null |
		grep -E "domain/$1/|backend/(vif|vbd|pci)/$1/|/backend/pci/$1 =|-id = \"$1\"$|/domid = \"$1\"$"
}

# end_guests NAME...: those that are there are destroyed, and the driver domains serve nobody any more: until Xen has forgotten a
# guest it counts.
end_guests() {
	local name end=$((SECONDS + 60 * TESTBED_SLOW))
	for name; do
		! xl domid "$name" >/dev/null 2>&1 || must guest kill "$name"
	done
	for name in net1 disk1; do
		until [[ $(domain_json "$name" '.result.dependents | length') == 0 ]]; do
			((SECONDS < end)) || fail "$name still serves somebody: $(pciassign domain show "$name")"
			sleep 0.5
		done
	done
}

# wait_successor SECONDS NAME: until the domain of this name is another one than the one that we know.
wait_successor() {
	local seconds=$(($1 * TESTBED_SLOW)) name=$2 event
	has_successor() {
		local id
		id=$(domain_json "$name" .result.domid) && [[ $id != null && $id != "${dd_id[$name]}" ]]
	}
	while ! has_successor && read -r -t "$seconds" event; do
		: "$event"
	done < <(timeout "$seconds" inotifywait --monitor --event create,modify,moved_to /run/pciassign/supervisor 2>&1)
	has_successor || fail "no other domain $name within $seconds s: $(pciassign domain show "$name")"
}

# assert_recovered NAME...: each is another domain than before, ready, with exactly its rights; nothing of the old one is left.
assert_recovered() {
	local name id
	for name; do
		wait_successor 240 "$name"
		wait_domain 240 "$name" ready
		id=$(xl domid "$name") || fail "$name does not run"
		[[ $id != "${dd_id[$name]}" ]] || fail "$name is still domain $id"
		must assert_domain_gone "${dd_id[$name]}"
		dd_id[$name]=$id
		assert_its_rights "$name"
	done
}

# wait_standby NAME: until its standby is up; $standby is its number.
wait_standby() {
	local event seconds=$((240 * TESTBED_SLOW))
	while [[ $(domain_json "$1" .result.standby.state) != waiting ]] && read -r -t "$seconds" event; do
		: "$event"
	done < <(timeout "$seconds" xenstore-watch @introduceDomain @releaseDomain /local/domain 2>/dev/null)
	[[ $(domain_json "$1" .result.standby.state) == waiting ]] || fail "$1 has no standby: $(pciassign domain show "$1")"
	standby=$(domain_json "$1" .result.standby.domid)
}

# --- two guests of both, and what they live through

# serve_two_guests: `one` has an interface and a disk, `two` an interface.
serve_two_guests() {
	step "guests without devices; a driver domain for the network, one for the disk"
	must guest start two --timeout 180
	take_hang_module two
	make_driver_domain net1
	make_driver_domain disk1
	pciassign domain list
	for name in net1 disk1; do assert_its_rights "$name"; done

	step "two guests get interfaces, one a disk, as xl gives them"
	must guest start one --timeout 180 --cfg 'vif=["mac=00:16:3e:00:00:01,backend=net1"]' \
		--cfg 'disk=["format=raw,vdev=xvda,access=rw,backend=disk1,target=/dev/nvme0n1"]'
	must xl network-attach two mac=00:16:3e:00:00:02 backend=net1
	network_up one 10.0.2.21
	network_up two 10.0.2.22
	begin_records one
	follows one
	follows two
	interfaces=$(for guest in one two; do guest run $guest "cat /sys/class/net/eth0/ifindex; ip -o -4 addr show eth0"; done)
	for name in net1 disk1; do pciassign domain show "$name"; done
	assert_equal "how the guests of net1 are recovered" "in place" "$(domain_json net1 '[.result.dependents[].recovery] | unique | join(",")')"
}

# survive WORDS COMMAND...: what COMMAND does to the driver domains, with work under way, does not end the work.
survive() {
	local words=$1 guest
	shift
	step "$words"
	for guest in one two; do begin_ping $guest; done
	begin_transfer one two 10.0.2.22
	"$@"
	assert_recovered net1 disk1
	wait_served 120 one vif net1 || fail "the interface of one is not served again"
	wait_served 120 two vif net1 || fail "the interface of two is not served again"
	wait_served 120 one vbd disk1 || fail "the disk of one is not served again"
	for guest in one two; do answered $guest 60; done
	end_transfer one two
	must check_records one
	assert_equal "interfaces and addresses" "$interfaces" \
		"$(for guest in one two; do guest run $guest "cat /sys/class/net/eth0/ifindex; ip -o -4 addr show eth0"; done)"
	for guest in one two; do printf '   longest time without an answer in %s: %s s\n' $guest "$(end_ping $guest)"; done
	assert_dom0_unharmed
}

both() {
	"$1" net1
	"$1" disk1
}

# take_down_two_guests: the records are all there; the driver domains are removed, and nothing is left.
take_down_two_guests() {
	step "the records"
	must end_records one
	step "they are removed, and nothing is left"
	must_fail - pciassign domain remove net1
	local name
	end_guests one two three
	for name in net1 disk1; do
		must pciassign domain remove "$name"
		must assert_domain_gone "${dd_id[$name]}"
		[[ ! -e /etc/pciassign/domains.d/$name.toml && ! -e /var/lib/pciassign/domains/$name ]] || fail "files of $name are left"
	done
	at_once assert_quarantined "${dd_device[@]}"
	assert_dom0_unharmed
}
