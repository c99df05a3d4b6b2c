#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back ours --front ours --daemon on --timeout 900
#
# The daemon and the command line as an administrator meets them: a healthy host and broken ones, devices that are there
# before a guest's first instruction, an idle daemon, users without privileges, xl at the same time, Ctrl-C.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/daemon.sh

old_nic=0000:00:03.0
nic=0000:00:04.0
disk=0000:00:05.0
daemon_log=/host/logs/pciassignd.log
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)

# says STATUS REGEX COMMAND...: it ends with STATUS, and its two outputs together match.
says() {
	local want=$1 regex=$2 got=0 text
	shift 2
	text=$("$@" 2>&1) || got=$?
	[[ $got == "$want" ]] || fail "status $got instead of $want: $*: $text"
	assert_match "$*" "$regex" "$text"
}

# never_ran GUEST: it is paused, and has not used its processor yet.
never_ran() {
	local line
	line=$(xl list "$1" | tail -n 1)
	assert_match "state and time of $1" '--p--- +0\.0$' "$line"
}

# starts_with_device GUEST DRIVER: nobody but the kernels is there to do anything, and the first scan of the guest finds
# the device. Nothing is added later: it is the only scan.
starts_with_device() {
	local guest=$1 driver=$2 said daemon
	daemon=$(pgrep -x pciassignd)
	kill -STOP "$daemon"
	must xl unpause "$guest"
	must guest wait "$guest"
	must guest until "$guest" 30 "ls -d /sys/bus/pci/drivers/$driver/*/net/*"
	# Only these lines: what another part of the kernel says may stand between them.
	said=$(guest run "$guest" "dmesg | grep -E 'PCI host bridge to bus|root bus resource|pci 0000:00:00\.0: '")
	kill -CONT "$daemon"
	assert_match "the first scan of $guest" 'root bus resource \[bus.*pci 0000:00:00\.0: \[8086:' "${said//$'\n'/ }"
	assert_equal "buses that $guest made" 1 "$(grep -c 'PCI host bridge' <<<"$said")"
	guest_network "$guest" "$driver"
}

step "doctor finds a host that is in order"
says 0 'D-RIGHTS' pciassign doctor
says 0 'pciback is loaded, version [0-9.]+' pciassign doctor
must pciassign doctor --json | jq -e '[.result[] | select(.severity != "ok")] == []' >/dev/null || fail "doctor --json differs"

step "before boot: pciassign create"
gsis=([3]=$(device_gsi "$old_nic") [4]=$(device_gsi "$nic"))
must guest start one --no-wait --cfg "pci=[\"$nic\"]" --create-with 'pciassign create --no-unpause'
one=$(xl domid one)
never_ran one
must at_once assert_rights "$one" "${gsis[4]}" "$nic"
never_ran one
starts_with_device one e1000e

step "before boot: xl create of a domain that has an assignment"
must pciassign assign two "$old_nic,allow=no-reset"
must kill -HUP "$(pgrep -x pciassignd)"
must wait_log 20 "$daemon_log" 'configuration read again'
# Held by xl as well, so that there is time to look.
must guest start two --no-wait --cfg 'passthrough="enabled"' --cfg 'e820_host=1' --create-with 'xl create -q -p'
must wait_log 60 "$daemon_log" 'info domain-ready: .*domain=two'
two=$(xl domid two)
assert_match "how two was found" 'domain-paused: .*domain=two' "$(<"$daemon_log")"
never_ran two
must at_once assert_rights "$two" "${gsis[3]}" "$old_nic"
never_ran two
starts_with_device two e1000
must pciassign unassign two "$old_nic"

