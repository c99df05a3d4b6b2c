#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --back ours --front ours --daemon off --timeout 900
# testbed: --qemu '-netdev user,id=net7 -device rtl8139,netdev=net7,addr=7'
# testbed: --qemu '-netdev user,id=net8 -device pcie-root-port,id=port8,chassis=8,slot=8,addr=8 -device e1000e,bus=port8,netdev=net8'
#
# What pciback does with a device itself: its attributes, options of one attachment, resets that a guest asks
# for, power states, a shared interrupt line; what it does with attachments (attach.sh); and a suspend (suspend.sh).
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh

driver=/sys/bus/pci/drivers/pciback
old_nic=0000:00:03.0
nic=0000:00:04.0
disk=0000:00:05.0
neighbour=0000:00:07.0
tracing=/sys/kernel/tracing
must mount -t tracefs tracefs "$tracing"
must tee "$tracing/events/pciback/enable" <<<1 >/dev/null

# hardware SBDF REGISTER: as setpci writes them, in dom0, past pciback.
hardware() { setpci -s "$1" "$2"; }

# offset SBDF REGISTER: where setpci finds it.
offset() { setpci -D -v -s "$1" "$2" | sed -n 's/.*@\([0-9a-f]*\) = .*/\1/p'; }

# view GUEST OFFSET BYTES: what the guest sees of its first device; hexadecimal, the lowest byte first.
view() { guest run "$1" "dd if=/sys/bus/pci/devices/0000:00:00.0/config bs=1 skip=$((16#$2)) count=$3 2>/dev/null | hexdump -v -e '1/1 \"%02x\"'"; }

