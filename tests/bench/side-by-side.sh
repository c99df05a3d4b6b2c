#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# side-by-side.sh [ROUNDS]: pciback, pcifront and pciassignd against Linux's own drivers with plain xl, in one
# boot. Only the ratios say anything; the times are those of an emulated machine. Started by scripts/bench.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh

rounds=${1:-5}
nic=0000:00:04.0
disk=0000:00:05.0
declare -A taken # taken[SIDE MEASURE]: microseconds, one number a round

# timed SIDE MEASURE COMMAND...
timed() {
	local side=$1 measure=$2 begin
	shift 2
	begin=${EPOCHREALTIME/./}
	"$@" >/dev/null 2>&1 || fail "status $?: $* ($side)"
	taken[$side $measure]+=" $((${EPOCHREALTIME/./} - begin))"
}

# Both ends connected again and the guest's driver bound, or the device gone from it.
hot_attach() {
	local name=$1
	shift
	"$@" && guest until "$name" 60 "test -b /dev/nvme0n1"
}
hot_detach() {
	local name=$1
	shift
	"$@" && guest until "$name" 60 "! test -e /sys/bus/pci/drivers/nvme/0000:00:01.0"
}

# From the panic until Xen knows the domain no more: only then can it be created again.
crash() {
	guest crash "$1" && guest gone "$1" 120
}

# Each read of 4096 bytes is 1024 accesses; both back ends must show all of the extended space.
reads=10
read_config() {
	# shellcheck disable=SC2016 # the guest's shell expands it
	guest run "$1" 'n=0
		for i in $(seq '"$reads"'); do
			n=$((n + $(dd if=/sys/bus/pci/devices/0000:00:00.0/config bs=4096 count=1 2>/dev/null | wc -c)))
		done
		test $n -eq $((4096 * '"$reads"'))'
}

create_ours() { guest start ours --cfg "pci=[\"$nic\"]" --create-with 'pciassign create'; }
create_stock() { guest start stock --front upstream --cfg "pci=[\"$nic\"]"; }

measure() {
	local side=$1 attach=$2 detach=$3 round
	for ((round = 0; round < rounds; round++)); do
		timed "$side" "create, until the guest takes commands" "create_$side"
		timed "$side" "$((reads * 1024)) dwords of configuration space, in the guest" read_config "$side"
		# shellcheck disable=SC2086 # commands with their arguments
		timed "$side" "hot attach of an NVMe device, until its driver is bound" hot_attach "$side" $attach "$side" "$disk"
		# shellcheck disable=SC2086
		timed "$side" "hot detach of it" hot_detach "$side" $detach "$side" "$disk"
		# shellcheck disable=SC2086
		hot_attach "$side" $attach "$side" "$disk" >/dev/null 2>&1 || fail "the second attach ($side)"
		timed "$side" "panic with two devices, until the domain is gone" crash "$side"
		[[ $side == stock ]] || wait_journal_empty 60 || fail "the journal is not empty"
	done
}

step "ours: pciback, pcifront, pciassignd ($rounds rounds)"
measure ours "pciassign attach" "pciassign detach"

step "stock: xen-pciback, xen-pcifront, xl ($rounds rounds)"
pkill -x pciassignd
unload_pciback
must modprobe xen-pciback "hide=($nic)($disk)"
assert_equal "back end" xen_pciback "$(basename "$(readlink /sys/bus/pci/drivers/pciback/module)")"
measure stock "xl pci-attach" "xl pci-detach"

median() { tr ' ' '\n' | sed '/^$/d' | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

printf '\n%-56s %9s %9s %12s\n' "median of $rounds" "ours ms" "stock ms" "ours / stock"
for key in "${!taken[@]}"; do
	[[ $key == ours\ * ]] || continue
	name=${key#ours }
	awk -v name="$name" -v ours="$(median <<<"${taken[ours $name]}")" -v stock="$(median <<<"${taken[stock $name]}")" \
		'BEGIN { printf "%-56s %9.0f %9.0f %12.2f\n", name, ours / 1000, stock / 1000, ours / stock }'
done | sort
printf '\nbench: PASS\n'
