#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed-alone: five domains at once
# testbed: --back ours --front ours --daemon on --memory 3584 --timeout 1500
#
# Driver domains that fail again before they serve, and again and again; that are stopped and started; and a guest that
# cannot follow in place.
# shellcheck disable=SC2034,SC2154 # what driver-domains.sh reads and sets
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/driver-domains.sh

serve_two_guests

declare -A first dd_id
crash_again() {
	local name waiting=()
	both panic
	for name in net1 disk1; do
		# The next one is there, and dies before it serves anybody.
		{ wait_next "$name" && panic "$id" && echo "$id" >"/run/next-$name"; } &
		waiting+=($!)
	done
	for name in "${waiting[@]}"; do wait "$name" || fail "no second crash"; done
	# The one that recovers is the one after that.
	for name in net1 disk1; do
		first[$name]=${dd_id[$name]}
		dd_id[$name]=$(<"/run/next-$name")
	done
}
# wait_next NAME: until the next domain of this name is up; $id is its number.
wait_next() {
	local event seconds=$((180 * TESTBED_SLOW))
	has_next() { id=$(xl domid "$1" 2>/dev/null) && [[ $id != "${dd_id[$1]}" ]]; }
	# Its name is written some time after its introduction.
	while ! has_next "$1" && read -r -t "$seconds" event; do
		: "$event"
	done < <(timeout "$seconds" xenstore-watch /local/domain 2>/dev/null)
	has_next "$1" || fail "there is no other $1"
	wait_xenstore 180 "/local/domain/$id/data/pciassign/state" exists || fail "the next $1 does not come up"
}
survive "the next ones die as well, before they serve" crash_again
for name in net1 disk1; do must assert_domain_gone "${first[$name]}"; done

step "a crash loop: given up after the configured number, aloud, the device in quarantine; recover begins anew"
begin_ping one
must pciassign domain recover net1
must assert_domain_gone "${dd_id[net1]}"
supervised net1 most-crashes 3 crash-window $((1000 * TESTBED_SLOW))
end=$((SECONDS + 480 * TESTBED_SLOW)) last=
while [[ $(domain_state net1) != given-up ]]; do
	((SECONDS < end)) || fail "net1 is not given up: $(pciassign domain show net1)"
	# Each once, by its number: the one that has failed loses its name at any time.
	if id=$(xl domid net1 2>/dev/null) && [[ $id != "$last" ]] &&
		[[ $(xenstore-read "/local/domain/$id/data/pciassign/state" 2>/dev/null) == ready ]]; then
		panic "$id"
		last=$id
	fi
	# Its state changes with each phase; what changed before this watches is seen a little later.
	inotifywait -qq --timeout 2 --event create,modify,moved_to /run/pciassign/supervisor
done
must wait_journal_without 120 "${dd_device[net1]}"
assert_match "net1" 'given-up' "$(pciassign domain list)"
at_once assert_quarantined "${dd_device[net1]}"
must check_records one
must pciassign domain recover net1
assert_recovered net1
answered two 60
end_ping one

step "a clean stop and a start: the guests have their devices again"
must pciassign domain stop disk1
must pciassign domain start disk1
dd_id[disk1]=$(xl domid disk1)
wait_served 120 one vbd disk1 || fail "the disk of one is not served again"
must check_records one

step "a guest without pvreconnect loses and gets its devices"
must guest start three --timeout 180 --cfg 'extra="console=hvc0 panic=-1 testbed.name=three testbed.front=none testbed.reconnect=off"' \
	--cfg 'vif=["mac=00:16:3e:00:00:03,backend=net1"]'
network_up three 10.0.2.23
pciassign domain show net1
assert_equal "how three is recovered" "remove and add" "$(domain_json net1 '.result.dependents[] | select(.guest == "three").recovery')"
old=$(front three vif)
panic net1
assert_recovered net1
wait_xenstore 120 "$old" gone || fail "$old is left"
wait_served 120 three vif net1 || fail "three is not served again"
assert_match "the new device" '/device/vif/[1-9]' "$(front three vif)"
network_up three 10.0.2.23
answered one 60

take_down_two_guests
echo "scenario-driver-domains-again: PASS"
