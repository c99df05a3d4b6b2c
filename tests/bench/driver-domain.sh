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
nic=0000:00:06.0
dd_device[net1]=$nic

note() { taken[$1]+=" $((${EPOCHREALTIME/./} - begin))"; }
median() { tr ' ' '\n' | sed '/^$/d' | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# first_packet: until the guest has an answer; it asks twenty times a second.
first_packet() {
	must guest run one "ping -i 0.05 10.0.2.2 | sed -n '/ seq=/q'"
}

# begin_gap: the guest asks twenty times a second from now on, and tells, by its own clock, the next time without an answer of
# more than 0.3 s: end_gap sets $gap, in microseconds. Meanwhile nothing runs in dom0 but what recovers.
begin_gap() {
	local begun
	exec {answers}< <(guest run --timeout 180 one "last=
		ping -i 0.05 10.0.2.2 | while read -r line; do
			case \$line in *' seq='*) ;; *) continue ;; esac
			read -r now rest </proc/uptime
			now=\${now%.*}\${now#*.}
			if test -z \"\$last\"; then
				echo begun
			elif test \$((now - last)) -gt 30; then
				echo \$((now - last))
				break
			fi
			last=\$now
		done")
	read -r -t 60 -u "$answers" begun
	[[ $begun == begun ]] || fail "the guest has no answer before the crash"
}

end_gap() {
	local hundredths
	read -r -t 180 -u "$answers" hundredths || fail "the guest has no answer after the crash"
	exec {answers}<&-
	gap=${hundredths}0000
}

crash_and_wait() { # MEASURE: until the guest's answer, and the gap that the guest saw
	begin_gap
	panic net1
	begin=${EPOCHREALTIME/./}
	end_gap
	note "$1"
	taken[$1 gap]+=" $gap"
	wait_domain 60 net1 ready
	taken[$1 record]+=" $(domain_json net1 '[.result.last_recovery.phases[].at] | max * 1e6 | floor')"
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

step "the network card by itself, in an ordinary guest: how long its link takes once it is up"
must pciassign domain stop net1
must guest start two --cfg 'passthrough="enabled"' --cfg 'e820_host=1'
must pciassign attach two "$nic" >/dev/null
must guest until two 30 "test -e /sys/bus/pci/devices/0000:00:00.0/net"
link=$(guest run two "cd /sys/bus/pci/devices/0000:00:00.0/net/*
	read -r begin rest </proc/uptime
	ip link set \${PWD##*/} up
	n=0
	until test \"\$(cat carrier)\" = 1; do usleep 10000; n=\$((n + 1)); test \$n -lt 3000 || exit 1; done
	read -r end rest </proc/uptime
	echo \$((\${end%.*}\${end#*.} - \${begin%.*}\${begin#*.}))") || fail "the card has no link"
must guest kill two

step "stock: xen-pciback, xl, and an administrator who types at once"
sed 's/^name *=.*/name = "net1"/' /var/lib/pciassign/domains/net1/domain.cfg >/run/stock.cfg
cp /var/lib/pciassign/domains/net1/{kernel,initramfs} /run/
sed -i -e 's|/var/lib/pciassign/domains/net1/|/run/|g' -e '/on_crash/d' /run/stock.cfg
printf '%s\n' "pci = [\"$nic\"]" 'on_crash = "destroy"' 'driver_domain = 1' >>/run/stock.cfg
must xl network-detach one "$(basename "$(front one vif)")"
must pciassign domain remove net1
pkill -x pciassignd
unload_pciback
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
panic net1
begin=${EPOCHREALTIME/./}
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

of() { median <<<"${taken[$1]}"; }
printf '\n%-66s %9s\n' "median of $rounds (stock: once)" "ms"
show() { printf '%-66s %9d\n' "$1" $((${2:?no figure for $1} / 1000)); }
show "start of the driver domain, until the guest's first answer" "$(of start)"
show "panic, recovered cold, until the guest's first answer" "$(of cold)"
show "  what the guest saw of it: no answer for" "$(of 'cold gap')"
show "  by pciassignd's record, until the guest is connected" "$(of 'cold record')"
show "panic, taken over by a warm standby" "$(of standby)"
show "  what the guest saw of it: no answer for" "$(of 'standby gap')"
show "  by pciassignd's record, until the guest is connected" "$(of 'standby record')"
show "the card's own part of it: its link in a guest, once it is up" "${link}0000"
show "panic with xl, nobody hesitating over $typed commands" "$(of stock)"
awk -v cold="$(of cold)" -v start="$(of start)" -v standby="$(of 'standby gap')" -v stock="$(of stock)" 'BEGIN {
	printf "\ncold recovery / start %.2f (wanted: at most 1.15)\n", cold / start
	printf "warm standby: no answer for %.2f s (wanted: at most 1 s)\n", standby / 1e6
	printf "cold recovery / stock %.2f\n", cold / stock }'
printf '\nbench: PASS\n'
