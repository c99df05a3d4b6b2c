#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# probe.sh KDIR WORKDIR OUT [make arguments]: compiles each file of compat/probes by
# itself against the kernel in KDIR and writes one HAVE_<NAME> for each that compiles.
set -eu
kdir=$1 work=$2 out=$3
shift 3
src=$(cd "$(dirname "$0")/probes" && pwd)
rm -rf "$work"
mkdir -p "$work"
targets=
for file in "$src"/*.c; do
	cp "$file" "$work/"
	targets="$targets $(basename "$file" .c).o"
done
for target in control $targets; do
	echo "obj-m += ${target%.o}.o"
done >"$work/Kbuild"
# A probe that must compile: tells a broken tool chain from an absent function.
echo '#include <linux/module.h>' >"$work/control.c"
# shellcheck disable=SC2086 # a list of names, made above
make -k -C "$kdir" M="$work" "$@" control.o $targets >"$work/log" 2>&1 || :
if [ ! -s "$work/control.o" ]; then
	cat "$work/log" >&2
	echo "probe.sh: nothing compiles against $kdir" >&2
	exit 1
fi
{
	echo "/* SPDX-License-Identifier: GPL-2.0-only */"
	echo "/* Made by compat/probe.sh for $kdir. */"
	for target in $targets; do
		name=$(echo "${target%.o}" | tr '[:lower:]' '[:upper:]')
		if [ -s "$work/$target" ]; then
			echo "#define HAVE_$name 1"
		else
			echo "/* no HAVE_$name */"
		fi
	done
} >"$out.new"
mv "$out.new" "$out"