step "an idle daemon sleeps"
daemon=$(pgrep -x pciassignd)
# All threads: how often each was switched to, which a wake-up of any of them counts.
switches() { cat "/proc/$daemon"/task/*/status | awk '/ctxt_switches/ { sum += $2 } END { print sum }'; }
wait_quiet 20
# The last question's connection is closed a moment after its answer.
before=$(switches)
for ((try = 0; try < 30; try++)); do
	sleep 1
	after=$(switches)
	((after != before)) || break
	before=$after
done
# The minute is what is measured. With systemd the watchdog is fed beside this, each 90 s.
sleep 60
after=$(switches)
grep -E '^(VmRSS|RssAnon|RssFile|Threads):' "/proc/$daemon/status"
assert_equal "wake-ups in a minute" 0 $((after - before))
resident=$(awk '/^VmRSS:/ { print $2 }' "/proc/$daemon/status")
((resident <= 10 * 1024)) || fail "the idle daemon has $resident KiB resident, which is more than 10 MiB"

step "the metrics say what is so"
must guest run one 'printf "\\377" | dd of=/sys/bus/pci/devices/0000:00:00.0/config bs=1 seek=10 conv=notrunc 2>/dev/null'
denied=$(awk -v device="$nic" '$1 == device { sum += $3 } END { print sum + 0 }' /sys/bus/pci/drivers/pciback/denied_writes)
((denied > 0)) || fail "pciback counted no write that was denied"
metrics=$(socat -u UNIX-CONNECT:/run/pciassign/metrics.sock -)
assert_match "the end of the metrics" '# EOF$' "$metrics"
for line in 'pciassign_attachments{domain="one",phase="attached"} 1' 'pciassign_attachments{domain="two",phase="attached"} 1' \
	'pciassign_changes_total{kind="attach",result="done"} 2' "pciassign_denied_writes_total{device=\"$nic\"} $denied"; do
	grep -qxF "$line" <<<"$metrics" || fail "the metrics have no line $line: $metrics"
done

step "a user without privileges may look, and change nothing"
before=$(journal=/run/pciassign/journal; ls "$journal"; rights "$one")
says 0 "$nic" "${nobody[@]}" pciassign list
says 0 'attachments: 2' "${nobody[@]}" pciassign status
for change in "attach one $disk" "detach one $nic" "reserve $disk" "release $disk" "reset $disk"; do
	# shellcheck disable=SC2086
	says 4 'E-NOT-ROOT|root only' "${nobody[@]}" pciassign $change
done
says 4 'E-NOT-ROOT|root only' "${nobody[@]}" pciassign create "$(guest config one)"
request='{"jsonrpc":"2.0","id":1,"method":"detach","params":{"domain":"one","devices":["0000:00:04.0"]}}'
says 0 'E-NOT-ROOT' "${nobody[@]}" socat -t 60 - UNIX-CONNECT:/run/pciassign/control.sock <<<"$request"
assert_equal "what is given" "$before" "$(ls /run/pciassign/journal; rights "$one")"

step "without the daemon: root reads for itself, others are told"
kill_daemon
says 0 'pciassignd is not running; reading Xen and sysfs directly' pciassign list
says 0 'pciassignd is not running' pciassign show "$nic"
says 6 'error' "${nobody[@]}" pciassign list
says 6 'pciassignd does not answer' pciassign attach one "$disk"
says 2 'D-DAEMON' pciassign doctor
start_daemon /host/logs/pciassignd-again.log

step "xl and pciassign give nothing away twice"
must xl pci-attach two "$disk"
says 0 'attached by libxl' pciassign list
says 5 'E-OWNED' pciassign attach one "$disk"
says 4 'xl pci-detach' pciassign detach two "$disk"
must_fail - xl pci-attach two "$nic"
assert_match "xl pci-list one" '04\.0' "$(xl pci-list one)"
must_fail - guest start thief --no-wait --cfg "pci=[\"$nic\"]"
must_fail - xl domid thief 2>/dev/null
assert_owner "$nic" "$one"
assert_owner "$disk" "$two"
must guest until two 60 "test -b /dev/nvme0n1"
must xl pci-detach two "$disk"
must assert_rights "$one" "${gsis[4]}" "$nic"
must assert_rights "$two" "${gsis[3]}" "$old_nic"

step "both at once, for two guests"
for round in 1 2 3; do
	ours=0 theirs=0
	# Now xl comes first, now into the middle of what pciassignd has begun.
	if ((round % 2)); then
		lines=$(wc -l <"$daemon_log")
		pciassign attach one "$disk" >/dev/null 2>/run/answer &
		first=$!
		grep -qm 1 'plan-begins: attach' < <(timeout $((30 * TESTBED_PATIENCE)) tail -n "+$((lines + 1))" -F "$daemon_log") ||
			fail "the attach does not begin"
		xl pci-attach two "$disk" >/dev/null 2>&1 || theirs=$?
		wait $first || ours=$?
	else
		xl pci-attach two "$disk" >/dev/null 2>&1 &
		first=$!
		pciassign attach one "$disk" >/dev/null 2>/run/answer || ours=$?
		wait $first || theirs=$?
	fi
	((ours != 0 || theirs != 0)) || fail "both say that they have it"
	((ours == 0 || theirs == 0)) || fail "nobody has it: $(</run/answer)"
	if ((ours == 0)); then winner=$one loser=$two by=pciassign; else winner=$two loser=$one by=xl; fi
	echo "   round $round: $by gives it to domain $winner"
	assert_owner "$disk" "$winner"
	grep -q "$disk" < <(xenstore-ls "/local/domain/0/backend/pci/$loser") && fail "domain $loser was told of $disk as well"
	read -r pages < <(device_pages "$disk")
	in_ranges 16 "${pages%-*}" "$(rangeset "$loser" 'I/O Memory')" &&
		fail "domain $loser has the memory of $disk as well"
	# The driver of the guest has to be there before its device goes.
	if ((ours == 0)); then
		must guest until one 60 "test -b /dev/nvme0n1"
		must pciassign detach one "$disk" >/dev/null
	else
		must guest until two 60 "test -b /dev/nvme0n1"
		must xl pci-detach two "$disk"
	fi
done

step "watch tells of each step, until it is interrupted"
pciassign watch >/run/watched &
watcher=$!
all_of_it="began: attach $disk to one.*done: reset.*done: attach $disk to one.*began: detach $disk"
# It is listening when the daemon knows it, which may be in the middle of an attach: what came too early is repeated.
for ((try = 0; try < 5; try++)); do
	[[ $(</run/watched) =~ $all_of_it ]] && break
	must pciassign attach one "$disk" >/dev/null
	must guest until one 60 "test -b /dev/nvme0n1"
	must pciassign detach one "$disk" >/dev/null
done
kill -INT "$watcher"
must wait "$watcher"
assert_match "watch" "$all_of_it" "$(</run/watched)"

step "Ctrl-C in the middle of an attach takes all of it back"
must guest start mute --front none --cfg 'passthrough="enabled"' --cfg 'e820_host=1'
mute=$(xl domid mute)
pciassign attach mute "$disk" >/run/answer 2>&1 &
client=$!
must wait_log 60 "$daemon_log" "publish 1 device for domain $mute .*state=done"
assert_owner "$disk" "$mute"
kill -INT "$client"
status=0
wait "$client" || status=$?
cat /run/answer
assert_equal "status of the client" 1 "$status"
assert_match "its answer" 'E-CANCELLED|cancelled at your request' "$(</run/answer)"
wait_quiet 60
assert_nothing_left "$mute" "$disk"
assert_quarantined "$disk"
must assert_rights "$mute" ""
must guest kill mute

step "doctor and report on broken hosts"
must xenstore-write /libxl/pci/0000-00-05-0/domid 4242
says 1 'D-NODES.*0000-00-05-0' pciassign doctor
must xenstore-rm /libxl/pci/0000-00-05-0
must guest start rogue --cfg 'iomem=["fe000,1"]'
says 2 'D-RIGHTS.*fe000' pciassign doctor
must guest kill rogue
must guest gone rogue 60
printf '[domain.ghost]\ndevices = ["0000:00:12.0"]\n' >/etc/pciassign/assignments.d/ghost.toml
says 1 'D-ABSENT.*ghost' pciassign doctor
must rm /etc/pciassign/assignments.d/ghost.toml
must pciassign report /run/report.tar.gz
must tar -C /run -xzf /run/report.tar.gz
for part in doctor.txt devices.json kernel.txt xen-console.txt libxl-nodes.txt; do
	[[ -s /run/pciassign-report/$part ]] || fail "the report has no $part"
done
! grep -rwE '52:54:00:00:00:0[0-9a-f]|xl pci-attach two' /run/pciassign-report || fail "the report tells addresses"
! grep -q '"domain_name":"one"' /run/pciassign-report/devices.json || fail "the report tells the names of guests"

assert_dom0_unharmed
echo "scenario-userspace: PASS"
