#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# driver-domain.sh [ROUNDS]: a network driver domain's kernel panics; how long until a guest has its network again,
# recovered cold and by a warm standby, beside a plain start of the same domain, and beside xl with an administrator at the
# keyboard. One boot; what counts are the ratios. Started by scripts/bench.
# shellcheck disable=SC2034,SC2154 # what driver-domains.sh reads and sets
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/driver-domains.sh

rounds=${1:-3}
declare -A taken # taken[MEASURE]: microseconds, one number a round
nic=${dd_device[net1]}

note() { taken[$1]+=" $((${EPOCHREALTIME/./} - begin))"; }
median() { tr ' ' '\n' | sed '/^$/d' | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# first_packet: until the guest has an answer; it asks twenty times a second.
first_packet() {
	must guest run one "ping -i 0.05 10.0.2.2 | sed -n '/ seq=/q'"
}

# down: until Xen says that net1 has crashed, so that no answer is one of before.
down() {
	local id=$1 event
	while [[ $(xl list "$id" 2>/dev/null | awk 'NR == 2 { print $5 }') =~ ^[rb-] && ! $(xl list "$id" 2>/dev/null | awk 'NR == 2 { print $5 }') =~ c ]] &&
		read -r -t 30 event; do
		: "$event"
	done < <(timeout 30 xenstore-watch @releaseDomain 2>/dev/null)
}

crash_and_wait() { # MEASURE
	local old
	old=$(xl domid net1)
	# The kernel panics as soon as it has seen what xl wrote: within milliseconds.
	panic net1
	begin=${EPOCHREALTIME/./}
	down "$old"
	first_packet
	note "$1"
	wait_domain 60 net1 ready
}

step "a guest of a network driver domain"
must guest start one
take_hang_module one
make_driver_domain net1
must xl network-attach one mac=00:16:3e:00:00:01 backend=net1
network_up one 10.0.2.21

for ((round = 0; round < rounds; round++)); do
	step "round $((round + 1)): a plain start, until the guest has an answer"
	must pciassign domain stop net1
	begin=${EPOCHREALTIME/./}
	pciassign domain start net1 >/dev/null &
	first_packet
	note start
	wait $! || fail "net1 does not start"
	step "a panic, recovered cold"
	crash_and_wait cold
	pciassign domain show net1 | sed 's/^/   /'
done

step "the same with a warm standby"
must guest run one "ip link set eth0 down"
must xl network-detach one 0
must pciassign domain remove net1
make_driver_domain net1 --standby
must xl network-attach one mac=00:16:3e:00:00:01 backend=net1
must guest until one 30 "test -e /sys/class/net/eth0"
network_up one 10.0.2.21
for ((round = 0; round < rounds; round++)); do
	wait_standby net1
	crash_and_wait standby
	pciassign domain show net1 | sed 's/^/   /'
done

step "stock: xen-pciback, xl, and an administrator who types at once"
sed 's/^name *=.*/name = "net1"/' /var/lib/pciassign/domains/net1/domain.cfg >/run/stock.cfg
cp /var/lib/pciassign/domains/net1/{kernel,initramfs} /run/
sed -i -e 's|/var/lib/pciassign/domains/net1/|/run/|g' -e '/on_crash/d' /run/stock.cfg
printf '%s\n' "pci = [\"$nic\"]" 'on_crash = "destroy"' 'driver_domain = 1' >>/run/stock.cfg
must xl network-detach one "$(basename "$(front one vif)")"
must pciassign domain remove net1
pkill -x pciassignd
must modprobe -r pciback
must modprobe xen-pciback "hide=($nic)"
stock_up() { wait_xenstore 60 "/local/domain/$(xl domid net1)/data/pciassign/state" == ready; }
attach_again() {
	must xl network-attach one mac=00:16:3e:00:00:01 backend=net1
	must guest until one 30 "test -e /sys/class/net/eth0"
	must guest run one "ip link set eth0 up && ip addr replace 10.0.2.21/24 dev eth0"
}
must xl create -q /run/stock.cfg
must stock_up
attach_again
first_packet
old=$(xl domid net1)
panic net1
begin=${EPOCHREALTIME/./}
down "$old"
typed=0
type_in() { typed=$((typed + 1)) && printf '   # %s\n' "$*" && must "$@"; }
# xl destroys it by itself (on_crash), which takes ten seconds for each device; before that the name is taken.
must guest gone net1 120
type_in xl create -q /run/stock.cfg
must stock_up
type_in xl network-detach one "$(basename "$(front one vif)")"
type_in xl network-attach one mac=00:16:3e:00:00:01 backend=net1
must guest until one 30 "test -e /sys/class/net/eth0"
type_in guest run one "ip link set eth0 up && ip addr replace 10.0.2.21/24 dev eth0"
first_packet
note stock

cold=$(median <<<"${taken[cold]}") start=$(median <<<"${taken[start]}") standby=$(median <<<"${taken[standby]}") stock=${taken[stock]}
printf '\n%-66s %9s\n' "median of $rounds (stock: once)" "ms"
printf '%-66s %9d\n' "start of the driver domain, until the guest's first answer" $((start / 1000)) \
	"panic, recovered cold, until the guest's first answer" $((cold / 1000)) \
	"panic, taken over by a warm standby" $((standby / 1000)) \
	"panic with xl, nobody hesitating over $typed commands" $((stock / 1000))
awk -v cold="$cold" -v start="$start" -v standby="$standby" -v stock="$stock" 'BEGIN {
	printf "\ncold recovery / start %.2f (wanted: at most 1.15)\n", cold / start
	printf "warm standby / start %.2f, %.2f s (wanted: at most 1 s)\n", standby / start, standby / 1e6
	printf "cold recovery / stock %.2f\n", cold / stock }'
printf '\nbench: PASS\n'
