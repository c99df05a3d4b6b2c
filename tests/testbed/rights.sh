# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Exact rights: what a domain's rangesets must hold for some devices, no more and no less.
# For scenarios, after lib.sh.

# merged_ranges: ranges first-last in hexadecimal, a line each, as Xen prints the set of them.
merged_ranges() {
	local first last from='' to='' out=''
	emit() {
		local text
		[[ -n $from ]] || return 0
		if ((from == to)); then printf -v text '%x' "$from"; else printf -v text '%x-%x' "$from" "$to"; fi
		out+=${out:+, }$text
	}
	while IFS=- read -r first last; do
		first=$((16#$first)) last=$((16#$last))
		if [[ -n $from ]] && ((first <= to + 1)); then
			((last > to)) && to=$last
		else
			emit
			from=$first to=$last
		fi
	done < <(while IFS=- read -r a b; do printf '%016x-%016x\n' "0x$a" "0x$b"; done | sort)
	emit
	echo "$out"
}

# expand DECIMAL_RANGES: each number on a line, sorted.
expand() {
	local range
	for range in ${1//,/ }; do seq "${range%-*}" "${range#*-}"; done | sort -n
}

# device_gsi SBDF: its GSI. Only true while pciback has it and MSI is off: read it before a domain has the device.
device_gsi() { cat "/sys/bus/pci/devices/$1/irq"; }

# device_msis SBDF: interrupts that Xen made for its MSI or MSI-X vectors now, a line each.
device_msis() {
	debug_key Q | sed -n "s/^.*$1 - .*MSIs < *\([0-9 ]*\)>.*/\1/p" | tail -n 1 | tr ' ' '\n' | sed '/^$/d'
}

# assert_rights DOMID "GSI..." SBDF...: the domain's rangesets are exactly these devices' BARs and
# ports, these GSIs and the MSIs that Xen made for these devices.
assert_rights() {
	local id=$1 gsis=$2 device memory ports interrupts
	shift 2
	memory=$(for device; do device_pages "$device"; done | merged_ranges)
	ports=$(for device; do device_ports "$device"; done | merged_ranges)
	interrupts=$({
		tr ' ' '\n' <<<"$gsis" | sed '/^$/d'
		for device; do device_msis "$device"; done
	} | sort -n)
	assert_equal "I/O memory of domain $id" "$memory" "$(rangeset "$id" 'I/O Memory')"
	assert_equal "I/O ports of domain $id" "$ports" "$(rangeset "$id" 'I/O Ports')"
	assert_equal "interrupts of domain $id" "$interrupts" "$(expand "$(rangeset "$id" Interrupts)")"
	for device; do assert_owner "$device" "$id"; done
}

# assert_quarantined SBDF...: DOMID_IO has them, and no domain but dom0 holds a page or port of theirs.
assert_quarantined() {
	local device
	for device; do
		assert_owner "$device" IO
		assert_unreachable "$device"
	done
}

assert_unreachable() {
	local device=$1 id pages ports
	while read -r id; do
		((id == 0)) && continue
		while read -r pages; do
			in_ranges 16 "${pages%-*}" "$(rangeset "$id" 'I/O Memory')" && fail "domain $id still has pages $pages of $device"
		done < <(device_pages "$device")
		while read -r ports; do
			in_ranges 16 "${ports%-*}" "$(rangeset "$id" 'I/O Ports')" && fail "domain $id still has ports $ports of $device"
		done < <(device_ports "$device")
	done < <(xl list | awk 'NR > 1 { print $2 }')
	return 0
}

# What a kernel says when it is in trouble, or when a debug kernel finds something.
kernel_trouble='BUG:|WARNING:|Oops|general protection|rcu.*stall|soft lockup|Call Trace|Kernel panic'
kernel_trouble+='|INFO: task|UBSAN:|ODEBUG:|DMA-API:.*:|kmemleak: [0-9]+ new'

# assert_dom0_unharmed: no warning, oops or stall in dom0's log.
assert_dom0_unharmed() {
	local trouble
	trouble=$(dmesg | grep -E "$kernel_trouble")
	[[ -z $trouble ]] || fail "dom0's kernel complains: $trouble"
}

# assert_nothing_left DOMID SBDF...: no node of this domain's PCI, no owner's marker, no journal entry.
assert_nothing_left() {
	local id=$1 device key
	shift
	xenstore_is "/local/domain/0/backend/pci/$id" gone || fail "backend/pci/$id is still there"
	for device; do
		key=${device//[:.]/-}
		xenstore_is "/libxl/pci/$key/domid" gone || fail "/libxl/pci/$key/domid is still there"
		[[ ! -e /run/pciassign/journal/$key.json ]] || fail "the journal still has $device"
	done
}

# wait_journal SECONDS GLOB: until the journal has no such file, by event.
wait_journal() {
	local seconds=$(($1 * TESTBED_PATIENCE)) glob=$2 directory=/run/pciassign/journal event
	journal_has() { [[ -n $(find "$directory" -name "$glob" -print -quit 2>/dev/null) ]]; }
	journal_has || return 0
	while journal_has && read -r -t "$seconds" event; do
		: "$event"
	done < <(timeout "$seconds" inotifywait --monitor --event delete,moved_from,moved_to "$directory" 2>&1)
	! journal_has
}

# wait_journal_empty SECONDS: until the daemon has nothing under way or given.
wait_journal_empty() { wait_journal "$1" '*.json'; }

# wait_journal_without SECONDS SBDF: until the device is free.
wait_journal_without() { wait_journal "$1" "${2//[:.]/-}.json"; }

# wait_log SECONDS FILE REGEX: until a line of the file matches, by event.
wait_log() {
	local seconds=$(($1 * TESTBED_PATIENCE)) file=$2 regex=$3 event
	grep -qE "$regex" "$file" && return 0
	while ! grep -qE "$regex" "$file" && read -r -t "$seconds" event; do
		: "$event"
	done < <(timeout "$seconds" inotifywait --monitor --event modify "$file" 2>&1)
	grep -qE "$regex" "$file"
}
