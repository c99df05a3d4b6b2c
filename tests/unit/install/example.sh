#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# example.sh BUILD SOURCE COMPILER VERSION [FLAGS...]: installs what BUILD has into a tree of its own, checks the library's name and
# pkg-config file, compiles the example with nothing but that tree, and runs it on a machine with one device.
set -euo pipefail
build=$1 source=$2 compiler=$3 version=$4
shift 4
tree=$build/installed
example=$source/Documentation/examples/devices.cpp

fail() {
	echo "example: $*" >&2
	exit 1
}

rm -rf "$tree"
DESTDIR=$tree cmake --install "$build" >/dev/null

export PKG_CONFIG_SYSROOT_DIR=$tree PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
pc=$(find "$tree" -name pciassign.pc)
[[ -n $pc ]] || fail "no pciassign.pc is installed"
export PKG_CONFIG_PATH=${pc%/*}
[[ $(pkg-config --modversion pciassign) == "$version" ]] || fail "pciassign.pc tells $(pkg-config --modversion pciassign), not $version"

library=$(find "$tree" -name "libpciassign.so.$version")
[[ -n $library ]] || fail "no libpciassign.so.$version is installed"
soname=$(objdump -p "$library" | awk '$1 == "SONAME" { print $2 }')
[[ $soname == libpciassign.so.0 ]] || fail "the library calls itself $soname"
for name in "$soname" libpciassign.so; do
	[[ $(readlink -f "${library%/*}/$name") == "$library" ]] || fail "$name does not lead to the library"
done

# Each public header by itself, and none that is not.
headers=$(find "$tree" -path '*/include/pciassign/*.hpp' -printf '%f\n' | sort)
((${#headers} > 0)) || fail "no header is installed"
[[ $headers != *rpc* && $headers != *sim* && $headers != *config* ]] || fail "headers that are not public are installed"
for header in $headers; do
	grep -qF "#include \"pciassign/$header\"" "$source"/libpciassign/include/pciassign/*.hpp "$example" "$source"/libpciassign/src/*/*.cpp ||
		fail "$header is installed and nobody uses it"
done

(($(wc -l <"$example") < 50)) || fail "the example has 50 lines or more"
read -r -a compile < <(pkg-config --cflags pciassign)
read -r -a link < <(pkg-config --libs pciassign)
"$compiler" -Wall -Wextra -Werror "$@" "${compile[@]}" "$example" "${link[@]}" -o "$tree/devices"
needed=$(objdump -p "$tree/devices" | awk '$1 == "NEEDED" { print $2 }')
grep -qx 'libpciassign\.so\.0' <<<"$needed" || fail "the example does not ask for libpciassign.so.0, but for: ${needed//$'\n'/ }"

device=$tree/machine/sys/devices/pci0000:00/0000:00:04.0
mkdir -p "$device" "$tree/machine/sys/bus/pci/devices"
ln -s "../../../devices/pci0000:00/0000:00:04.0" "$tree/machine/sys/bus/pci/devices/0000:00:04.0"
echo 0x8086 >"$device/vendor"
echo 0x10d3 >"$device/device"
echo 0x020000 >"$device/class"
echo 20 >"$device/irq"
echo "flr pm" >"$device/reset_method"
head -c 4096 /dev/zero >"$device/config"
said=$(LD_LIBRARY_PATH=${library%/*} "$tree/devices" "$tree/machine/sys")
echo "$said"
[[ $said == "0000:00:04.0  pci0000:00/04.0  no driver  resets: flr pm"* ]] || fail "that is not the machine's device"
[[ $said == *E-NOT-RESERVED* ]] || fail "a device that is not on pciback was not refused"
status=0
LD_LIBRARY_PATH=${library%/*} "$tree/devices" "$tree/absent" 2>/dev/null || status=$?
((status == 6)) || fail "without a bus the example ends with $status, not 6 (unavailable)"
