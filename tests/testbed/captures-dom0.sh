# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The dom0 half of tests/testbed/captures: writes what dom0 knows of each function with an ordinary
# header, as `info` lines (the resources: first and last address, flags) and the non-zero rows
# of its configuration space, to /host/logs/captures/BDF.
. /usr/share/pciassign-tests/lib.sh

# A virtual function: nobody has to drive it.
numvfs=(/sys/bus/pci/devices/*/sriov_numvfs)
physical=${numvfs[0]%/*}
must test -e "$physical/sriov_numvfs"
echo 0 >"$physical/sriov_drivers_autoprobe"
echo 1 >"$physical/sriov_numvfs" || fail "no virtual function: $(dmesg | tail -n 3)"

mkdir -p /host/logs/captures
for device in /sys/bus/pci/devices/*; do
	[[ $(od -An -tx1 -j 14 -N 1 "$device/config") =~ [08]0 ]] || continue
	{
		echo "irq $(<"$device/irq")"
		[[ -e $device/physfn ]] && echo "vf $(<"$device/vendor") $(<"$device/device")"
		head -n 7 "$device/resource" | sed 's/^/resource /'
		echo "size $(stat --format %s "$device/config")"
		od -v -Ax -tx1 -w16 "$device/config" | grep -vE '^[0-9a-f]+( 00)*$'
	} >"/host/logs/captures/${device##*/}"
	echo "${device##*/} $(<"$device/class") $(<"$device/vendor"):$(<"$device/device") $(stat --format %s "$device/config")"
done