# write GUEST OFFSET BYTES: in hexadecimal, the lowest byte first, as one access.
write() {
	local bytes='' byte i
	for ((i = 0; i < ${#3}; i += 2)); do
		printf -v byte '\\%03o' "0x${3:i:2}"
		bytes+=$byte
	done
	guest run "$1" "printf '$bytes' | dd of=/sys/bus/pci/devices/0000:00:00.0/config bs=$((${#3} / 2)) seek=$((16#$2 / (${#3} / 2))) conv=notrunc 2>/dev/null"
}

# events NAME: how often this happened since the trace was emptied.
events() { grep -c " $1:" "$tracing/trace"; }

# denied SBDF REGISTER: the count in denied_writes, nothing if there is none.
denied() { awk -v device="$1" -v register="$2" '$1 == device && $2 == register { print $3 }' "$driver/denied_writes"; }

# start_with GUEST DRIVER CFG: created with devices of which the first one is DRIVER's, and that driver is done with it: before
# that it would undo what is written to the registers, and complain when it is killed.
start_with() {
	must guest start "$1" --cfg "$3"
	must guest until "$1" 60 "ls -d /sys/bus/pci/drivers/$2/0000:00:00.0/net/*"
}

# end_guest GUEST SBDF...: it is destroyed, and pciback has its devices again.
end_guest() {
	local id
	id=$(xl domid "$1")
	must guest kill "$1"
	must guest gone "$1" 60
	shift
	must wait_taken_back "$id" "$@"
}

step "attributes are longer than a page"
for slot in {0..31}; do
	for function in {0..7}; do
		for bus in f0 f1; do printf '0000:%s:%02x.%x\n' "$bus" "$slot" "$function"; done
	done
done >/tmp/many
while read -r line; do echo "$line" >"$driver/new_slot" || fail "new_slot: $line"; done </tmp/many
assert_equal "slots that were added" "$(sort /tmp/many)" "$(grep -E '^0000:f[01]:' "$driver/slots" | sort)"
assert_equal "lines of slots that are not an address" "" "$(grep -vE '^[0-9a-f]{4}(:[0-9a-f]{2}){2}\.[0-7]$' "$driver/slots")"
for bus in f0 f1; do must tee "$driver/remove_slot" <<<"0000:$bus:*.*" >/dev/null; done
assert_equal "slots" "$old_nic $nic $disk" "$(sort "$driver/slots" | xargs)"

step "a domain that never came leaves no option behind, when told"
must tee "$driver/permissive" <<<"$nic" >/dev/null
assert_equal "permissive" "$nic" "$(<"$driver/permissive")"
must tee "$driver/permissive" <<<"-$nic" >/dev/null
assert_equal "permissive" "" "$(<"$driver/permissive")"
echo "$nic-50:1:0f" >"$driver/quirks"
must tee "$driver/quirks" <<<"-$nic" >/dev/null
assert_equal "quirks" "" "$(<"$driver/quirks")"
must_fail - tee "$driver/quirks" <<<"$nic-10:4:0" 2>/dev/null # a BAR is protected in every mode
must_fail - tee "$driver/permissive" <<<"0000:00:0a.0" 2>/dev/null

step "a denied write is counted and logged once for each register"
hardware "$nic" 50.B=00
must guest start net --cfg "pci=[\"$nic\"]"
guest_network net e1000e
assert_equal "denied writes before" "" "$(denied "$nic" 050)"
must write net 50 ff
must write net 51 ff
must write net 50 ffff0000
assert_equal "denied writes" 3 "$(denied "$nic" 050)"
assert_equal "lines of the log" 1 "$(dmesg | grep -c "$nic.*register 0x5[0-3].*denied")"
assert_equal "the hardware" 00 "$(hardware "$nic" 50.B)"
((3 <= $(events pciback_denied))) || fail "no trace of the denied writes"
((1 <= $(events pciback_attach) && 100 <= $(events pciback_op))) || fail "no trace of the attachment or its ops"
must write net 04 0004 # decode and mastering off, INTX_DISABLE on
assert_match "decode stays on, mastering off" '3$' "$(hardware "$nic" COMMAND.W)"
end_guest net "$nic"

step "options last for one attachment: permissive, interrupt control, a quirk with its mask"
start_with net e1000e "pci=[\"$nic,permissive=1\"]"
assert_equal "permissive" "$nic" "$(<"$driver/permissive")"
must write net 50 5a
assert_equal "the hardware" 5a "$(hardware "$nic" 50.B)"
end_guest net "$nic"
assert_equal "permissive afterwards" "" "$(<"$driver/permissive")"
hardware "$nic" 50.B=00
echo "$nic-50:1:0f" >"$driver/quirks"
echo "$old_nic" >"$driver/allow_interrupt_control"
assert_match "quirks" '00:04.0.*00000050:1:0000000f' "$(<"$driver/quirks")"
start_with net e1000e "pci=[\"$nic\"]"
must write net 50 ff
assert_equal "the hardware under a quirk" 0f "$(hardware "$nic" 50.B)"
end_guest net "$nic"
assert_equal "quirks afterwards" "" "$(<"$driver/quirks")"
start_with net e1000 "pci=[\"$old_nic\"]"
must write net 04 0704
assert_match "INTX_DISABLE under interrupt control" '^0[4-7]' "$(hardware "$old_nic" COMMAND.W)"
end_guest net "$old_nic"
assert_equal "allow_interrupt_control afterwards" "" "$(<"$driver/allow_interrupt_control")"
start_with net e1000e "pci=[\"$nic\",\"$old_nic\"]"
hardware "$nic" 50.B=00
must write net 50 ff
assert_equal "the hardware without a quirk" 00 "$(hardware "$nic" 50.B)"
assert_equal "denied writes of this attachment" 1 "$(denied "$nic" 050)"

step "a power state is the guest's view; the way back is a verified reset, and the device works"
pmcsr=$(offset "$nic" CAP_PM+4.W)
echo >"$tracing/trace"
guest_network net e1000e
must guest run net "ip link set \$(ls /sys/bus/pci/drivers/e1000e/*/net/) down"
must write net "$pmcsr" 0300
assert_equal "the guest's view" 03 "$(view net "$pmcsr" 1)"
assert_match "the hardware's power state" '0$' "$(hardware "$nic" CAP_PM+4.W)"
assert_match "decode on, mastering off" '3$' "$(hardware "$nic" COMMAND.W)"
assert_equal "resets" 0 "$(events pciback_reset)"
must write net "$pmcsr" 0000
assert_equal "the guest's view" 00 "$(view net "$pmcsr" 1)"
assert_equal "resets" 1 "$(grep -c " pciback_reset: $nic err=0" "$tracing/trace")"
# Linux restores MSI-X by itself after a reset, which a PV guest cannot: not while a driver uses it.
reset_unbound() { # GUEST DRIVER METHOD
	must guest run "$1" "
		cd /sys/bus/pci/devices/0000:00:00.0
		echo 0000:00:00.0 >/sys/bus/pci/drivers/$2/unbind &&
		echo $3 >reset_method && echo 1 >reset && echo 0000:00:00.0 >/sys/bus/pci/drivers/$2/bind"
}
reset_unbound net e1000e pm
assert_equal "resets" 2 "$(grep -c " pciback_reset: $nic err=0" "$tracing/trace")"
must guest run net 'echo 0000:00:00.0 >/sys/bus/pci/drivers/e1000e/unbind && echo 0000:00:00.0 >/sys/bus/pci/drivers/e1000e/bind'
guest_network net e1000e
assert_equal "failed resets" "" "$(<"$driver/reset_failed")"

step "a function-level reset that a guest asks for is a real one"
must guest start store --cfg "pci=[\"$disk\"]"
must guest until store 30 "test -b /dev/nvme0n1"
echo >"$tracing/trace"
reset_unbound store nvme flr
must guest until store 30 "test -b /dev/nvme0n1"
assert_equal "resets" 1 "$(grep -c " pciback_reset: $disk err=0" "$tracing/trace")"
sum=$(guest run store "dd if=/dev/nvme0n1 bs=64k iflag=count_bytes count=$TESTBED_NVME_BYTES 2>/dev/null | sha256sum")
assert_equal "the disk's content after the reset" "$TESTBED_NVME_SHA256" "${sum%% *}"
end_guest store "$disk"

step "dom0 and a guest share an interrupt line"
assert_equal "the line of both" "$(device_gsi "$neighbour")" "$(device_gsi "$old_nic")"
# dom0_pings: whose link may still be coming up.
dom0_pings() {
	local end=$((SECONDS + 30 * TESTBED_PATIENCE))
	until ping -c 3 -i 0.2 -W 10 10.0.2.2; do
		((SECONDS < end)) || fail "dom0's own network does not work"
	done
}
handler() { grep "^$old_nic:" "$driver/irq_handlers"; }
assert_match "the handler, dom0's driver bound" ':on:' "$(handler)"
must guest run net "ip link set \$(ls /sys/bus/pci/drivers/e1000e/*/net/) down"
guest_network net e1000
assert_match "interrupts that were claimed" ':on:acking:[1-9]' "$(handler)"
interface=$(ls "/sys/bus/pci/devices/$neighbour/net/")
must ip link set "$interface" up
must ip addr add 10.0.2.15/24 dev "$interface"
dom0_pings
guest_network net e1000
handler

step "a guest raises the line and does not answer: it is held in the hardware, and dom0's device works on"
in_guest=/sys/bus/pci/devices/0000:00:01.0
must guest run net "basename \$(readlink $in_guest/driver) && echo 0000:00:01.0 >$in_guest/driver/unbind"
assert_equal "INTX_DISABLE before" 0 $((16#$(hardware "$old_nic" COMMAND.W) & 0x400))
# The interrupt of a change of the link is allowed (IMS), and made (ICS).
must guest run net "
	read -r start end flags <$in_guest/resource
	devmem \$((start + 0xd0)) 32 4
	devmem \$((start + 0xc8)) 32 4"
dom0_pings
assert_equal "INTX_DISABLE" $((0x400)) $((16#$(hardware "$old_nic" COMMAND.W) & 0x400))
must guest run net "echo 0000:00:01.0 >/sys/bus/pci/drivers/e1000/bind"
guest_network net e1000
assert_equal "INTX_DISABLE afterwards" 0 $((16#$(hardware "$old_nic" COMMAND.W) & 0x400))

step "dom0's own driver of the line goes and comes"
bound=$(device_driver "$neighbour")
must tee "/sys/bus/pci/drivers/$bound/unbind" <<<"$neighbour" >/dev/null
assert_match "the handler, dom0's driver gone" ':off:' "$(handler)"
guest_network net e1000
must tee "/sys/bus/pci/drivers/$bound/bind" <<<"$neighbour" >/dev/null
assert_match "the handler, dom0's driver back" ':on:' "$(handler)"
end_guest net "$nic" "$old_nic"
assert_match "the handler, the guest gone" ':off:not acking' "$(handler)"

. /usr/share/pciassign-tests/attach.sh

step "the module unloads and comes back"
unload_pciback
must modprobe pciback
assert_equal "the e1000e's driver" pciback "$(device_driver "$nic")"
assert_dom0_unharmed

. /usr/share/pciassign-tests/suspend.sh
assert_dom0_unharmed
echo "scenario-device: PASS"
