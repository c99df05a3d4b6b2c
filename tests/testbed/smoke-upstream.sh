#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
echo hi; xl list; lspci -nnk; guest start d1 --cfg 'pci=["00:04.0"]'; guest run d1 'uname -a; lspci; ip a'; guest until d1 10 'test -e /sys/class/net/eth0'; guest run d1 'ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ping -c 1 -w 10 10.0.2.2'
