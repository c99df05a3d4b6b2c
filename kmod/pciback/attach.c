// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of one domain's attachment, as xenbus sees it. xenwatch, which every back end
 * of dom0 needs, runs what is here, so nothing here waits: all work is control.c's.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>

#include "pciback.h"

static void attach_free(struct kref *ref)
{
	struct pb_attach *a = container_of(ref, struct pb_attach, ref);

	put_device(&a->xdev->dev);
	kfree(a->otherend);
	kfree(a);
}

void pb_attach_get(struct pb_attach *a)
{
	kref_get(&a->ref);
}

void pb_attach_put(struct pb_attach *a)
{
	kref_put(&a->ref, attach_free);
}

static bool one_is_enough(struct xenbus_watch *watch, const char *path, const char *token)
{
	return watch->nr_pending == 0;
}

static void own_changed(struct xenbus_watch *watch, const char *path, const char *token)
{
	pb_control_kick(container_of(watch, struct pb_attach, watch));
}

static void front_changed(struct xenbus_device *xdev, enum xenbus_state state)
{
	struct pb_attach *a = dev_get_drvdata(&xdev->dev);

	if (a)
		pb_control_kick(a);
}

static struct pb_attach *new_attach(struct xenbus_device *xdev)
{
	struct pb_attach *a = kzalloc(sizeof(*a), GFP_KERNEL);

	if (!a)
		return NULL;
	/* xenbus frees its copy when remove() returns, while ctl_work() may still run. */
	a->otherend = kstrdup(xdev->otherend, GFP_KERNEL);
	if (!a->otherend) {
		kfree(a);
		return NULL;
	}
	kref_init(&a->ref);
	mutex_init(&a->lock);
	init_waitqueue_head(&a->aer_wait);
	pb_channel_init(a);
	pb_control_init(a);
	a->xdev = xdev;
	a->domid = xdev->otherend_id;
	a->topo.passthrough = pb_passthrough;
	get_device(&xdev->dev);
	return a;
}

static int attach_probe(struct xenbus_device *xdev, const struct xenbus_device_id *id)
{
	struct pb_attach *a = new_attach(xdev);
	int err;

	if (!a)
		return -ENOMEM;
	dev_set_drvdata(&xdev->dev, a);

	err = xenbus_switch_state(xdev, XenbusStateInitWait);
	if (!err)
		err = xenbus_watch_path(xdev, xdev->nodename, &a->watch, one_is_enough,
					own_changed);
	if (err) {
		dev_set_drvdata(&xdev->dev, NULL);
		cancel_delayed_work_sync(&a->ctl_work);
		pb_attach_put(a);
		return err;
	}
	pb_control_kick(a);
	return 0;
}

static void attach_remove(struct xenbus_device *xdev)
{
	struct pb_attach *a = dev_get_drvdata(&xdev->dev);

	if (!a)
		return;
	unregister_xenbus_watch(&a->watch);
	dev_set_drvdata(&xdev->dev, NULL);
	pb_control_end(a);
}

static const struct xenbus_device_id pb_xenbus_ids[] = {
	{ "pci" },
	{ "" },
};

static struct xenbus_driver pb_xenbus_driver = {
	.name = PB_NAME,
	.ids = pb_xenbus_ids,
	.probe = attach_probe,
	.remove = attach_remove,
	.otherend_changed = front_changed,
};

int pb_xenbus_register(void)
{
	return xenbus_register_backend(&pb_xenbus_driver);
}

void pb_xenbus_unregister(void)
{
	xenbus_unregister_driver(&pb_xenbus_driver);
}
