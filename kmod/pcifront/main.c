// SPDX-License-Identifier: GPL-2.0-only
/*
 * pcifront: the front end of PCI passthrough in a PV guest. Owns the module's life and
 * the xenbus state machine, which compares both ends' states at each event. Does not
 * trust the back end to be there.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include "../compat/compat.h"
#include "pcifront.h"

struct workqueue_struct *pf_wq;

static int publish_nodes(struct pf_dev *pf)
{
	const char *node = pf->xdev->nodename;
	struct xenbus_transaction t;
	int err;

	do {
		err = xenbus_transaction_start(&t);
		if (err)
			return err;
		err = xenbus_printf(t, node, "pci-op-ref", "%u", pf->gref);
		if (!err)
			err = xenbus_printf(t, node, "event-channel", "%u", pf->port);
		if (!err)
			err = xenbus_printf(t, node, "magic", WIRE_MAGIC);
		if (err) {
			xenbus_transaction_end(t, 1);
			return err;
		}
		err = xenbus_transaction_end(t, 0);
	} while (err == -EAGAIN);
	return err;
}

static int announce(struct pf_dev *pf)
{
	int err = pf_channel_open(pf);

	if (err)
		return err;
	err = publish_nodes(pf);
	if (!err)
		err = xenbus_switch_state(pf->xdev, XenbusStateInitialised);
	if (err)
		pf_channel_close(pf);
	return err;
}

/* Drivers first, while the back end may still answer them; then the page. */
static void close_all(struct pf_dev *pf)
{
	pf_bus_remove_all(pf);
	pf_channel_close(pf);
	pf->back_alive = false;
}

static bool connect(struct pf_dev *pf)
{
	int err = compat_init_dma(&pf->xdev->dev);

	pf_msi_reclaim();
	if (!err)
		err = pf_bus_scan(pf);
	if (err)
		xenbus_dev_fatal(pf->xdev, err, "setting up the bus");
	return !err;
}

static void pf_work(struct work_struct *work)
{
	struct pf_dev *pf = container_of(work, struct pf_dev, work);
	struct xenbus_device *xdev = pf->xdev;
	enum xenbus_state back = compat_read_driver_state(xdev, xdev->otherend);
	int err;

	switch (back) {
	case XenbusStateInitialising:
	case XenbusStateInitWait:
	case XenbusStateInitialised:
		pf->back_alive = true;
		/* A back end that came anew, after we closed. */
		if (xdev->state == XenbusStateClosed) {
			err = announce(pf);
			if (err)
				xenbus_dev_error(xdev, err, "opening the channel again");
		}
		break;

	case XenbusStateConnected:
		pf->back_alive = true;
		if (xdev->state == XenbusStateInitialised && connect(pf))
			xenbus_switch_state(xdev, XenbusStateConnected);
		break;

	case XenbusStateReconfiguring:
		pf->back_alive = true;
		/* Connected passed by unseen: what is there already has to be found first. */
		if (xdev->state == XenbusStateInitialised && !connect(pf))
			break;
		if (xdev->state == XenbusStateInitialised || xdev->state == XenbusStateConnected) {
			pf_bus_remove_closing(pf);
			xenbus_switch_state(xdev, XenbusStateReconfiguring);
		}
		break;

	case XenbusStateReconfigured:
		pf->back_alive = true;
		if (xdev->state == XenbusStateReconfiguring && connect(pf))
			xenbus_switch_state(xdev, XenbusStateConnected);
		break;

	case XenbusStateClosing:
	case XenbusStateClosed:
	case XenbusStateUnknown:
		/* The leftover of an earlier connection says nothing about this one. */
		if (!pf->back_alive || xdev->state == XenbusStateClosed)
			break;
		close_all(pf);
		xenbus_switch_state(xdev, XenbusStateClosed);
		break;
	}
}

static void back_changed(struct xenbus_device *xdev, enum xenbus_state state)
{
	struct pf_dev *pf = dev_get_drvdata(&xdev->dev);

	if (pf)
		queue_work(pf_wq, &pf->work);
}

static int pf_probe(struct xenbus_device *xdev, const struct xenbus_device_id *id)
{
	struct pf_dev *pf = kzalloc(sizeof(*pf), GFP_KERNEL);
	int err;

	if (!pf)
		return -ENOMEM;
	pf->xdev = xdev;
	INIT_LIST_HEAD(&pf->roots);
	INIT_WORK(&pf->work, pf_work);
	spin_lock_init(&pf->lock);
	dev_set_drvdata(&xdev->dev, pf);
	err = announce(pf);
	if (err) {
		dev_set_drvdata(&xdev->dev, NULL);
		kfree(pf);
	}
	return err;
}

/* xenbus has taken its watch away: nothing queues the work any more. */
static void pf_remove(struct xenbus_device *xdev)
{
	struct pf_dev *pf = dev_get_drvdata(&xdev->dev);

	if (!pf)
		return;
	cancel_work_sync(&pf->work);
	close_all(pf);
	dev_set_drvdata(&xdev->dev, NULL);
	kfree(pf);
}

static const struct xenbus_device_id pf_ids[] = {
	{ "pci" },
	{ "" },
};

static struct xenbus_driver pf_driver = {
	.name = PF_NAME,
	.ids = pf_ids,
	.probe = pf_probe,
	.remove = pf_remove,
	.otherend_changed = back_changed,
};

static int __init pcifront_init(void)
{
	int err;

	if (!xen_pv_domain() || xen_initial_domain()) {
		pr_info("not a PV guest of Xen: nothing to do\n");
		return -ENODEV;
	}
	pf_wq = alloc_ordered_workqueue(PF_NAME, 0);
	if (!pf_wq)
		return -ENOMEM;
	err = pf_msi_register();
	if (err) {
		pr_err("another PCI front end is in use (the kernel's xen-pcifront?): unload and blacklist it\n");
		goto free_wq;
	}
	err = xenbus_register_frontend(&pf_driver);
	if (err) {
		if (err == -EBUSY || err == -EEXIST)
			pr_err("a driver named " PF_NAME " is loaded (the kernel's xen-pcifront?): unload and blacklist it\n");
		goto unregister_msi;
	}
	return 0;

unregister_msi:
	pf_msi_unregister();
free_wq:
	destroy_workqueue(pf_wq);
	return err;
}
module_init(pcifront_init);

static void __exit pcifront_exit(void)
{
	xenbus_unregister_driver(&pf_driver);
	pf_msi_unregister();
	destroy_workqueue(pf_wq);
}
module_exit(pcifront_exit);

MODULE_DESCRIPTION("PCI passthrough front end for Xen PV guests (pciassign)");
MODULE_LICENSE("GPL");
MODULE_ALIAS("xen:pci");
