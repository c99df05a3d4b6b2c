# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The testbed's debug kernel: Debian's linux-source with debug.config, KASAN for Xen PV
# (debug-kasan.c, debug-kasan.patch) and debug-stock.patch. Sourced by images.sh for `scripts/testbed --kernel debug`.
# Source and objects stay in $work/debug-kernel: a change of the configuration builds only what it
# changes, and the modules are built against them. The result is the layer `kernel` of its own
# directory of images, which takes from the other what has nothing to do with the kernel.

debug_work=${work:?}/debug-kernel
debug_source=linux-source-${kernel_source:?}

debug_patches() { cat "$parts"/debug-{kasan,stock}.patch | sha256sum; }

# The versions of linux-source and of the headers are the same: it is the same source package.
fetch_debug_source() {
	local package change
	[[ $(cat "$debug_work/version" 2>/dev/null) == "$kernel_package_version" ]] && return
	rm -rf "$debug_work"
	mkdir -p "$debug_work"
	(
		cd "$debug_work" || exit
		apt-get -q download "$debug_source=$kernel_package_version"
		package=$(echo "$debug_source"_*.deb)
		dpkg-deb --fsys-tarfile "$package" | tar --extract --to-stdout "./usr/src/$debug_source.tar.xz" | tar --extract --xz
		rm "$package"
		cp "$parts/debug-kasan.c" "$debug_source/arch/x86/xen/kasan.c"
		for change in "$parts"/debug-{kasan,stock}.patch; do
			patch --quiet --directory "$debug_source" --strip 1 <"$change"
		done
		debug_patches >patched
		echo "$kernel_package_version" >version
	)
}

# Every line of debug.config has to be what Kconfig made of it.
check_debug_config() {
	local line
	while read -r line; do
		case $line in
		CONFIG_*) grep -qxF "$line" "$1" ;;
		'# CONFIG_'*' is not set') ! grep -q "^$(cut -d ' ' -f 2 <<<"$line")=" "$1" ;;
		*) continue ;;
		esac || {
			echo "debug.config: Kconfig does not grant: $line"
			return 1
		}
	done <"$parts/debug.config"
}

build_debug_kernel() {
	local -a kbuild
	[[ $(debug_patches) == "$(cat "$debug_work/patched" 2>/dev/null)" ]] || rm -f "$debug_work/version"
	fetch_debug_source
	cmp -s "$parts/debug-kasan.c" "$debug_work/$debug_source/arch/x86/xen/kasan.c" ||
		cp "$parts/debug-kasan.c" "$debug_work/$debug_source/arch/x86/xen/kasan.c"
	mkdir -p "$debug_work/build"
	kbuild=(env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS KBUILD_BUILD_TIMESTAMP=@0 KBUILD_BUILD_USER=testbed KBUILD_BUILD_HOST=testbed
		make --silent --directory "$debug_work/$debug_source" O=../build "CC=${CC:-gcc}")
	"${kbuild[@]}" "KCONFIG_ALLCONFIG=$parts/debug.config" allnoconfig
	check_debug_config "$debug_work/build/.config"
	"${kbuild[@]}" --jobs "$(nproc)" vmlinux modules
	"${kbuild[@]}" INSTALL_MOD_PATH="$PWD/tree" DEPMOD=true modules_install
	mv tree/lib/modules .
	rm -rf tree modules/*/{build,source}
	objcopy --strip-debug "$debug_work/build/vmlinux" vmlinux
	# Xen starts an ELF file as well.
	ln vmlinux vmlinuz
	cp "$debug_work/build/include/config/kernel.release" release
	cp "$plain_images/kernel/xen" .
}

build_debug_images() {
	local name
	plain_images=$images
	images=$work/images-debug
	mkdir -p "$images"
	for name in base tools nvme; do
		ln -sfn "../images/$name" "$images/$name"
	done
	layer kernel build_debug_kernel "$plain_images/kernel/key" "$kernel_package_version" \
		"$parts"/debug.config "$parts"/debug-kasan.c "$parts"/debug-{kasan,stock}.patch "$(declare -f fetch_debug_source check_debug_config)"
	kver=$(<"$images/kernel/release")
	kdir=$debug_work/build
}
