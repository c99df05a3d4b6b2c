// SPDX-License-Identifier: GPL-2.0-only
/* pci_xen_swiotlb_init_late(): since 2.6, gone in 6.6 (swiotlb is then set up at boot). */
#include <linux/swiotlb.h>
#include <asm/xen/swiotlb-xen.h>

int probe(struct device *dev);
int probe(struct device *dev)
{
	return is_swiotlb_active(dev) ? 0 : pci_xen_swiotlb_init_late();
}
