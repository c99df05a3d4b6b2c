#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back ours --front ours --daemon on --memory 3584 --timeout 900
#
# A driver domain for the network (e1000e) and one for the disk (nvme) serve guests, and fail in each way: every time
# they come back by themselves, the guests' interfaces, transfers and mounted file systems live on, and dom0 is unharmed.
# shellcheck disable=SC2034,SC2154 # what driver-domains.sh reads and sets
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/daemon.sh
. /usr/share/pciassign-tests/driver-domains.sh
daemon_log=/host/logs/pciassignd.log

step "guests without devices; a driver domain for the network, one for the disk"
must guest start two
take_hang_module two
make_driver_domain net1
make_driver_domain disk1
pciassign domain list
for name in net1 disk1; do at_once assert_rights "${dd_id[$name]}" "${dd_gsi[$name]}" "${dd_device[$name]}"; done

step "two guests get interfaces, one a disk, as xl gives them"
must guest start one --cfg 'vif=["mac=00:16:3e:00:00:01,backend=net1"]' \
	--cfg 'disk=["format=raw,vdev=xvda,access=rw,backend=disk1,target=/dev/nvme0n1"]'
must xl network-attach two mac=00:16:3e:00:00:02 backend=net1
network_up one 10.0.2.21
network_up two 10.0.2.22
begin_records one
interfaces=$(for guest in one two; do guest run $guest "cat /sys/class/net/eth0/ifindex; ip -o -4 addr show eth0"; done)
for name in net1 disk1; do pciassign domain show "$name"; done
assert_equal "how the guests of net1 are recovered" "in place" "$(domain_json net1 '[.result.dependents[].recovery] | unique | join(",")')"

# survive WORDS COMMAND...: what COMMAND does to the driver domains, with work under way, does not end the work.
survive() {
	local words=$1 guest
	shift
	step "$words"
	for guest in one two; do begin_ping $guest; done
	begin_transfer one two 10.0.2.22
	"$@"
	assert_recovered net1 disk1
	wait_served 60 one vif net1 || fail "the interface of one is not served again"
	wait_served 60 two vif net1 || fail "the interface of two is not served again"
	wait_served 60 one vbd disk1 || fail "the disk of one is not served again"
	for guest in one two; do must guest run $guest "ping -c 2 -i 0.2 -W 30 10.0.2.2" >/dev/null; done
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
survive "both kernels panic" both panic
pciassign domain show net1
survive "xl destroy" both destroy
survive "both hang, with interrupts off" both hang

daemon_dies() {
	both panic
	kill_daemon
	start_daemon
}
survive "they panic, and the daemon is killed at the same moment" daemon_dies

crash_again() {
	local name
	both panic
	for name in net1 disk1; do
		wait_domain 60 "$name" recovering
		# The next one is there, and dies before it serves anybody.
		wait_next "$name"
		panic "$name"
	done
}
# wait_next NAME: until the next domain of this name is up.
wait_next() {
	local event id
	has_next() { id=$(xl domid "$1" 2>/dev/null) && [[ $id != "${dd_id[$1]}" ]]; }
	# Its name is written some time after its introduction.
	while ! has_next "$1" && read -r -t 60 event; do
		: "$event"
	done < <(timeout 60 xenstore-watch /local/domain 2>/dev/null)
	has_next "$1" || fail "there is no other $1"
	wait_xenstore 60 "/local/domain/$id/data/pciassign/state" exists || fail "the next $1 does not come up"
}
survive "the next ones die as well, before they serve" crash_again

step "a crash loop: given up after the configured number, aloud, the device in quarantine; recover begins anew"
begin_ping one
must pciassign domain recover net1
must assert_domain_gone "${dd_id[net1]}"
most_crashes net1 3
while [[ $(domain_state net1) != given-up ]]; do
	id=$(xl domid net1) && [[ $(xenstore-read "/local/domain/$id/data/pciassign/state" 2>/dev/null) == ready ]] && panic net1
	read -r -t 30 _ < <(timeout 30 inotifywait --event create,modify,moved_to /var/lib/pciassign/supervisor 2>&1)
done
assert_match "net1" 'given-up' "$(pciassign domain list)"
at_once assert_quarantined "${dd_device[net1]}"
must check_records one
must pciassign domain recover net1
assert_recovered net1
must guest until two 60 "ping -c 1 -W 5 10.0.2.2"
end_ping one

step "a clean stop and a start: the guests have their devices again"
must pciassign domain stop disk1
must pciassign domain start disk1
dd_id[disk1]=$(xl domid disk1)
wait_served 60 one vbd disk1 || fail "the disk of one is not served again"
must check_records one

step "a guest without pvreconnect loses and gets its devices"
must guest start three --cfg 'extra="console=hvc0 panic=-1 testbed.name=three testbed.front=none testbed.reconnect=off"' \
	--cfg 'vif=["mac=00:16:3e:00:00:03,backend=net1"]'
network_up three 10.0.2.23
pciassign domain show net1
assert_equal "how three is recovered" "remove and add" "$(domain_json net1 '.result.dependents[] | select(.guest == "three").recovery')"
old=$(front three vif)
panic net1
assert_recovered net1
wait_xenstore 60 "$old" gone || fail "$old is left"
wait_served 60 three vif net1 || fail "three is not served again"
assert_match "the new device" '/device/vif/[1-9]' "$(front three vif)"
network_up three 10.0.2.23
must guest run one "ping -c 2 -i 0.2 -W 30 10.0.2.2" >/dev/null

step "the records"
must end_records one
must guest kill three
must xl network-detach two 0

step "they are removed, and nothing is left"
must_fail - pciassign domain remove net1
for guest in one two; do must guest kill $guest; done
for name in net1 disk1; do
	must pciassign domain remove "$name"
	must assert_domain_gone "${dd_id[$name]}"
	[[ ! -e /etc/pciassign/domains.d/$name.toml && ! -e /var/lib/pciassign/domains/$name ]] || fail "files of $name are left"
done
at_once assert_quarantined "${dd_device[@]}"
assert_dom0_unharmed
echo "scenario-driver-domains: PASS"
