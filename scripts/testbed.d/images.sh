# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The testbed's images. Sourced by scripts/testbed, which sets $top, $work, $kver and note().
# Each layer lies in $work/images/<layer>/ beside its key, the hash of all that it is made of;
# it is made again when the key has changed:
#   kernel     xen, vmlinuz, vmlinux (ELF) and modules, out of Debian's packages
#   base       a Debian 12 with Xen's tools (dom0-packages), as a tree
#   disk       base and modules as dom0's disk, dom0.ext4
#   tools      guest-agent, guest-exec, fake-back
#   initramfs  dom0.cpio (finds the disk) and guest.cpio (the whole guest), without our modules
#   hostile    a guest module that attacks pciback (tests/testbed/hostile), as guest.cpio
#   nvme       the NVMe device's content
#   testmodules  the guests' test modules (tests/testbed/modules), in /test-modules of each guest
#   product    what `make install` puts on a system, and the module index that goes with it
# The last is the only one that changes while pciassign is worked on: it takes a second.

images=${work:?}/images
parts=${top:?}/scripts/testbed.d
kver=${kver:?}
kernel_source=6.1
xen_release=4.17
debian_release=bookworm

# layer NAME FUNCTION INPUT...: runs FUNCTION in an empty directory that becomes the layer,
# unless the layer was made by the same FUNCTION from the same INPUTs (files or words).
layer() {
	local name=$1 build=$2 key input result
	shift 2
	key=$({
		declare -f "$build"
		for input in "$@"; do
			if [[ -f $input ]]; then sha256sum <"$input"; else echo "$input"; fi
		done
	} | sha256sum | cut -d ' ' -f 1)
	[[ $(cat "$images/$name/key" 2>/dev/null) == "$key" ]] && return 0
	note "building the $name image"
	rm -rf "${images:?}/$name" "${images:?}/$name.new"
	mkdir -p "$images/$name.new"
	# Not in a condition, where the shell would not stop at the first error.
	set +e
	(
		set -eE
		trap 'echo "failed: $BASH_COMMAND" >&2' ERR
		cd "$images/$name.new"
		"$build"
	) >"$images/$name.log" 2>&1
	result=$?
	set -e
	if ((result)); then
		tail -n 20 "$images/$name.log" >&2
		note "cannot build the $name image; all of its log is in $images/$name.log"
		exit 125
	fi
	echo "$key" >"$images/$name.new/key"
	mv "$images/$name.new" "$images/$name"
}

# Debian's own archives among the machine's apt sources, as one-line sources.
apt_sources() {
	# shellcheck disable=SC2016 # apt expands these
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' |
		awk -v release="$debian_release" '$4 == "Debian" && index($2, release) == 1 { print "deb", $1, $2, $3 }' | sort -u
}

# Root's view of files for whoever is not root: ownership in a disk image.
as_owner() {
	if ((EUID == 0)); then "$@"; else fakeroot -- "$@"; fi
}

# The directory of the caller becomes a cpio archive on standard output.
pack_cpio() {
	find . -mindepth 1 -printf '%P\n' | sort | cpio --quiet --create --format=newc --owner=0:0
}

# payload VMLINUZ: the ELF image inside a bzImage, by the header of the x86 boot protocol
# (setup_sects, payload_offset, payload_length), so that no domain builder unpacks it again.
payload() {
	local setup offset length
	setup=$(od -An -tu1 -j $((0x1f1)) -N 1 "$1")
	offset=$(od -An -tu4 -j $((0x248)) -N 4 "$1")
	length=$(od -An -tu4 -j $((0x24c)) -N 4 "$1")
	dd if="$1" iflag=skip_bytes,count_bytes bs=64K skip=$(((setup + 1) * 512 + offset)) count="$length" status=none |
		xz --decompress --stdout --single-stream
}

build_kernel() {
	local package
	apt-get -q download "linux-image-$kver=$kernel_package_version" "xen-hypervisor-$xen_release-amd64"
	mkdir tree
	for package in *.deb; do
		dpkg-deb --extract "$package" tree
		rm "$package"
	done
	gunzip --stdout tree/boot/xen-"$xen_release"-amd64.gz >xen
	mv "tree/boot/vmlinuz-$kver" vmlinuz
	payload vmlinuz >vmlinux
	[[ $(head -c 4 vmlinux) == $'\x7fELF' ]]
	mkdir modules
	mv tree/lib/modules/"$kver" modules/
	rm -rf tree
	# Never seen in the machine, half of the size.
	rm -rf modules/"$kver"/kernel/drivers/{gpu,media,infiniband,staging,iio,isdn} \
		modules/"$kver"/kernel/drivers/net/wireless
}

build_base() {
	local include
	include=$(awk '!/^#/ { print $1 }' "$parts/dom0-packages" | paste -sd,)
	mapfile -t proxies < <(apt-config dump | grep -E '^Acquire::https?::(Proxy|[^ ]*::Proxy) ' || true)
	apt_sources |
		mmdebstrap --variant=essential --format=tar --include="$include" \
			--aptopt='Acquire::Languages "none"' "${proxies[@]/#/--aptopt=}" \
			--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
			--dpkgopt='path-exclude=/usr/share/locale/*' \
			"$debian_release" root.tar -
	mkdir tree
	tar --extract --file root.tar --directory tree --exclude './dev/*'
}

