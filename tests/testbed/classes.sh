# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# testbed: --daemon off --iommu intel
# testbed: --dom0-arg 'pciback.hide=(00:03.0)(00:04.0)(00:06.0)(00:07.0)(00:08.0)(00:0a.0)(00:0b.0)(00:0c.0)(00:0d.*)(00:10.0)(01:00.0)'
# testbed: --qemu '-netdev user,id=net6' --device rtl8139,netdev=net6,addr=0x6
# testbed: --qemu '-audiodev wav,id=ac97,path=@host@/ac97.wav,out.frequency=48000' --device AC97,audiodev=ac97,addr=0x7
# testbed: --qemu '-audiodev wav,id=hda,path=@host@/hda.wav,out.frequency=48000'
# testbed: --device intel-hda,id=hda,addr=0x8 --device hda-duplex,bus=hda.0,audiodev=hda
# testbed: --qemu '-chardev socket,id=far,path=@host@/line,server=on,wait=off -chardev socket,id=near,path=@host@/line'
# testbed: --device pci-serial,chardev=near,addr=0x9 --device virtserialport,chardev=far,nr=5,name=testbed.serial
# testbed: --disk ahci=8 --device ich9-ahci,id=ahci,addr=0xa --device ide-hd,drive=ahci,bus=ahci.0
# testbed: --disk xhci=8 --device qemu-xhci,id=xhci,addr=0xb --device usb-storage,drive=xhci,bus=xhci.0
# testbed: --device edu,dma_mask=0xffffffffffffffff,addr=0xc
# testbed: --device edu,dma_mask=0xffffffffffffffff,addr=0xd.0,multifunction=on
# testbed: --device edu,dma_mask=0xffffffffffffffff,addr=0xd.1
# testbed: --qemu '-netdev user,id=net14' --device pcie-root-port,id=port14,chassis=14,addr=0xe
# testbed: --device e1000e,netdev=net14,bus=port14,mac=52:54:00:00:00:0e
# testbed: --disk vf=8 --device nvme-subsys,id=subsystem --device pcie-root-port,id=port15,chassis=15,addr=0xf
# testbed: --device nvme,id=pf,serial=pf,subsys=subsystem,bus=port15,sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=2
# testbed: --device nvme-ns,drive=vf,bus=pf
# testbed: --disk nvme=8 --device nvme,serial=own,drive=nvme,addr=0x10
#
# A machine with a device of each class, and what a guest's own driver has to do with it. For scenarios with the
# line "# testbed-machine: classes.sh", after lib.sh and rights.sh.

declare -A place=(
	[e1000]=0000:00:03.0 [e1000e]=0000:00:04.0 [rtl8139]=0000:00:06.0 [ac97]=0000:00:07.0 [hda]=0000:00:08.0
	[serial]=0000:00:09.0 [ahci]=0000:00:0a.0 [xhci]=0000:00:0b.0 [edu]=0000:00:0c.0 [pair0]=0000:00:0d.0
	[pair1]=0000:00:0d.1 [nvme]=0000:00:10.0 [port]=0000:01:00.0 [vf]=0000:02:00.1
)
physical=0000:02:00.0
declare -A gsi

# --- dom0's side

# prepare_classes: once, before any guest: what hide= cannot seize, and the interrupt lines.
prepare_classes() {
	local name
	step "seizing what hide= cannot: a port of a driver in the kernel, and a virtual function"
	assert_equal "dom0's driver of the serial port" serial "$(device_driver "${place[serial]}")"
	must xl pci-assignable-add "${place[serial]}"
	# dom0 shall not try a function that is not on line yet.
	echo 0 >"/sys/bus/pci/devices/$physical/sriov_drivers_autoprobe"
	wait_physical
	must make_vf
	for name in "${!place[@]}"; do
		assert_equal "driver of $name" pciback "$(device_driver "${place[$name]}")"
		gsi[$name]=$(device_gsi "${place[$name]}")
	done
	assert_equal "driver of the physical function" nvme "$(device_driver "$physical")"
}

# make_vf: the first virtual function of the NVMe controller, with two queues and an interrupt of its own, for pciback.
make_vf() {
	local at=${place[vf]}
	echo 1 >"/sys/bus/pci/devices/$physical/sriov_numvfs" || return
	nvme virt-mgmt "$(vf_manager)" --cntlid=1 --rt=1 --act=8 --nr=1 &&
		nvme virt-mgmt "$(vf_manager)" --cntlid=1 --rt=0 --act=8 --nr=2 &&
		vf_online &&
		echo pciback >"/sys/bus/pci/devices/$at/driver_override" &&
		echo "$at" >/sys/bus/pci/drivers/pciback/bind
}

