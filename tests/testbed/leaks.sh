# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What dom0 must not have more of after guests did what they liked: grants, event channels, memory,
# threads, lines of log. For scenarios, after lib.sh.

# grants_mapped: grants that are in use, as Xen says (key g), without those of xenstore's and the console's
# page (references 0 and 1).
grants_mapped() {
	debug_key g | awk '
		match($0, /\[0x[0-9a-f]+\]/) {
			ref = substr($0, RSTART + 3, RLENGTH - 4)
			if (ref !~ /^0*[01]$/) n++
		}
		END { print n + 0 }'
}

# event_channels: ports of dom0 that are in use.
event_channels() { /usr/lib/xen-4.17/bin/lsevtchn 0 | wc -l; }

# unreclaimable_memory: KiB of the kernel that no shrinking gives back, and its threads' stacks. The debug kernel keeps
# what was freed (KASAN) and notes about all else, and kmemleak finds what is lost: there it is not counted.
unreclaimable_memory() {
	[[ $TESTBED_KERNEL != debug ]] || {
		echo 0
		return
	}
	awk '/^(SUnreclaim|KernelStack|VmallocUsed|Percpu):/ { n += $2 } END { print n }' /proc/meminfo
}

# kernel_threads: workers come and go by themselves; the others do not.
kernel_threads() { ps --ppid 2 -o comm= | awk '!/^kworker/' | wc -l; }
kernel_workers() { pgrep -c -P 2 '^kworker'; }

# resident_memory NAME: KiB of the process of this name.
resident_memory() { awk '/^VmRSS:/ { print $2 }' "/proc/$(pgrep -x "$1")/status"; }

log_lines() { dmesg | wc -l; }

# assert_at_most WHAT LIMIT GOT
assert_at_most() {
	(($3 <= $2)) || fail "$1: $3, at most $2 are right"
	echo "   $1: $3 (at most $2)"
}

# what_dom0_has: the counts above in one line, to be kept and compared.
what_dom0_has() {
	echo "grants=$(grants_mapped) ports=$(event_channels) memory=$(unreclaimable_memory) threads=$(kernel_threads) workers=$(kernel_workers)"
}

# assert_no_growth BEFORE KIB: what_dom0_has now, beside its former answer. Grants, ports and threads are the same
# number; memory may differ by KIB (caches of the kernel's allocator), workers by a few that idle. The kernel gives some
# of it back a little after the last device has gone, and tells nobody; what has leaked stays.
assert_no_growth() {
	local -A before after
	local word now more end=$((SECONDS + 60 * TESTBED_SLOW))
	for word in $1; do before[${word%%=*}]=${word#*=}; done
	echo "   before: $1"
	while :; do
		now=$(what_dom0_has)
		for word in $now; do after[${word%%=*}]=${word#*=}; done
		more=
		for word in grants ports threads; do
			((after[$word] <= before[$word])) || more+=" $word: ${after[$word]} after ${before[$word]}"
		done
		[[ -n $more ]] || ((after[memory] - before[memory] > $2)) || break
		((SECONDS < end)) || break
		sleep 1
	done
	echo "   after:  $now"
	[[ -z $more ]] || fail "dom0 has more$more"
	assert_at_most "growth of unreclaimable memory, KiB" "$2" $((after[memory] - before[memory]))
	assert_at_most "more workers" 8 $((after[workers] - before[workers]))
}

# config_space SBDF: its configuration space in dom0, a line for each 16 bytes. Where MSI is off, the address and data that
# Xen's last use left in its registers are shown as dashes: they say nothing, and must be Xen's all the same.
config_space() {
	local -a bytes
	local at n i last address
	mapfile -t bytes < <(od -An -v -tx1 -w1 "/sys/bus/pci/devices/$1/config" | tr -d ' ')
	at=$((16#${bytes[0x34]}))
	for ((n = 0; n < 48 && at >= 0x40; n++)); do
		if [[ ${bytes[at]} == 05 ]] && ((!(16#${bytes[at + 2]} & 1))); then
			address=${bytes[at + 7]}${bytes[at + 6]}${bytes[at + 5]}${bytes[at + 4]}
			[[ $address =~ ^(00000000|fee.*)$ ]] || fail "the MSI address of $1 is $address"
			last=$((16#${bytes[at + 2]} & 0x80 ? at + 13 : at + 9))
			for ((i = at + 4; i <= last; i++)); do bytes[i]=--; done
			break
		fi
		at=$((16#${bytes[at + 1]}))
	done
	printf '%s %s %s %s %s %s %s %s %s %s %s %s %s %s %s %s\n' "${bytes[@]}"
}