build_disk() {
	# shellcheck disable=SC2016 # the inner shell expands it
	as_owner bash -euc '
		mkdir tree
		tar --extract --file "$1/base/root.tar" --directory tree
		mkdir -p tree/host tree/lib/modules tree/usr/lib/pciassign-testbed
		cp -a "$1/kernel/modules/." tree/lib/modules/
		cp "$1/kernel/vmlinux" tree/usr/lib/pciassign-testbed/
		used=$(du -sm tree | cut -f 1)
		mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0 -d tree dom0.ext4 $((used + used / 4 + 300))M
		rm -rf tree
	' - "$images"
}

build_tools() {
	local tool
	for tool in guest-agent guest-exec; do
		"${CC:-gcc}" -Wall -Wextra -O2 -D_GNU_SOURCE -o "$tool" "$parts/$tool.c" -lxenvchan -lxenctrl -lxenstore
	done
	"${CC:-gcc}" -Wall -Wextra -O2 -D_GNU_SOURCE -I"$top/kmod" -o fake-back "$parts/fake-back.c" \
		-lxengnttab -lxenevtchn -lxenctrl -lxenstore
}

# take FILE...: copies programs and libraries of the base, and the libraries that they need, to ./ .
take() {
	local file
	for file in "$@"; do
		[[ -e ./$file ]] && continue
		mkdir -p "./$(dirname "$file")"
		cp --dereference "$images/base/tree/$file" "./$file"
		take_libraries "./$file"
	done
}

take_libraries() {
	local library where
	while read -r library; do
		for where in usr/lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu/pulseaudio usr/lib64; do
			[[ -e $images/base/tree/$where/$library ]] && take "${where#usr/}/$library" && break
		done
	done < <(objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }')
}

busybox_root() {
	local applet
	mkdir -p bin sbin usr/bin usr/sbin lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu lib64 dev proc sys run tmp root etc var
	take lib64/ld-linux-x86-64.so.2
	cp "$images/base/tree/bin/busybox" bin/busybox
	while read -r applet; do
		[[ $applet == busybox ]] || ln -s busybox "bin/$applet"
	done < <(bin/busybox --list)
	# busybox's own shell prefers its applets to programs of the same name, such as kmod's modprobe.
	rm bin/sh
	take bin/dash
	ln -s dash bin/sh
}

