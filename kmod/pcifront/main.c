// SPDX-License-Identifier: GPL-2.0-only
/*
 * pcifront: the front end of PCI passthrough in a PV guest. Owns the module's life and
 * the xenbus state machine, which asks states.c what to do at each event. Does not
 * trust the back end to be there.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include "../compat/compat.h"
#include "pcifront.h"
#include "states.h"

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
		if (!err)
			err = xenbus_printf(t, node, WIRE_FEATURE_AER_MMIO, "1");
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

static enum xenbus_state back_state(struct pf_dev *pf)
{
	return compat_read_driver_state(pf->xdev, pf->xdev->otherend);
}

/*
 * An earlier front end of this guest was unloaded a moment ago: a back end that has not
 * seen it close would take the new channel for the old one.
 */
static void first_announce(struct pf_dev *pf)
{
	int err;

	if (pf->announced || !pf_may_announce(back_state(pf)))
		return;
	pf->announced = true;
	err = announce(pf);
	if (err)
		xenbus_dev_fatal(pf->xdev, err, "opening the channel");
}

/* Drivers first, while the back end may still answer them; then the page. */
static void close_all(struct pf_dev *pf)
{
	pf_bus_remove_all(pf);
	pf_channel_close(pf);
	pf->back_alive = false;
}

/* No driver waits for somebody who is gone. */
static void close_dead(struct pf_dev *pf)
{
	pf_channel_kill(pf);
	pf_bus_set_lost(pf, true);
	close_all(pf);
}

static bool connect(struct pf_dev *pf)
{
	int err = compat_init_dma(&pf->xdev->dev);

	pf_msi_reclaim();
	if (!err)
		err = pf_bus_scan(pf);
	if (err)
		xenbus_dev_fatal(pf->xdev, err, "setting up the bus");
	/* Where it fell silent meanwhile lost_work() asks for another scan when it answers. */
	return !err && !pf_channel_lost(pf);
}

static void detach(struct pf_dev *pf)
{
	pf_bus_remove_closing(pf);
	xenbus_switch_state(pf->xdev, XenbusStateReconfiguring);
}

static void open_again(struct pf_dev *pf)
{
	int err = announce(pf);

	if (err)
		xenbus_dev_error(pf->xdev, err, "opening the channel again");
}

static void pf_work(struct work_struct *work)
{
	struct pf_dev *pf = container_of(work, struct pf_dev, work);
	struct xenbus_device *xdev = pf->xdev;
	enum xenbus_state back = back_state(pf);
	enum pf_action action;

	if (!pf->announced) {
		first_announce(pf);
		return;
	}
	action = pf_next(back, xdev->state, pf->back_alive);
	if (back != XenbusStateClosing && back != XenbusStateClosed &&
	    back != XenbusStateUnknown)
		pf->back_alive = true;

	switch (action) {
	case PF_NOTHING:
		break;
	case PF_ANNOUNCE:
		open_again(pf);
		break;
	case PF_CONNECT:
		if (connect(pf))
			xenbus_switch_state(xdev, XenbusStateConnected);
		break;
	case PF_CONNECT_AND_DETACH:
		if (connect(pf))
			detach(pf);
		break;
	case PF_DETACH:
		detach(pf);
		break;
	case PF_CLOSE:
		close_all(pf);
		xenbus_switch_state(xdev, XenbusStateClosed);
		break;
	case PF_CLOSE_DEAD:
		close_dead(pf);
		xenbus_switch_state(xdev, XenbusStateClosed);
		break;
	case PF_RESTART:
		dev_warn(&xdev->dev, "the back end was started anew: its devices come again\n");
		close_dead(pf);
		open_again(pf);
		break;
	}
}

/* Level-triggered: the last answer and the last silence count. */
static void lost_work(struct work_struct *work)
{
	struct pf_dev *pf = container_of(work, struct pf_dev, lost_work);
	bool lost = pf_channel_lost(pf);

	if (lost == pf->told_lost)
		return;
	pf->told_lost = lost;
	pf_bus_set_lost(pf, lost);
	if (lost) {
		dev_err_ratelimited(&pf->xdev->dev,
				    "no answer from the back end: its devices are lost until it answers\n");
		return;
	}
	dev_info_ratelimited(&pf->xdev->dev, "the back end answers again\n");
	queue_work(pf_wq, &pf->work);
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

	if (!pf)
		return -ENOMEM;
	pf->xdev = xdev;
	INIT_LIST_HEAD(&pf->roots);
	INIT_WORK(&pf->work, pf_work);
	INIT_WORK(&pf->aer_work, pf_aer_work);
	INIT_WORK(&pf->lost_work, lost_work);
	raw_spin_lock_init(&pf->lock);
	dev_set_drvdata(&xdev->dev, pf);
	pf_power_init(pf);
	queue_work(pf_wq, &pf->work);
	return 0;
}

/* xenbus has taken its watch away: nothing queues the work any more. */
static void pf_remove(struct xenbus_device *xdev)
{
	struct pf_dev *pf = dev_get_drvdata(&xdev->dev);
	enum xenbus_state back;

	if (!pf)
		return;
	cancel_work_sync(&pf->work);
	back = back_state(pf);
	if (back == XenbusStateClosed || back == XenbusStateUnknown)
		close_dead(pf);
	else
		close_all(pf);
	pf_power_exit(pf);
	dev_set_drvdata(&xdev->dev, NULL);
	kfree(pf);
}

/*
 * On another host, or after a restore: grant and event channel are not what they were,
 * and there is another back end, which may have devices for us.
 */
static int pf_resume(struct xenbus_device *xdev)
{
	struct pf_dev *pf = dev_get_drvdata(&xdev->dev);

	if (!pf)
		return 0;
	cancel_work_sync(&pf->work);
	close_dead(pf);
	pf->announced = true;
	return announce(pf);
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
	.resume = pf_resume,
	.otherend_changed = back_changed,
};

static int __init pcifront_init(void)
{
	int err;

	if (!xen_pv_domain() || xen_initial_domain()) {
		pr_info("not a PV guest of Xen: nothing to do\n");
		return -ENODEV;
	}
	pf_wq = alloc_workqueue(PF_NAME, WQ_UNBOUND, 0);
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
MODULE_VERSION(PCIASSIGN_VERSION);
MODULE_ALIAS("xen:pci");
