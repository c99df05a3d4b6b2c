#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The main job on real Xen, in dom0, told step by step. Started by scripts/demo.
# shellcheck disable=SC2034,SC2154 # what driver-domains.sh reads and sets
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/driver-domains.sh

nic=0000:00:04.0
disk=0000:00:05.0
spare=0000:00:03.0

say() { printf '   %s\n' "$*"; }
indented() { sed 's/^/   | /'; }
# told COMMAND...: its output is part of the story, and it has to succeed.
told() {
	"$@" 2>&1 | indented
	local status=${PIPESTATUS[0]}
	((status == 0)) || fail "status $status: $*"
}
now() { cut -d ' ' -f 1 /proc/uptime; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'; }

show_rights() {
	say "Xen's rangesets of domain $1 (debug key q) and owners (debug key Q):"
	rights "$1" | indented
	for device in "$nic" "$disk"; do echo "$device belongs to d[$(device_owner "$device")]"; done | indented
}

read_disk() {
	local sum
	sum=$(guest run "$1" "dd if=/dev/nvme0n1 bs=64k iflag=count_bytes count=$TESTBED_NVME_BYTES 2>/dev/null | sha256sum") || fail "reading the disk in $1"
	assert_equal "SHA-256 of the disk's content" "$TESTBED_NVME_SHA256" "${sum%% *}"
	say "the disk holds what the host put there: sha256 ${sum:0:16}..."
}

step "1. dom0's devices; pciback.hide seized three before any other driver"
told pciassign list
say "kernel parameter: $(grep -o 'pciback.hide=[^ ]*' /proc/cmdline)"
for device in "$spare" "$nic" "$disk"; do
	assert_equal "driver of $device" pciback "$(device_driver "$device")"
done
for module in e1000 e1000e nvme; do
	[[ -d /sys/module/$module ]] || fail "$module is not loaded in dom0, so nothing shows that pciback was first"
done
say "dom0 has e1000, e1000e and nvme loaded, and none of them got a device"
gsis="$(device_gsi "$nic") $(device_gsi "$disk")"

step "2. a driver domain is configured with the e1000e and the nvme"
mkdir -p /etc/pciassign/assignments.d
cat >/etc/pciassign/assignments.d/driver.toml <<-EOF
	[domain.driver]
	devices = ["$nic", "$disk"]
	on_failure = "keep-paused"
EOF
indented </etc/pciassign/assignments.d/driver.toml
pkill -HUP -x pciassignd || fail "pciassignd does not run"
say "before: Xen's own view (debug keys q and Q): no domain but dom0, the devices are dom0's"
debug_key qQ | grep -E "General information|($nic|$disk) - " | sed 's/^(XEN) //' | indented

step "3. plain xl creates the domain and leaves it paused; pciassignd has attached the devices already"
begin=$(now)
must guest start driver --mem 256 --cfg 'passthrough="enabled"' --cfg 'e820_host=1' --create-with 'xl create -q -p' --no-wait
id=$(xl domid driver)
must wait_log 60 /host/logs/pciassignd.log 'domain-ready'
say "pciassignd's plan, which was carried out ($(since "$begin") s with xl's creation of the domain):"
sed -n 's/.*debug step: \(.*\) state=done .*/\1/p; s/.*info plan-done: /done: /p' /host/logs/pciassignd.log | indented
told xl list
assert_equal "time that the domain has run" 0.0 "$(xl list driver | awk 'NR == 2 { print $NF }')"
say "it has not executed an instruction yet"

step "4. what the hypervisor grants is exactly these devices"
show_rights "$id"
must assert_rights "$id" "$gsis" "$nic" "$disk"
say "equal to the BARs, ports and interrupts of the two devices"

step "5. it runs: the guest's own drivers, a ping through the NIC, the disk's content"
must xl unpause driver
must guest wait driver
told guest run driver "lspci -nnk"
told guest_network driver e1000e
must guest until driver 20 "test -b /dev/nvme0n1"
read_disk driver

step "6. the driver domain's kernel panics"
begin=$(now)
must guest crash driver
must guest gone driver 60
must wait_journal_empty 60
say "devices reset, quarantined and free again $(since "$begin") s after the panic"
must assert_quarantined "$nic" "$disk"
must assert_nothing_left "$id" "$nic" "$disk"
assert_dom0_unharmed
for device in "$nic" "$disk"; do echo "$device belongs to d[$(device_owner "$device")]"; done | indented
say "dom0 is unharmed: no warning in its log, up $(now) s"

step "7. a second domain gets the same devices and they work again"
rm /etc/pciassign/assignments.d/driver.toml
pkill -HUP -x pciassignd
begin=$(now)
told guest start second --mem 256 --cfg "pci=[\"$nic\",\"$disk\"]" --create-with 'pciassign create --verbose'
id=$(xl domid second)
say "pciassign create to a guest that takes commands: $(since "$begin") s"
told guest_network second e1000e
must guest until second 60 "test -b /dev/nvme0n1"
read_disk second
# Now that its drivers have their interrupts, these do not change while they are compared.
must assert_rights "$id" "$gsis" "$nic" "$disk"

step "8. hot detach and attach"
told pciassign detach --verbose second "$nic"
must_fail - guest run second "ls -d /sys/bus/pci/drivers/e1000e/*/net" >/dev/null 2>&1
must assert_rights "$id" "$(cut -d ' ' -f 2 <<<"$gsis")" "$disk"
must assert_quarantined "$nic"
told pciassign attach --verbose second "$nic"
told guest_network second e1000e
must assert_rights "$id" "$gsis" "$nic" "$disk"
show_rights "$id"

step "9. the domain is destroyed: everything goes back"
must guest kill second
must wait_journal_empty 60
must assert_quarantined "$nic" "$disk"
must assert_nothing_left "$id" "$nic" "$disk"
assert_dom0_unharmed
told pciassign list

step "10. a driver domain for the network, with an image of its own, serves a guest"
must guest start one
take_hang_module one
begin=$(now)
make_driver_domain net1
say "pciassign domain create net1 --class net --device $nic, until it is ready: $(since "$begin") s"
told xl network-attach one mac=00:16:3e:00:00:01 backend=net1
network_up one 10.0.2.21
told pciassign domain show net1
interface=$(guest run one "ip -o -4 addr show eth0")
begin_ping one
told guest run one "tail -n 2 /run/ping.log"

step "11. the driver domain's kernel panics, and nobody does anything"
panic net1
assert_recovered net1
must guest until one 60 "ping -c 1 -W 5 10.0.2.2"
told guest run one "tail -n 2 /run/ping.log"
say "the ping goes on, after $(end_ping one) s without an answer, on the same interface with the same address:"
assert_equal "the guest's interface" "$interface" "$(guest run one "ip -o -4 addr show eth0")"
indented <<<"$interface"
told pciassign domain show net1
must guest kill one
told pciassign domain remove net1
must assert_domain_gone "${dd_id[net1]}"
must assert_quarantined "$nic"
assert_dom0_unharmed

printf '\ndemo: PASS\n'