# take_modules DIRECTORY NAME...: modules of the kernel image and what they depend on, to ./lib/modules .
take_modules() {
	local from=$1 module file
	shift
	for module in "$@"; do
		modprobe --dirname "$from" --set-version "$kver" --show-depends --ignore-install "$module"
	done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r file; do
		file=${file#"$from"}
		mkdir -p ".${file%/*}"
		cp "$from/$file" ".$file"
	done
}

# The merged tree that modprobe reads is <layer>/root, its modules are <layer>/root/lib/modules.
kernel_root() {
	mkdir -p "$1/lib"
	cp -al "$images/kernel/modules" "$1/lib/modules"
	depmod --basedir "$1" "$kver"
}

build_initramfs() {
	local -a modules
	kernel_root "$PWD/root"

	mkdir dom0
	(
		cd dom0 || exit
		busybox_root
		rm bin/modprobe bin/insmod
		take bin/kmod
		ln -s ../bin/kmod sbin/modprobe
		mkdir -p host newroot etc/modprobe.d
		take_modules "$images/initramfs.new/root" xen-pciback virtio_pci virtio_blk virtio_console 9pnet_virtio 9p ext4
		pack_cpio >../dom0.cpio
	)
	mkdir guest
	(
		cd guest || exit
		busybox_root
		# They know more than busybox's. Size counts: each guest's creation copies it all.
		rm bin/ip
		take bin/bash bin/ip sbin/bridge sbin/mke2fs sbin/e2fsck usr/bin/lspci usr/bin/setpci sbin/ethtool \
			usr/bin/{aplay,arecord,amixer} \
			usr/bin/xenstore-{read,write,ls,list,rm,exists,watch,chmod}
		mkdir -p usr/share/misc
		cp -r "$images/base/tree/usr/share/alsa" usr/share/
		cp --dereference "$images/base/tree/usr/share/misc/pci.ids" usr/share/misc/
		take_libraries "$images/tools/guest-agent"
		install -m 755 "$images/tools/guest-agent" usr/bin/
		install -m 755 "$parts/guest-init" init
		echo root:x:0:0:root:/root:/bin/sh >etc/passwd
		echo root:x:0: >etc/group
		mapfile -t modules < <(grep -v '^#' "$parts/guest-modules" | tr ' ' '\n')
		take_modules "$images/initramfs.new/root" "${modules[@]}"
		pack_cpio >../guest.cpio
	)
	rm -rf root
}

# In the guests only, and loaded by hand: nothing of it is ever installed.
build_hostile() {
	local to=root/usr/lib/pciassign-testbed
	mkdir -p source "$to"
	cp "$top"/tests/testbed/hostile/* "$top/kmod/wire/pciif.h" source/
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -C "${kdir:-/lib/modules/$kver/build}" M="$PWD/source" W=1 CONFIG_DEBUG_INFO_BTF_MODULES= modules
	objcopy --strip-debug source/hostile.ko "$to/hostile.ko"
	(cd root && pack_cpio) >guest.cpio
	rm -rf source root
}

# The whole disk tells where it was read: each 16 bytes are their own number.
build_nvme() {
	seq -f %015.0f 0 $((64 * 65536 - 1)) >disk
	sha256sum disk | cut -d ' ' -f 1 >sha256
}

# Against the very headers that our modules are built against. A guest loads them by hand, so no index is needed.
build_testmodules() {
	cp "$top"/tests/testbed/modules/* .
	make -C "${kdir:-/lib/modules/$kver/build}" M="$PWD" W=1 CONFIG_DEBUG_INFO_BTF_MODULES= CONFIG_MODULE_SIG_ALL= modules
	mkdir -p root/test-modules
	mv ./*.ko root/test-modules/
	(cd root && pack_cpio) >testmodules.cpio
	find . -mindepth 1 -maxdepth 1 ! -name testmodules.cpio -exec rm -rf {} +
}

# index_modules DIRECTORY: DIRECTORY holds a lib/modules. Adds our modules (from ./install) and
# prints the cpio archive of what that brought.
index_modules() (
	if [[ -d install/lib/modules/$kver ]]; then
		mkdir -p "$1/lib/modules/$kver/updates"
		find "install/lib/modules/$kver" -name '*.ko*' -exec cp {} "$1/lib/modules/$kver/updates/" \;
	fi
	cp --no-clobber "$images/kernel/modules/$kver"/modules.{order,builtin,builtin.modinfo} "$1/lib/modules/$kver/"
	depmod --basedir "$1" "$kver"
	cd "$1" || exit 1
	{
		printf '%s\n' lib lib/modules "lib/modules/$kver"
		find "lib/modules/$kver" -maxdepth 1 -name 'modules.*'
		[[ ! -d lib/modules/$kver/updates ]] || find "lib/modules/$kver/updates"
	} >list
	cpio --quiet --create --format=newc --owner=0:0 <list
)

build_product() {
	local name
	mkdir install
	if [[ -d $work/install ]]; then
		cp -a "$work/install/." install/
		# Debian's /lib is a link
		if [[ -d install/usr/lib/modules ]]; then
			mkdir -p install/lib
			mv install/usr/lib/modules install/lib/
		fi
	fi
	for name in dom0 guest; do
		mkdir "$name"
		cp -al "$images/initramfs/$name/lib" "$name/lib"
		index_modules "$name" >"$name-modules.cpio"
	done
	mkdir -p root/lib
	cp -al "$images/kernel/modules" root/lib/modules
	index_modules root >root-modules.cpio
	rm -rf root dom0 guest
}

# What of $work/install the product layer is made of, as one word.
product_id() {
	[[ -d $work/install ]] && find "$work/install" -type f -print0 | sort -z | xargs -0 -r sha256sum | sha256sum
}

# What does not depend on the product. Afterwards $images, $kver and $kdir are those of the kernel
# that was asked for ($kernel).
build_kernels() {
	local headers
	mkdir -p "$images"
	headers=$(dpkg-query --show --showformat '${Version}' "linux-headers-$kver" 2>/dev/null || true)
	if [[ -z $headers ]]; then
		note "linux-headers-$kver is not a package of this machine: run scripts/setup build"
		exit 125
	fi
	kernel_package_version=$headers
	layer kernel build_kernel "$kver" "$headers" "$xen_release"
	layer base build_base "$parts/dom0-packages" "$debian_release"
	layer tools build_tools "$parts"/{guest-agent,guest-exec,fake-back}.c "$parts/channel.h" "$top/kmod/wire/pciif.h"
	layer nvme build_nvme
	kdir=
	[[ ${kernel:?} == debian ]] && return
	# shellcheck source=scripts/testbed.d/debug-kernel.sh
	. "$parts/debug-kernel.sh"
	build_debug_images
}

build_base_images() {
	layer disk build_disk "$images/base/key" "$images/kernel/key"
	layer initramfs build_initramfs "$images/base/key" "$images/kernel/key" "$images/tools/key" \
		"$parts"/guest-{init,modules} "$(declare -f busybox_root take take_libraries take_modules)"
	layer hostile build_hostile "$kernel_package_version" "$kver" "$top"/tests/testbed/hostile/* "$top/kmod/wire/pciif.h" "$(declare -f pack_cpio)"
	layer testmodules build_testmodules "$kver" "$kernel_package_version" "$top"/tests/testbed/modules/*
}

# What `make install` has put into $work/install.
build_product_image() {
	layer product build_product "$images/initramfs/key" "$(product_id)" "$(declare -f index_modules)"
}
