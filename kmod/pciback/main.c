// SPDX-License-Identifier: GPL-2.0-only
/*
 * pciback: the back end of PCI passthrough for Xen. Owns the module's parameters and
 * the order of start and stop.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/pci.h>
#include <xen/xen.h>

#include "pciback.h"

DEFINE_MUTEX(pb_lock);
LIST_HEAD(pb_devs);
struct workqueue_struct *pb_wq;

bool pb_passthrough;
module_param_named(passthrough, pb_passthrough, bool, 0444);
MODULE_PARM_DESC(passthrough, "Show functions to guests at their real addresses (default: no, on a bus 0 of their own)");

/* May be given more than once; each adds to the list. */
static int hide_set(const char *val, const struct kernel_param *kp)
{
	return val ? pb_hide_append(val) : -EINVAL;
}

static const struct kernel_param_ops hide_ops = {
	.set = hide_set,
};
module_param_cb(hide, &hide_ops, NULL, 0);
MODULE_PARM_DESC(hide, "Functions to seize at load: ([DDDD:]BB:SS.F)..., F or SS.F may be *");

static int __init pciback_init(void)
{
	int err;

	if (!xen_initial_domain()) {
		pr_info("not the initial domain of a Xen host: nothing to do\n");
		err = -ENODEV;
		goto free_slots;
	}
	if (driver_find(PB_NAME, &pci_bus_type)) {
		pr_err("a PCI driver named " PB_NAME " is loaded (the kernel's xen-pciback?): release its devices, unload it and blacklist it\n");
		err = -EBUSY;
		goto free_slots;
	}
	err = pb_hide_parse();
	if (err)
		goto free_slots;
	/*
	 * Unbound: one slow guest's works do not queue before another's. Not freezable: a
	 * guest would keep dom0 from suspending by making a work wait for xenstored, which
	 * is frozen before.
	 */
	pb_wq = alloc_workqueue(PB_NAME, WQ_UNBOUND | WQ_MEM_RECLAIM, WQ_UNBOUND_MAX_ACTIVE);
	if (!pb_wq) {
		err = -ENOMEM;
		goto free_slots;
	}
	err = pb_intx_init();
	if (err)
		goto free_wq;
	err = pb_driver_register();
	if (err)
		goto intx_exit;
	err = pb_xenbus_register();
	if (err)
		goto unregister_driver;
	return 0;

unregister_driver:
	pb_driver_unregister();
intx_exit:
	pb_intx_exit();
free_wq:
	destroy_workqueue(pb_wq);
free_slots:
	pb_slots_free();
	return err;
}
module_init(pciback_init);

/* Devices in use hold references to the module, so there are none here. */
static void __exit pciback_exit(void)
{
	pb_xenbus_unregister();
	flush_workqueue(pb_wq);
	pb_driver_unregister();
	pb_intx_exit();
	destroy_workqueue(pb_wq);
	pb_slots_free();
}
module_exit(pciback_exit);

MODULE_DESCRIPTION("PCI passthrough back end for Xen (pciassign)");
MODULE_LICENSE("GPL");
MODULE_VERSION(PCIASSIGN_VERSION);
MODULE_ALIAS("xen-backend:pci");
