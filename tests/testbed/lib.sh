# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What scenarios use in the testbed's dom0. A scenario starts with
#   . /usr/share/pciassign-tests/lib.sh
# and ends by falling off its end: the first assertion that fails ends it with status 1.
set -uo pipefail
# By what to multiply time limits, with a kernel that is slower.
: "${TESTBED_SLOW:=1}"
# What is awaited may take three times what a scenario says, on a machine that is busy with more than this: it costs time only
# where it does not come.
: "${TESTBED_PATIENCE:=$((3 * TESTBED_SLOW))}"

step() { printf '\n== %s (%s s)\n' "$*" "$(cut -d ' ' -f 1 /proc/uptime)"; }

fail() {
	printf 'FAIL: %s\n' "$*" >&2
	printf '      at %s, line %s\n' "$(basename "${BASH_SOURCE[-1]}")" "${BASH_LINENO[-2]}" >&2
	exit 1
}

# must COMMAND...: it has to succeed.
must() {
	"$@" || fail "status $?: $*"
}

# must_fail STATUS COMMAND...: it has to end with this status (any but 0 if STATUS is -).
must_fail() {
	local want=$1 got=0
	shift
	"$@" || got=$?
	((got)) || fail "succeeded, but should not: $*"
	[[ $want == - || $want == "$got" ]] || fail "status $got instead of $want: $*"
}

# assert_equal WHAT WANTED GOT
assert_equal() {
	[[ $2 == "$3" ]] || fail "$1: wanted '$2', got '$3'"
}

# assert_match WHAT REGEX GOT
assert_match() {
	[[ $3 =~ $2 ]] || fail "$1: wanted something like '$2', got '$3'"
}

# --- waiting, by event

# wait_xenstore SECONDS PATH TEST [VALUE]: until PATH's value satisfies `[[ value TEST VALUE ]]`,
# TEST being == or !=; or TEST gone, TEST exists.
wait_xenstore() {
	local seconds=$(($1 * TESTBED_PATIENCE)) path=$2 test=$3 wanted=${4:-} watch event end=$((SECONDS + $1 * TESTBED_PATIENCE))
	coproc WATCH { exec timeout "$seconds" xenstore-watch "$path" 2>/dev/null; }
	watch=$WATCH_PID
	while :; do
		if xenstore_is "$path" "$test" "$wanted"; then
			kill "$watch" 2>/dev/null
			wait "$watch" 2>/dev/null
			return 0
		fi
		# The watch speaks once when it is set, so nothing is missed between the test and the wait.
		((SECONDS < end)) || break
		read -r -t $((end - SECONDS)) event <&"${WATCH[0]}" || break
		: "$event"
	done
	kill "$watch" 2>/dev/null
	wait "$watch" 2>/dev/null
	xenstore_is "$path" "$test" "$wanted" && return 0
	echo "wait_xenstore: $path did not become $test $wanted within $seconds s; it is '$(xenstore-read "$path" 2>/dev/null)'" >&2
	return 1
}

xenstore_is() {
	local value present=1
	value=$(xenstore-read "$1" 2>/dev/null) || present=0
	case $2 in
	exists) ((present)) ;;
	gone) ((!present)) ;;
	==) ((present)) && [[ $value == "$3" ]] ;;
	!=) [[ $value != "$3" ]] ;;
	*) fail "wait_xenstore: unknown test $2" ;;
	esac
}

# wait_pci_state SECONDS DOMID STATE: until both ends of the PCI device say STATE (4: connected).
wait_pci_state() {
	wait_xenstore "$1" "/local/domain/0/backend/pci/$2/0/state" == "$3" &&
		wait_xenstore "$1" "/local/domain/$2/device/pci/0/state" == "$3"
}

# wait_kernel SECONDS REGEX: until dom0's kernel has said it, since boot.
wait_kernel() {
	timeout $(($1 * TESTBED_PATIENCE)) grep -qm 1 -E "$2" /dev/kmsg && return 0
	echo "wait_kernel: dom0's kernel did not say '$2' within $1 s" >&2
	return 1
}

# dmesg_mark: dmesg_since and wait_dmesg begin here.
dmesg_mark() {
	dmesg_marks=$((${dmesg_marks:-0} + 1))
	echo "testbed: mark $$.$dmesg_marks" >/dev/kmsg
}

dmesg_since() { dmesg | sed "1,/testbed: mark $$.$dmesg_marks\$/d"; }

# wait_dmesg SECONDS REGEX: until dom0's kernel has said it, since the mark.
wait_dmesg() {
	grep -qE "$2" < <(timeout $(($1 * TESTBED_PATIENCE)) dmesg --follow | sed -u "1,/testbed: mark $$.$dmesg_marks\$/d") && return 0
	echo "wait_dmesg: dom0's kernel did not say '$2' within $1 s" >&2
	return 1
}

# wait_path SECONDS PATH: until it exists, by event; the directory that it is in does.
wait_path() {
	local seconds=$(($1 * TESTBED_PATIENCE)) path=$2 event
	[[ -e $path ]] && return 0
	# inotifywait says when it watches: what came before that is seen by the test.
	while [[ ! -e $path ]] && read -r -t "$seconds" event; do
		: "$event"
	done < <(timeout "$seconds" inotifywait --monitor --event create,moved_to "${path%/*}" 2>&1)
	[[ -e $path ]]
}

