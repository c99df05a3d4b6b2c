// SPDX-License-Identifier: GPL-2.0-only
/*
 * pcifront: the front end of PCI passthrough for Xen PV guests. Owns the order of
 * start and stop, and the hook through which x86 asks for MSI vectors.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <xen/xen.h>
#include <asm/xen/pci.h>

#include "pcifront.h"

static int __init pcifront_init(void)
{
	int err;

	if (!xen_pv_domain() || xen_initial_domain()) {
		pr_info("not a Xen PV guest: nothing to do\n");
		return -ENODEV;
	}
	/* One pointer for the whole kernel: whoever has it serves. */
	if (xen_pci_frontend) {
		pr_err("another PCI front end is loaded (the kernel's xen-pcifront?): unload and blacklist it\n");
		return -EBUSY;
	}
	xen_pci_frontend = &pf_msi_ops;
	err = pf_xenbus_register();
	if (err)
		xen_pci_frontend = NULL;
	return err;
}
module_init(pcifront_init);

static void __exit pcifront_exit(void)
{
	pf_xenbus_unregister();
	xen_pci_frontend = NULL;
}
module_exit(pcifront_exit);

MODULE_DESCRIPTION("PCI passthrough front end for Xen (pciassign)");
MODULE_LICENSE("GPL");
MODULE_ALIAS("xen:pci");
