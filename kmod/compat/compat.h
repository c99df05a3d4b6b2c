/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernels that the modules meet. have.h holds the outcome
 * of the probes in compat/probes, one HAVE_* for each file that compiled.
 */
#ifndef PCIASSIGN_COMPAT_H
#define PCIASSIGN_COMPAT_H

#include <linux/sysfs.h>
#include <xen/xenbus.h>
#include "have.h"

/* The device became the first argument by 7.2. */
static inline enum xenbus_state compat_read_driver_state(struct xenbus_device *xdev,
							 const char *path)
{
#ifdef HAVE_XENBUS_READ_DRIVER_STATE_DEV
	return xenbus_read_driver_state(xdev, path);
#else
	return xenbus_read_driver_state(path);
#endif
}

/* Until 6.x a PV guest without a software IO TLB gets one when the first device comes. */
#ifdef HAVE_PCI_XEN_SWIOTLB_INIT_LATE
#include <linux/swiotlb.h>
#include <asm/xen/swiotlb-xen.h>

static inline int compat_init_dma(struct device *dev)
{
	return is_swiotlb_active(dev) ? 0 : pci_xen_swiotlb_init_late();
}
#else
static inline int compat_init_dma(struct device *dev)
{
	return 0;
}
#endif

/* Binary attributes are const by 7.2, for their functions and for their groups. */
#ifdef HAVE_BIN_ATTRIBUTE_CONST
typedef const struct bin_attribute compat_bin_attribute;
#else
typedef struct bin_attribute compat_bin_attribute;
#endif

#endif /* PCIASSIGN_COMPAT_H */
