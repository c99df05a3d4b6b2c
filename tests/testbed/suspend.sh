# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A suspend of the whole machine to memory, the last thing that scenario-device.sh does: QEMU resets every device. 9p
# does not survive that, and with it xenstored and xenconsoled, which write their logs there: afterwards there is
# no xl and no guest's console. So dom0 and the guest signal each other through configuration space: the guest sees what
# dom0 writes to the register $word, dom0's log has that the guest was denied to write to it.
#
# The guest's driver is not bound meanwhile, as its administrator is told to arrange.
step "a suspend of the machine to memory"
word=50
must guest start sleeper --cfg "pci=[\"$nic\"]"
guest_network sleeper e1000e
hardware "$nic" $word.B=00
# shellcheck disable=SC2016 # the guest's shell expands it
must guest run sleeper '
	cat >/run/sleeper <<-"END"
		device=0000:00:00.0 config=/sys/bus/pci/devices/0000:00:00.0/config
		dmesg -n 1
		echo $device >/sys/bus/pci/drivers/e1000e/unbind
		until [ "$(dd if=$config bs=1 skip=$((0x'$word')) count=1 2>/dev/null)" = G ]; do usleep 200000; done
		echo $device >/sys/bus/pci/drivers/e1000e/bind
		interface=$(ls /sys/bus/pci/drivers/e1000e/$device/net/)
		ip link set $interface up
		guest-agent --wait 60 "grep -q 1 /sys/class/net/$interface/carrier"
		ip addr replace 10.0.2.15/24 dev $interface
		until ping -c 1 -W 2 10.0.2.2; do :; done
		printf D | dd of=$config bs=1 seek=$((0x'$word')) conv=notrunc
	END
	sh /run/sleeper </dev/null >/dev/null 2>&1 &'
must guest until sleeper 60 "! test -e /sys/bus/pci/drivers/e1000e/0000:00:00.0"
free=$(lspci -xxxs "$old_nic")
mkdir -p /run/host
cp -a /host/settings /host/logs /run/host
mount --bind /run/host /host
# An alarm that comes before the machine sleeps wakes nobody, and freezing takes its time.
must rtcwake --mode mem --seconds 15
assert_equal "the registers of a device that nobody has" "$free" "$(lspci -xxxs "$old_nic")"
assert_equal "devices that did not come back" "" "$(<"$driver/reset_failed")"
dmesg_mark
must hardware "$nic" $word.B=47 # G
must wait_dmesg 90 "$nic.*register 0x$word.*denied"