vf_manager() { printf '/dev/%s' "$(ls "/sys/bus/pci/devices/$physical/nvme")"; }

# wait_physical: until dom0's driver, which probes beside all else, has brought the NVMe controller up; it tells no event of that.
wait_physical() {
	local end=$((SECONDS + 60 * TESTBED_SLOW))
	until [[ $(cat "/sys/bus/pci/devices/$physical"/nvme/nvme*/state 2>/dev/null) == live ]]; do
		((SECONDS < end)) || fail "dom0's driver does not bring the NVMe controller up"
		sleep 0.2
	done
}

vf_online() { nvme virt-mgmt "$(vf_manager)" --cntlid=1 --act=9; }

# gsis NAME...: their interrupt lines, each once.
gsis() {
	local name
	for name; do
		((gsi[$name])) && echo "${gsi[$name]}"
	done | sort -nu | tr '\n' ' '
}

# places NAME...: their addresses.
places() {
	local name
	for name; do echo "${place[$name]}"; done
}

# virtual_address DOMID SBDF: where the guest sees the device.
virtual_address() {
	local node=/local/domain/0/backend/pci/$1/0 i=0 real domain bus slot function
	while real=$(xenstore-read "$node/dev-$i" 2>/dev/null); do
		[[ $real == "$2" ]] && break
		((++i))
	done
	# xl returns before the guest has agreed to the change, and pciback says where the device is only then.
	wait_xenstore 60 "$node/vdev-$i" exists || return
	# The function has two digits there.
	IFS=:. read -r domain bus slot function <<<"$(xenstore-read "$node/vdev-$i")"
	printf '%s:%s:%s.%x\n' "$domain" "$bus" "$slot" "$((16#$function))"
}

# --- the guest's side: check_KIND GUEST DEVICE [NAME], DEVICE being its directory in the guest's sysfs

check_network() {
	must guest run "$1" "ip -4 addr flush scope global"
	guest_network_below "$1" "$2"
}

# A square wave for about a second; the host's file must have it, and the driver must have seen the device play.
# Each has a frequency of its own, so that an older one in the file is not taken for it.
half_wave=40
check_sound() {
	local guest=$1 device=$2 file=/host/$3.wav
	half_wave=$((half_wave + 8))
	must guest until "$guest" 60 "ls -d $device/sound/card*/pcm*p"
	must guest run "$guest" "
		card=\$(basename $device/sound/card*)
		card=\${card#card}
		for control in Master PCM; do amixer -q -c \$card set \$control 100% unmute 2>/dev/null; done
		for half in '\000\040\000\040' '\000\340\000\340'; do
			i=0
			while [ \$((i += 1)) -le $half_wave ]; do printf \"\$half\"; done
		done >/tmp/tone
		for twice in 1 2 3 4 5 6 7 8 9; do cat /tmp/tone /tmp/tone >/tmp/tones; mv /tmp/tones /tmp/tone; done
		aplay -q -D hw:\$card,0 -t raw -f S16_LE -r 48000 -c 2 /tmp/tone &
		pid=\$!
		# Without a program for each look: a slow guest would have too few of them in a second.
		while kill -0 \$pid 2>/dev/null; do
			while read -r line; do
				case \$line in hw_ptr*) echo \"\$line\" ;; esac
			done </proc/asound/card\$card/pcm0p/sub0/status
		done | sort -u >/tmp/seen
		wait \$pid || exit 1
		steps=\$(wc -l </tmp/seen)
		echo \"hw_ptr: \$steps values, up to \$(sed 's/.*: *//' /tmp/seen | sort -n | tail -n 1)\"
		[ \$steps -ge 3 ]"
	heard "$file" "$half_wave"
}

