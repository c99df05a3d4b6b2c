# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Driver domains made by hand, of the agent and the modules that it needs, for tests of the agent alone.

agent_kernel=/usr/lib/pciassign-testbed/vmlinux
agent_program=/usr/libexec/pciassign/pciassign-agent

# make_agent_disk: QEMU's drive "agent" ($file) gets a partition with an ext4 that holds the file `image`, one of 16 MB, and one that is a
# volume group `vg` with a volume `lv` of 8 MB; $second and $third are the sectors where these two begin.
file=/host/agent.disk
make_agent_disk() {
	local loop
	must sgdisk --zap-all --new 1:2048:+24M --new 2:0:+16M --new 3:0:+16M "$file" >/dev/null
	second=$(sgdisk --info 2 "$file" | awk '/First sector/ { print $3 }')
	third=$(sgdisk --info 3 "$file" | awk '/First sector/ { print $3 }')
	truncate -s 24M /run/ext4
	truncate -s 8M /run/image
	truncate -s 16M /run/volumes
	must mke2fs -q -t ext4 /run/ext4
	must debugfs -w -R 'write /run/image image' /run/ext4 >/dev/null 2>&1
	must dd if=/run/ext4 of="$file" bs=1M seek=1 conv=notrunc status=none
	must modprobe -a loop dm-mod
	loop=$(losetup --find --show /run/volumes) || fail "no loop device in dom0"
	lvm() { command lvm "$@" --config 'activation{udev_sync=0 udev_rules=0}' >/dev/null 2>&1; }
	must lvm pvcreate "$loop"
	must lvm vgcreate vg "$loop"
	must lvm lvcreate --yes --wipesignatures n --zero n --name lv --size 8M vg
	must lvm vgchange --activate n vg
	losetup --detach "$loop"
	must dd if=/run/volumes of="$file" bs=512 seek="$third" conv=notrunc status=none
}

# agent_image NAME CLASS MODULES CONFIGURATION [PROGRAM]...: an initramfs at /run/NAME.cpio. CONFIGURATION: what follows in
# the agent's own. PROGRAMs come with their libraries.
agent_image() {
	local name=$1 class=$2 configuration=$4 root=/run/image-$1 file list='' word program
	rm -rf "$root"
	mkdir -p "$root"/{dev,proc,sys,etc,sbin}
	cp "$agent_program" "$root/init"
	ln -s ../init "$root/sbin/poweroff"
	ln -s ../init "$root/sbin/reboot"
	for word in $3; do modprobe --show-depends --ignore-install "$word"; done |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$root/modules"
	while read -r file; do
		mkdir -p "$root${file%/*}"
		cp "$file" "$root$file"
		list+="\"$file\", "
	done <"$root/modules"
	rm "$root/modules"
	for program in "${@:5}"; do
		while read -r file; do
			mkdir -p "$root${file%/*}"
			cp --dereference "$file" "$root$file"
		done < <(echo "$program" && ldd "$program" | grep -o '/[^ ]*')
	done
	{
		echo "class = \"$class\""
		echo "modules = [${list%, }]"
		echo "$configuration"
	} >"$root/etc/pciassign-agent.toml"
	(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"/run/$name.cpio"
	rm -rf "$root"
}

# agent_start NAME [LINE]...: creates the driver domain; LINEs are added to its configuration.
agent_start() {
	local name=$1 line
	shift
	cat >"/run/$name.cfg" <<-EOF
		name = "$name"
		type = "pv"
		kernel = "$agent_kernel"
		ramdisk = "/run/$name.cpio"
		memory = 128
		maxmem = 128
		vcpus = 1
		passthrough = "enabled"
		e820_host = 1
		on_crash = "destroy"
		on_reboot = "destroy"
		extra = "console=hvc0 panic=-1"
	EOF
	for line in "$@"; do echo "$line" >>"/run/$name.cfg"; done
	xl create -q "/run/$name.cfg"
}

# agent_service GUEST CONFIGURATION: the agent as a service in an ordinary guest; its words go to /agent.log there.
agent_service() {
	guest run -i "$1" "rm -f /pciassign-agent; cat >/pciassign-agent && chmod +x /pciassign-agent" <"$agent_program" || return
	guest run -i "$1" "cat >/etc/pciassign-agent.toml" <<<"$2" || return
	guest run "$1" "/pciassign-agent >>/agent.log 2>&1 & echo \$! >/agent.pid"
}

# agent_service_stop GUEST
# shellcheck disable=SC2016 # the guest's shell expands it
agent_service_stop() { guest run "$1" 'kill $(cat /agent.pid)'; }

# agent_data NAME: where it speaks.
agent_data() { echo "/local/domain/$(xl domid "$1")/data/pciassign"; }

# agent_state NAME SECONDS STATE: until it says STATE.
agent_state() {
	wait_xenstore "$2" "$(agent_data "$1")/state" == "$3" && return
	xenstore-ls "$(agent_data "$1")"
	tail -n 30 "/host/logs/guest-$1.log"
	return 1
}

# backend NAME KIND GUEST DEVID: the device's directory in the driver domain's part of xenstore.
backend() { echo "/local/domain/$(xl domid "$1")/backend/$2/$(xl domid "$3")/$4"; }

# assert_no_devices NAME KIND: no guest has a device of it.
assert_no_devices() {
	local left
	left=$(xenstore-ls "/local/domain/$(xl domid "$1")/backend/$2" 2>/dev/null)
	assert_equal "devices of $1 in xenstore" "" "$left"
	left=$(xenstore-ls "$(agent_data "$1")/traffic" 2>/dev/null)
	assert_equal "traffic of devices of $1" "" "$left"
}
