# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Wrong requests to the command line. For scenarios, after lib.sh.

cli_errors=/tmp/pciassign-errors

# everything: all that a refused request must not change.
everything() {
	debug_key qQ | grep -E 'General information|Interrupts|I/O Memory|I/O Ports| - (d|Dom)'
	xenstore-ls -fp /local/domain/0/backend/pci 2>/dev/null
	xenstore-ls -fp /libxl/pci 2>/dev/null
	ls /run/pciassign/journal 2>/dev/null
	xl list | awk '{ print $1, $2 }'
	for device in /sys/bus/pci/devices/*; do device_driver "${device##*/}"; done
}

# remember: takes the state that the refused requests after it must leave; once for a row of them.
remember() { unchanged_from=$(everything); }

# refused STATUS REGEX ARGUMENTS...: `pciassign ARGUMENTS` ends with STATUS, prints one line of error that
# matches, nothing on standard output, and changes nothing.
refused() {
	local want=$1 regex=$2 got=0 output errors
	shift 2
	output=$(pciassign "$@" 2>"$cli_errors") || got=$?
	assert_equal "status of pciassign $*: $(<"$cli_errors")" "$want" "$got"
	assert_equal "standard output of pciassign $*" "" "$output"
	errors=$(grep -c '^pciassign: error: ' "$cli_errors")
	assert_equal "lines of error of pciassign $*" 1 "$errors"
	assert_match "pciassign $*" "$regex" "$(grep '^pciassign: error: ' "$cli_errors")"
	diff <(echo "$unchanged_from") <(everything) >&2 || fail "pciassign $* was refused, but changed the above"
	printf '   pciassign %s\n' "$*"
	sed 's/^/     /' "$cli_errors"
}