# heard FILE FRAMES: at least half of the 1024 half waves of that length are in what QEMU wrote, 16 bits stereo. It writes
# some time after the device has played.
heard() {
	local waves end=$((SECONDS + 30))
	while :; do
		waves=$(od -An -v -t d2 -w4 -j 44 "$1" | awk -v half="$2" '
			$1 != 0 && ($1 > 0) == up { frames++; next }
			{ waves += frames >= half - 3 && frames <= half + 3; up = $1 > 0; frames = $1 != 0 }
			END { print waves + 0 }')
		((waves < 512 && SECONDS < end)) || break
		sleep 1
	done
	echo "the host heard $waves half waves of $2 frames"
	((waves >= 512)) || fail "$1 does not have the tone"
}

# The far end of the line is a port of dom0's: what is sent to the guest comes back.
check_serial() {
	local guest=$1 device=$2 line sent answer pid
	sent=$(seq -f "line to $guest %g" 1 200)
	exec {line}<>/dev/virtio-ports/testbed.serial
	guest run "$guest" "
		tty=/dev/\$(basename $device/tty/tty*)
		stty -F \$tty 115200 raw -echo
		exec 3<>\$tty
		echo ready >&3
		head -c ${#sent} <&3 >/tmp/received
		cat /tmp/received >&3
		# The port has its interrupt only while it is open.
		awk -v irq=\$(cat $device/irq): '\$1 == irq && \$2 > 0 { print; found = 1 } END { exit !found }' /proc/interrupts" &
	pid=$!
	read -r -t 120 answer <&"$line" || fail "nothing comes from the guest's serial port"
	assert_equal "the guest's first line" ready "$answer"
	printf %s "$sent" >&"$line"
	answer=$(timeout 120 head -c ${#sent} <&"$line") || fail "the guest's serial port is silent"
	exec {line}>&-
	assert_equal "what came back over the line" "$sent" "$answer"
	wait "$pid" || fail "status $? of the serial port's user"
	echo "${#sent} bytes went to the guest and came back"
}

# guest_disk GUEST DEVICE: the name of its block device. NVMe's native multipath puts a controller's number into it.
guest_disk() {
	guest run "$1" "
		for disk in $2/nvme/nvme*/nvme*n1; do
			[ -e \$disk ] && basename \$disk | sed 's/c[0-9]*n/n/' && exit
		done
		for disk in /sys/block/sd*; do
			readlink \$disk | grep /$(basename "$2")/ >/dev/null && basename \$disk && exit
		done
		exit 1"
}

# The whole disk as the host has it; then 1 MiB from the guest, which the host and the guest must read again.
check_disk() {
	local guest=$1 device=$2 file=/host/$3.disk disk wanted got
	must guest until "$guest" 60 "ls -d $device/nvme/nvme*/nvme*n1 || ls -l /sys/block | grep /$(basename "$device")/"
	disk=$(guest_disk "$guest" "$device") || fail "$guest has no disk below $device"
	must guest until "$guest" 60 "test -b /dev/$disk"
	wanted=$(sha256sum <"$file")
	got=$(guest run "$guest" "cat /dev/$disk | sha256sum")
	assert_equal "content of $disk" "$wanted" "$got"
	head -c 1048576 < <(seq -f "%015.0f" "$RANDOM" 1000000) >/tmp/written
	must guest run -i "$guest" "cat >/tmp/written && dd if=/tmp/written of=/dev/$disk bs=64k seek=32 conv=fsync 2>/dev/null" </tmp/written
	cmp --ignore-initial=0:2097152 --bytes=1048576 /tmp/written "$file" || fail "the host does not see what the guest wrote"
	got=$(guest run "$guest" "echo 3 >/proc/sys/vm/drop_caches; cat /dev/$disk | sha256sum")
	assert_equal "content of $disk after writing" "$(sha256sum <"$file")" "$got"
	echo "$disk: ${wanted:0:16}... read, 1 MiB written, ${got:0:16}... read again"
}

check_edu() {
	must guest run "$1" "[ -e /sys/module/testbed_edu ] || insmod /test-modules/testbed-edu.ko"
	must guest until "$1" 60 "test -e $2/test"
	must guest run "$1" "echo msi >$2/test && echo intx >$2/test && dmesg | grep 'testbed_edu $(basename "$2"): .*PASS'"
}

# Behind a root port: a network card, of whose extended configuration space the guest sees error reporting and the
# serial number, as it is.
check_port() {
	local ours theirs
	check_network "$1" "$2"
	ours=$(extended_capabilities "/sys/bus/pci/devices/${place[port]}/config")
	theirs=$(guest run "$1" "$(declare -f extended_capabilities); extended_capabilities $2/config")
	assert_match "extended capabilities of the port in dom0" $'0001 .*\n0003 ' "$ours"
	assert_match "extended capabilities of the port in the guest" '0001 ' "$theirs"
	assert_equal "its serial number" "$(grep ^0003 <<<"$ours")" "$(grep ^0003 <<<"$theirs")"
	echo "the guest sees $(grep ^0003 <<<"$theirs")"
}

# extended_capabilities FILE: number and first 8 bytes of each, from a whole configuration space.
extended_capabilities() {
	local at=256 header i=0
	while [ "$at" -ge 256 ] && [ $((i += 1)) -lt 40 ]; do
		header=$(od -An -t u4 -j "$at" -N 4 "$1")
		[ $((header)) -ne 0 ] || break
		printf '%04x %s\n' $((header & 65535)) "$(od -An -t x1 -j $((at + 4)) -N 8 "$1")"
		at=$((header >> 20))
	done
}

# --- all of it

# What checks a device, and the interrupts that its driver has to use: - where the check sees to that.
declare -A kind=(
	[e1000]='network intx' [rtl8139]='network intx' [e1000e]='network msi' [port]='port msi' [ac97]='sound intx'
	[hda]='sound msi' [serial]='serial -' [ahci]='disk msi' [nvme]='disk msi' [vf]='disk msi' [xhci]='disk msi'
	[edu]='edu -' [pair0]='edu -' [pair1]='edu -'
)

# verify GUEST NAME...: the guest's driver has the device and does with it what it is for.
verify() {
	local guest=$1 name check interrupts device
	shift
	for name; do
		read -r check interrupts <<<"${kind[$name]}"
		device=/sys/bus/pci/devices/$(virtual_address "$(xl domid "$guest")" "${place[$name]}") || fail "$guest has no place for $name"
		printf -- '-- %s: %s as %s (%s s)\n' "$guest" "$name" "${device##*/}" "$(cut -d ' ' -f 1 /proc/uptime)"
		# edu's driver is loaded by its check.
		[[ $check == edu ]] || must guest until "$guest" 60 "test -e $device/driver"
		"check_$check" "$guest" "$device" "$name"
		[[ $interrupts == - ]] || verify_interrupts "$guest" "$name" "$device" "$interrupts"
	done
}

# verify_interrupts GUEST NAME DEVICE intx|msi: of that kind, in the guest and in Xen, and they were delivered.
verify_interrupts() {
	local guest=$1 name=$2 device=$3 want=$4 got
	got=$(guest run "$guest" "[ -d $device/msi_irqs ] && echo msi || echo intx")
	assert_equal "the guest's interrupts of $name" "$want" "$got"
	got=intx
	[[ -z $(device_msis "${place[$name]}") ]] || got=msi
	assert_equal "Xen's interrupts of $name" "$want" "$got"
	got=$(guest run "$guest" "
		for irq in \$(ls $device/msi_irqs 2>/dev/null || cat $device/irq); do
			awk -v irq=\$irq: '\$1 == irq { n += \$2 } END { print n + 0 }' /proc/interrupts
		done | sort -n | tail -n 1")
	((got > 0)) || fail "no interrupt of $name has reached the guest"
	echo "$want: $got"
}

# configured NAME...: the line of a guest's configuration.
configured() {
	local name list=
	for name; do list+="\"${place[$name]}\","; done
	echo "pci=[$list]"
}

# exercise_classes FRONT: every device, in two guests with this front end.
exercise_classes() {
	local front=$1 one=one-$1 two=two-$1 name id other
	local -a created=(e1000 rtl8139 ac97 serial edu) added=(e1000e hda ahci xhci nvme) others=(pair0 pair1 port vf)
	# shellcheck disable=SC2046 # gsis and places print words
	{
		step "a guest with ${created[*]} from its creation ($front front end)"
		must vf_online
		must guest start "$one" --timeout 180 --mem 320 --front "$front" --cfg "$(configured "${created[@]}")"
		id=$(xl domid "$one")
		must wait_pci_state 60 "$id" 4
		verify "$one" "${created[@]}"
		must at_once assert_rights "$id" "$(gsis "${created[@]}")" $(places "${created[@]}")

		step "hot attach of ${added[*]}"
		for name in "${added[@]}"; do
			must xl pci-attach "$one" "${place[$name]}"
			verify "$one" "$name"
		done

		step "a second guest with both functions of a device, one behind a root port and a virtual function"
		must guest start "$two" --timeout 180 --front "$front" --cfg "$(configured "${others[@]}")"
		other=$(xl domid "$two")
		must wait_pci_state 60 "$other" 4
		assert_equal "the pair's slot" "$(virtual_address "$other" "${place[pair0]}")" \
			"$(virtual_address "$other" "${place[pair1]}" | sed 's/1$/0/')"
		verify "$two" "${others[@]}"
		verify "$one" rtl8139 nvme
		must at_once assert_rights "$other" "$(gsis "${others[@]}")" $(places "${others[@]}")
		must at_once assert_rights "$id" "$(gsis "${created[@]}" "${added[@]}")" $(places "${created[@]}" "${added[@]}")

		step "one function of the pair alone"
		must guest kill "$two"
		must guest gone "$two" 60
		at_once assert_quarantined $(places "${others[@]}")
		must xl pci-attach "$one" "${place[pair1]}"
		verify "$one" pair1 e1000

		step "all are taken back"
		must guest kill "$one"
		must guest gone "$one" 60
		at_once assert_quarantined $(places "${!place[@]}")
	}
}
