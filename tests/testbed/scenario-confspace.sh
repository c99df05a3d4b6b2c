#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back ours --front ours --daemon off
#
# The configuration space on the wire: what a guest sees of three devices, in 256 and in 4096 bytes; then it
# overwrites all of it, again and again. The hardware's registers stay as they were, dom0 is unharmed, and the
# guest's drivers work afterwards.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh

names=() virtual=()
declare -A real=([e1000]=0000:00:03.0 [e1000e]=0000:00:04.0 [nvme]=0000:00:05.0)

# guest_device NAME: where the guest has it.
guest_device() {
	guest run hostile "basename \$(ls -d /sys/bus/pci/drivers/$1/0000:*)"
}

# bytes COMMAND...: what it prints, into the array config.
bytes() {
	mapfile -t config < <("$@" | tr -s ' \n' '\n' | sed '/^$/d; s/^/0x/')
}

# The identifiers of both lists, as the bytes in config have them.
capabilities() {
	local at=$((config[0x34])) next steps=0 out=
	while ((at && steps++ < 48)); do
		out+=" ${config[at]#0x}"
		at=$((config[at + 1]))
	done
	at=$((${#config[@]} > 256 ? 256 : 0))
	while ((at && steps++ < 500)); do
		next=$(((config[at + 3] << 8 | config[at + 2]) >> 4))
		((config[at] | config[at + 1])) && out+=" $(printf '%04x' $((config[at + 1] << 8 | config[at])))"
		at=$next
	done
	echo "${out# }"
}

# hardware SBDF: its registers, without what changes by itself or by right: of the command register decode,
# mastering, MWI (for which the PCI core sets the line size) and INTx; both status registers.
hardware() {
	local pcie
	bytes od -An -v -tx1 -w16 "/sys/bus/pci/devices/$1/config"
	config[4]=$((config[4] & ~0x17))
	config[5]=$((config[5] & ~0x04))
	config[6]=status config[7]=status config[0x0c]=line
	pcie=$((config[0x34]))
	while ((pcie && config[pcie] != 0x10)); do pcie=$((config[pcie + 1])); done
	((pcie == 0)) || config[pcie + 10]=status config[pcie + 11]=status
	echo "${config[*]}"
}

# same_registers NAME BEFORE AFTER
same_registers() {
	local -a was is
	local i wrong=
	read -ra was <<<"$2"
	read -ra is <<<"$3"
	for i in "${!was[@]}"; do
		[[ ${was[i]} == "${is[i]}" ]] || wrong+=$(printf ' %x: %s became %s;' "$i" "${was[i]}" "${is[i]}")
	done
	[[ -z $wrong ]] || fail "the $1's registers:$wrong"
}

step "a guest with an e1000, an e1000e and an NVMe device"
must guest start hostile --timeout 180 --cfg 'pci=["00:03.0", "00:04.0", "00:05.0"]'
for name in "${!real[@]}"; do
	must guest until hostile 60 "ls -d /sys/bus/pci/drivers/$name/0000:*"
	virtual[${#virtual[@]}]=$(guest_device "$name")
	names+=("$name")
done

step "it sees the capabilities that it may see"

for i in "${!names[@]}"; do
	bytes guest run hostile "od -An -v -tx1 /sys/bus/pci/devices/${virtual[i]}/config"
	echo "${names[i]} at ${virtual[i]}: ${#config[@]} bytes, capabilities: $(capabilities)"
	case ${names[i]} in
	e1000) wanted="256:" ;;
	e1000e) wanted="4096:01 05 10 11 0001 0003" ;;
	nvme) wanted="4096:11 10 01" ;;
	esac
	assert_equal "size and capabilities of the ${names[i]}" "$wanted" "${#config[@]}:$(capabilities)"
done

step "it overwrites all of it"
for i in "${!names[@]}"; do
	must guest run hostile "cd /sys/bus/pci/devices/${virtual[i]} && echo ${virtual[i]} >driver/unbind && cat config >/run/config-${virtual[i]}"
done
declare -A before=()
for name in "${names[@]}"; do before[$name]=$(hardware "${real[$name]}"); done
for i in "${!names[@]}"; do
	must guest run --timeout 240 hostile "
		cd /sys/bus/pci/devices/${virtual[i]}
		size=\$(wc -c <config)
		over() { head -c \$size | dd of=config bs=\$size conv=notrunc iflag=fullblock 2>/dev/null; }
		for round in 1 2 3; do
			tr '\\000' '\\377' </dev/zero | over
			over </dev/zero
			over </dev/urandom
		done
		over </run/config-${virtual[i]}
		# The last reset has ended when this is answered.
		od -An -tx4 -N 4 config"
done
for name in "${names[@]}"; do
	same_registers "$name" "${before[$name]}" "$(hardware "${real[$name]}")"
	command=$(od -An -tx1 -j 4 -N 1 "/sys/bus/pci/devices/${real[$name]}/config")
	(((0x${command// /} & 2) == 2)) || fail "the $name does not decode memory: command $command"
	assert_equal "power state of the $name" D0 "$(<"/sys/bus/pci/devices/${real[$name]}/power_state")"
	assert_match "denied writes" "${real[$name]}" "$(</sys/bus/pci/drivers/pciback/denied_writes)"
done

step "its drivers work with the devices again"
for i in "${!names[@]}"; do
	must guest run hostile "echo ${virtual[i]} >/sys/bus/pci/drivers/${names[i]}/bind"
done
guest_network hostile e1000e || fail "no network through the e1000e"
must guest run hostile "ip addr flush dev \$(ls /sys/bus/pci/drivers/e1000e/*/net/)"
guest_network hostile e1000 || fail "no network through the e1000"
must guest until hostile 60 "test -b /dev/nvme0n1"
sum=$(guest run hostile "dd if=/dev/nvme0n1 bs=64k iflag=count_bytes count=$TESTBED_NVME_BYTES 2>/dev/null | sha256sum")
assert_equal "the disk's content" "$TESTBED_NVME_SHA256" "${sum%% *}"

must guest kill hostile
must guest gone hostile 60
assert_dom0_unharmed
echo "scenario-confspace: PASS"
