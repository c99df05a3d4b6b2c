#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed: --daemon off --timeout 900 --dom0-arg 'pciback.hide=(00:04.0)(01:00.0)(02:00.0)'
# testbed: --qemu '-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off -netdev user,id=net6 -netdev user,id=net7'
# testbed: --device pcie-root-port,id=port1,chassis=1,addr=6 --device e1000e,id=first,bus=port1,netdev=net6
# testbed: --device pcie-root-port,id=port2,chassis=2,addr=7
# testbed: --device virtio-net-pci,id=virtio,bus=port2,netdev=net7,aer=on,disable-legacy=on,iommu_platform=on
#
# What PCI Express can do to a device that a guest has: errors (aer.sh), and being taken out of the machine and put
# in (hotplug.sh). Another guest works beside all of it.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh

# shellcheck disable=SC2034 # for aer.sh and hotplug.sh
nic=0000:01:00.0 virtio=0000:02:00.0 port=00:06.0

must guest start other --cfg 'pci=["00:04.0"]'
guest_network other e1000e

. /usr/share/pciassign-tests/aer.sh
. /usr/share/pciassign-tests/hotplug.sh

guest_network other e1000e
must guest kill other
must guest gone other 60
assert_dom0_unharmed
echo "scenario-pcie: PASS"
