#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed-alone: five domains at once
# testbed: --back ours --front ours --daemon on --memory 3584 --timeout 1200
#
# Driver domains with a warm standby: another instance is up already, and takes the device when the first one fails.
# shellcheck disable=SC2034,SC2154 # what driver-domains.sh reads and sets
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/driver-domains.sh

step "driver domains with a standby, a guest of each"
must guest start one --timeout 180
take_hang_module one
for name in net1 disk1; do
	make_driver_domain "$name" --standby
done
must xl network-attach one mac=00:16:3e:00:00:01 backend=net1
must xl block-attach one 'format=raw,vdev=xvda,access=rw,backend=disk1,target=/dev/nvme0n1'
network_up one 10.0.2.21
begin_records one
follows one

for how in "panic net1 disk1" "destroy net1" "hang disk1"; do
	read -ra names <<<"$how"
	how=${names[0]}
	step "$how: the standby takes over"
	for name in "${names[@]:1}"; do
		wait_standby "$name"
		begin_ping one
		"$how" "$name"
		assert_recovered "$name"
		assert_equal "who serves now" "$standby" "${dd_id[$name]}"
		[[ $name == net1 ]] && kind=vif || kind=vbd
		wait_served 120 one "$kind" "$name" || fail "one is not served"
		answered one 60
		must check_records one
		printf '   longest time without an answer: %s s\n' "$(end_ping one)"
		pciassign domain show "$name"
	done
done

step "the standby dies: another one is made, and nobody notices"
wait_standby net1
old=$standby
touch "/run/testbed-guests/net1-standby.may-complain"
must xl destroy "$standby"
must assert_domain_gone "$old"
wait_standby net1
[[ $standby != "$old" ]] || fail "no new standby"
assert_equal "who serves" "${dd_id[net1]}" "$(xl domid net1)"

step "the records"
must end_records one
end_guests one
for name in net1 disk1; do must pciassign domain remove "$name"; done
# A guest whose memory a back end had mapped stays in Xen's list a little longer than that one.
end=$((SECONDS + 60 * TESTBED_SLOW))
while
	domains=$(xl list | awk 'NR > 1 { print $1 }' | xargs)
	[[ $domains != Domain-0 ]] && ((SECONDS < end))
do
	sleep 0.5
done
assert_equal "domains" Domain-0 "$domains"
at_once assert_quarantined "${dd_device[@]}"
assert_dom0_unharmed
echo "scenario-standby: PASS"
