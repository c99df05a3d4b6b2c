#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back ours --front ours --daemon off --device rtl8139,addr=6 --timeout 900
# arguments: ${KILL_STRIDE:-3}
#
# The daemon dies by SIGKILL after each step of an attach that seizes its device, of a detach, of a reserve and of a
# release, on real Xen; another one is started, and everything agrees: all or nothing.
#
# At its most talkative the daemon writes one line of log at each step, when the step is over and before the next one
# begins. strace lets the kernel kill it when it enters the Nth of these writes: N grows until the plan ends unharmed, so
# that no step can be missed, and the daemon itself needs no means to be killed by. The argument is by what N grows: with
# 1 the daemon dies after each step, with 3 after each third.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/daemon.sh

stride=${1:-1}
nic=0000:00:04.0
spare=0000:00:06.0
log=/host/logs/pciassignd-kills.log
journal=/run/pciassign/journal

in_journal() { [[ -e $journal/${1//[:.]/-}.json ]]; }
phase() { jq -r .phase "$journal/${1//[:.]/-}.json"; }

# die_at N: the daemon will be killed when it begins to write the Nth line from now on.
die_at() {
	local line
	daemon=$(pgrep -x pciassignd) || fail "pciassignd does not run"
	exec {tracer}< <(exec strace -f -p "$daemon" -o /dev/null -e trace=write -P "$log" \
		-e "inject=write:signal=KILL:when=$1" 2>&1)
	tracer_pid=$!
	read -r -t $((60 * TESTBED_PATIENCE)) line <&"$tracer"
	assert_match "strace" 'attached' "$line"
}

# walk LEAST PREPARE CONVERGED COMMAND...: kills the daemon at each of the lines that COMMAND makes it write, LEAST of
# them or more; after each death a new daemon has to bring things to where CONVERGED is content.
walk() {
	local least=$1 prepare=$2 converged=$3 n status last deaths=0
	shift 3
	for ((n = 1; ; n += stride)); do
		"$prepare"
		wait_quiet 60
		die_at "$n"
		status=0
		"$@" >/run/answer 2>&1 || status=$?
		if ((!status)); then
			# The plan is over; what the daemon still had to say may have been its death all the same.
			kill "$tracer_pid" 2>/dev/null
			cat <&"$tracer" >/dev/null
			pciassign status >/dev/null 2>&1 && break
		fi
		daemon_gone "$daemon"
		last=$(tail -n 1 "$log")
		exec {tracer}<&-
		((!status)) || assert_match "the answer of a daemon that dies" 'pciassignd' "$(</run/answer)"
		start_daemon "$log"
		wait_quiet 60
		at_once "$converged"
		deaths=$((deaths + 1))
		printf '   %s: it had said: %s\n' "$n" "$last"
	done
	exec {tracer}<&-
	((n > least)) || fail "at most $((n - 1)) places to die in were found: $*"
	echo "   $deaths deaths"
	wait_quiet 60
	at_once "$converged"
}

attached() {
	assert_equal "phase of $1" attached "$(phase "$1")"
	must assert_rights "$one" "$2" "$1"
	assert_equal "driver of $1" pciback "$(device_driver "$1")"
	assert_equal "libxl's marker of $1" "$one" "$(xenstore-read "/libxl/pci/${1//[:.]/-}/domid")"
	assert_equal "node of $1" "$1" "$(xenstore-read "/local/domain/0/backend/pci/$one/0/dev-0")"
}

nobodys() {
	must assert_rights "$one" ""
	assert_nothing_left "$one" "$1"
}

nic_is_settled() {
	if in_journal "$nic"; then
		attached "$nic" "$nic_gsi"
	else
		nobodys "$nic"
		assert_owner "$nic" IO
		assert_equal "driver of $nic" pciback "$(device_driver "$nic")"
	fi
}

# Seized for an attach: the domain has it, or dom0's driver.
spare_is_settled() {
	if in_journal "$spare"; then
		attached "$spare" "$spare_gsi"
	else
		nobodys "$spare"
		spare_is_at_home
	fi
}

spare_is_at_home() {
	assert_equal "driver of $spare" "$driver" "$(device_driver "$spare")"
	assert_owner "$spare" 0
	xenstore_is "/libxl/pci/${spare//[:.]/-}" gone || fail "a mark of $spare is left"
}

# Reserved in full, or at home in full.
spare_has_one_place() {
	if [[ $(device_driver "$spare") == pciback ]]; then
		assert_owner "$spare" IO
		assert_equal "the driver that is remembered" "/sys/bus/pci/drivers/$driver" \
			"$(xenstore-read "/libxl/pci/${spare//[:.]/-}/driver_path")"
		xenstore_is "/libxl/pci/${spare//[:.]/-}/pciassign-changing" gone || fail "$spare is still marked"
	else
		spare_is_at_home
	fi
}

bring_spare_home() {
	if in_journal "$spare"; then must pciassign detach one "$spare" >/dev/null; fi
	if [[ $(device_driver "$spare") == pciback ]]; then must pciassign release "$spare" >/dev/null; fi
}

reserve_spare() {
	if [[ $(device_driver "$spare") != pciback ]]; then must pciassign reserve "$spare" >/dev/null; fi
}

# With its driver in the guest, so that the interrupts that are compared do not change meanwhile.
attach_nic() {
	in_journal "$nic" || must pciassign attach one "$nic" >/dev/null
	must guest until one 60 "ls -d /sys/bus/pci/drivers/e1000e/*/net/*"
}

step "a guest"
driver=$(device_driver "$spare")
assert_match "dom0's driver" '^8139' "$driver"
nic_gsi=$(device_gsi "$nic")
spare_gsi=$(device_gsi "$spare")
start_daemon "$log"
# A driver from which its device is taken while it probes may complain.
must guest start one --may-complain --cfg 'passthrough="enabled"' --cfg 'e820_host=1'
one=$(xl domid one)

step "reserve"
walk 4 bring_spare_home spare_has_one_place pciassign reserve "$spare"

step "release"
walk 5 reserve_spare spare_has_one_place pciassign release "$spare"

step "attach, of a device that dom0 drives"
walk 12 bring_spare_home spare_is_settled pciassign attach one "$spare,seize=1,allow=no-reset"
must guest until one 60 "ls -d /sys/bus/pci/drivers/8139*/*/net/*"
bring_spare_home

step "detach"
walk 12 attach_nic nic_is_settled pciassign detach one "$nic"

step "and it all still works"
attach_nic
guest_network one e1000e
must guest kill one
must guest gone one 60
wait_quiet 60
assert_nothing_left "$one" "$nic"
assert_quarantined "$nic"
assert_dom0_unharmed
echo "scenario-kills: PASS"
