// SPDX-License-Identifier: GPL-2.0-only
/*
 * The front end's half of the handshake in xenstore. Owns pf_dev; state changes arrive
 * one at a time, from the xenwatch thread.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <xen/xenbus.h>

#include "../compat/compat.h"
#include "pcifront.h"

/* The hook for MSI is one for the kernel, and so is the PCI bus: one front end. */
static atomic_t pf_instances = ATOMIC_INIT(0);

static int publish(struct pf_dev *pf)
{
	struct xenbus_device *xdev = pf->xdev;
	struct xenbus_transaction xbt;
	const char *node;
	int err;

again:
	err = xenbus_transaction_start(&xbt);
	if (err)
		return err;
	node = "pci-op-ref";
	err = xenbus_printf(xbt, xdev->nodename, node, "%u", pf->gref);
	if (!err) {
		node = "event-channel";
		err = xenbus_printf(xbt, xdev->nodename, node, "%u", pf->evtchn);
	}
	if (!err) {
		node = "magic";
		err = xenbus_printf(xbt, xdev->nodename, node, WIRE_MAGIC);
	}
	if (err) {
		xenbus_transaction_end(xbt, 1);
		dev_err(&xdev->dev, "could not write %s: %d\n", node, err);
		return err;
	}
	err = xenbus_transaction_end(xbt, 0);
	if (err == -EAGAIN)
		goto again;
	return err;
}

static int probe(struct xenbus_device *xdev, const struct xenbus_device_id *id)
{
	struct pf_dev *pf;
	int err;

	if (atomic_cmpxchg(&pf_instances, 0, 1)) {
		xenbus_dev_fatal(xdev, -EEXIST, "a domain has one PCI front end");
		return -EEXIST;
	}
	pf = kzalloc(sizeof(*pf), GFP_KERNEL);
	if (!pf) {
		err = -ENOMEM;
		goto release;
	}
	pf->xdev = xdev;
	spin_lock_init(&pf->lock);
	INIT_LIST_HEAD(&pf->roots);
	INIT_WORK(&pf->aer_work, pf_aer_work);
	dev_set_drvdata(&xdev->dev, pf);

	err = pf_channel_open(pf);
	if (err)
		goto free;
	err = publish(pf);
	if (err)
		goto close;
	err = xenbus_switch_state(xdev, XenbusStateInitialised);
	if (err)
		goto close;
	return 0;

close:
	pf_channel_close(pf);
free:
	dev_set_drvdata(&xdev->dev, NULL);
	kfree(pf);
release:
	atomic_set(&pf_instances, 0);
	xenbus_dev_fatal(xdev, err, "setting up the channel");
	return err;
}

/* The back end serves: make the buses, once. */
static void connect(struct pf_dev *pf)
{
	struct xenbus_device *xdev = pf->xdev;
	int err;

	if (xdev->state != XenbusStateInitialised)
		return;
	err = compat_init_dma(&xdev->dev);
	if (err) {
		xenbus_dev_fatal(xdev, err, "setting up DMA");
		return;
	}
	err = pf_scan_roots(pf);
	if (err) {
		xenbus_dev_fatal(xdev, err, "scanning the published buses");
		return;
	}
	xenbus_switch_state(xdev, XenbusStateConnected);
}

/* Devices leave (and may come). */
static void reconfigure(struct pf_dev *pf)
{
	struct xenbus_device *xdev = pf->xdev;
	int err;

	/* Reconfiguring overtook the announcement that the back end is connected. */
	if (xdev->state == XenbusStateInitialised)
		connect(pf);
	if (xdev->state != XenbusStateConnected)
		return;
	err = pf_remove_closing(pf);
	if (err) {
		xenbus_dev_fatal(xdev, err, "removing withdrawn devices");
		return;
	}
	xenbus_switch_state(xdev, XenbusStateReconfiguring);
}

static void reconfigured(struct pf_dev *pf)
{
	struct xenbus_device *xdev = pf->xdev;
	int err;

	if (xdev->state != XenbusStateReconfiguring)
		return;
	err = pf_scan_roots(pf);
	if (err) {
		xenbus_dev_fatal(xdev, err, "scanning the published buses again");
		return;
	}
	xenbus_switch_state(xdev, XenbusStateConnected);
}

/* The back end goes: whatever it still serves is used to stop the drivers. */
static void disconnect(struct pf_dev *pf, bool gone)
{
	struct xenbus_device *xdev = pf->xdev;

	if (xdev->state == XenbusStateClosing || xdev->state == XenbusStateClosed)
		return;
	if (gone)
		pf_channel_kill(pf);
	dev_warn(&xdev->dev, "the back end is %s: removing its devices\n", gone ? "gone" : "closing");
	pf_free_roots(pf);
	pf_channel_kill(pf);
	xenbus_switch_state(xdev, XenbusStateClosed);
}

static void backend_changed(struct xenbus_device *xdev, enum xenbus_state state)
{
	struct pf_dev *pf = dev_get_drvdata(&xdev->dev);

	switch (state) {
	case XenbusStateConnected:
		connect(pf);
		break;
	case XenbusStateReconfiguring:
		reconfigure(pf);
		break;
	case XenbusStateReconfigured:
		reconfigured(pf);
		break;
	case XenbusStateClosing:
		disconnect(pf, false);
		break;
	case XenbusStateUnknown:
	case XenbusStateClosed:
		disconnect(pf, true);
		break;
	case XenbusStateInitialising:
	case XenbusStateInitWait:
	case XenbusStateInitialised:
		break;
	}
}

static void do_remove(struct xenbus_device *xdev)
{
	struct pf_dev *pf = dev_get_drvdata(&xdev->dev);

	pf_free_roots(pf);
	pf_channel_close(pf);
	dev_set_drvdata(&xdev->dev, NULL);
	kfree(pf);
	atomic_set(&pf_instances, 0);
}

static const struct xenbus_device_id pf_ids[] = {
	{ "pci" },
	{ "" },
};

static struct xenbus_driver pf_driver = {
	.name = "pcifront",
	.ids = pf_ids,
	.probe = probe,
	.remove = do_remove,
	.otherend_changed = backend_changed,
};

int pf_xenbus_register(void)
{
	return xenbus_register_frontend(&pf_driver);
}

void pf_xenbus_unregister(void)
{
	xenbus_unregister_driver(&pf_driver);
}