# wait_no_domain SECONDS DOMID: until Xen knows no such domain any more. It outlives its nodes: its memory is given back, and
# another domain may still map some of it. xenstore tells of a domain's death, not of that: hence the poll.
wait_no_domain() {
	local seconds=$(($1 * TESTBED_SLOW)) id=$2 end=$((SECONDS + $1 * TESTBED_SLOW))
	while xl list "$id" >/dev/null 2>&1; do
		((SECONDS < end)) || { echo "wait_no_domain: Xen still has domain $id after $seconds s" >&2 && return 1; }
		sleep 0.3
	done
}

# --- the hypervisor's own view

# debug_key KEY: what Xen prints for a debug key. Xen's log is a ring that keeps older dumps, so it is emptied first.
debug_key() {
	[[ -z ${snapshot:-} ]] || {
		echo "$snapshot"
		return
	}
	xl dmesg -c >>/host/logs/xl-dmesg-before 2>/dev/null
	xl debug-keys "$1" && xl dmesg
}

# at_once COMMAND...: the rangesets and owners that it looks at are those of one moment; each look takes a second.
at_once() {
	local snapshot
	snapshot=$(debug_key qQ)
	"$@"
}

# rangeset DOMID NAME: NAME is Interrupts, 'I/O Memory' or 'I/O Ports'; prints what lies between
# the braces (hexadecimal ranges; interrupts are decimal), nothing if the set is empty.
rangeset() {
	debug_key q | awk -v id="$1" -v name="$2" '
		{ sub(/\r$/, "") }
		/General information for domain/ { here = ($0 ~ ("for domain " id ":")) }
		here && !found && index($0, name " ") && match($0, /\{.*\}/) {
			found = 1
			set = substr($0, RSTART + 1, RLENGTH - 2)
			gsub(/^ +| +$/, "", set)
			print set
		}
		END { if (!found) exit 1 }'
}

# rights DOMID: its three rangesets, a line each.
rights() {
	debug_key q | awk -v id="$1" '
		{ sub(/\r$/, ""); sub(/^\(XEN\) */, "") }
		/General information for domain/ { here = ($0 ~ ("for domain " id ":")) }
		here && /^ *(Interrupts|I\/O Memory|I\/O Ports) +\{/ { sub(/^ +/, ""); gsub(/ +/, " "); print }'
}

# in_ranges VALUE RANGES: whether a number lies in ranges as rangeset prints them; VALUE in the
# same base, without 0x. in_ranges 16 for hexadecimal values, 10 for interrupts.
in_ranges() {
	local base=$1 value=$2 range first last
	local -a ranges
	IFS=', ' read -ra ranges <<<"$3"
	for range in "${ranges[@]}"; do
		[[ -n $range ]] || continue
		first=${range%-*} last=${range#*-}
		(($base#$value >= $base#$first && $base#$value <= $base#$last)) && return 0
	done
	return 1
}

# device_owner SBDF: the domain that has the device, as Xen says: a number, or IO for quarantine.
device_owner() {
	debug_key Q | sed -n -e "s/^.*$1 - d\[\?\([0-9A-Z]*\)\]\?.*/\1/p" -e "s/^.*$1 - DomIO.*/IO/p" | tail -n 1
}

assert_owner() {
	assert_equal "owner of $1" "$2" "$(device_owner "$1")"
}

# --- devices

# wait_taken_back DOMID SBDF...: until pciback has them again, reset and with the options and registers of a device that nobody
# has: it begins when the domain's nodes go, and the domain may be gone before it ends.
wait_taken_back() {
	local id=$1 device
	shift
	for device; do wait_kernel 60 "$device: taken back from domain $id\$" || return; done
}

# unload_pciback: whoever had a device has ended, but its last reference to the module may not be gone yet.
unload_pciback() {
	local end=$((SECONDS + 60 * TESTBED_PATIENCE))
	until modprobe -r pciback 2>/run/unload; do
		((SECONDS < end)) || fail "pciback does not unload: $(</run/unload)"
		sleep 0.2
	done
}

# device_pages SBDF: the page frames of its memory BARs (with the ROM), as the rangeset shows them: first-last, a line each.
device_pages() {
	local start end flags line=0
	while read -r start end flags && ((line++ < 7)); do
		((start != 0 && (flags & 0x100) == 0)) && printf '%x-%x\n' $((start >> 12)) $((end >> 12))
	done <"/sys/bus/pci/devices/$1/resource"
	return 0
}

# device_ports SBDF: its I/O ports, the same way.
device_ports() {
	local start end flags line=0
	while read -r start end flags && ((line++ < 7)); do
		((start != 0 && (flags & 0x100))) && printf '%x-%x\n' "$start" "$end"
	done <"/sys/bus/pci/devices/$1/resource"
	return 0
}

device_driver() {
	local link
	link=$(readlink "/sys/bus/pci/devices/$1/driver") && basename "$link"
}

# --- guests

# guest_network GUEST DRIVER: the interface that DRIVER made in GUEST gets QEMU's address, and 10.0.2.2 has to answer.
guest_network() { guest_network_below "$1" "/sys/bus/pci/drivers/$2/*"; }

# guest_network_below GUEST DEVICE: the same for the interface of DEVICE, a directory of sysfs in the guest (or a pattern).
guest_network_below() {
	local guest=$1 device=$2
	must guest until "$guest" 60 "ls -d $device/net/*"
	must guest run "$guest" "
		set -- $device/net/*
		interface=\${1##*/}
		ip link set \$interface up
		guest-agent --wait $((60 * TESTBED_SLOW)) \"grep -q 1 /sys/class/net/\$interface/carrier\"
		ip addr replace 10.0.2.15/24 dev \$interface
		ping -c 2 -i 0.2 -W 10 10.0.2.2"
}
