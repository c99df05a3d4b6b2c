// SPDX-License-Identifier: GPL-2.0-only
/*
 * One device's way to its new back end: noticed, waited for, frozen and restored.
 *
 * xenwatch may hold its mutex while it waits for a device_lock (a device that goes), and
 * whoever unregisters a watch waits for that mutex. So the watch on the former back end
 * is taken down in xenwatch, and the work, which holds the device_lock, takes none down.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/pm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "../compat/compat.h"
#include "pvreconnect.h"

static LIST_HEAD(links);
/* Freezable: a guest that is saved or migrated reconnects all its devices itself. */
static struct workqueue_struct *wq;

/* Dom0 has given the device another back end than the one that its driver knows. */
static bool moved(struct xenbus_device *xdev)
{
	const char *node = xdev->nodename;
	unsigned int id;

	if (!xenbus_exists(XBT_NIL, node, PVR_MARK))
		return false;
	id = xenbus_read_unsigned(node, "backend-id", xdev->otherend_id);
	if (id != xdev->otherend_id)
		return true;
	/* A domain's number comes again some day; then the state tells. */
	return xdev->state != XenbusStateInitialising && xdev->state != XenbusStateUnknown &&
	       compat_read_driver_state(xdev, node) == XenbusStateInitialising;
}

/*
 * A driver that resumes reads at once what its back end offers. A block device waits
 * for the disk too: a connection that is begun and not completed is the expensive case.
 */
static bool is_ready(struct xenbus_device *xdev, const char *backend)
{
	if (compat_read_driver_state(xdev, backend) != XenbusStateInitWait)
		return false;
	return !pvr_is_disk(xdev) || xenbus_exists(XBT_NIL, backend, "physical-device");
}

/*
 * With another number of queues blkfront's resume waits until all requests are done,
 * those that wait for it too.
 */
static bool is_fit(struct pvr_link *link, const char *backend)
{
	unsigned int had, offered;

	if (!pvr_is_disk(link->xdev))
		return true;
	had = pvr_disk_queues(link->xdev);
	offered = xenbus_read_unsigned(backend, "multi-queue-max-queues", 1);
	if (!had || had == offered || (offered > had && had == num_online_cpus()))
		return true;
	dev_err(&link->xdev->dev, "the new back end has %u queues, %u are in use: not connected\n",
		offered, had);
	link->refused = true;
	return false;
}

static void look_at_link(struct pvr_link *link);

static void backend_changed(struct xenbus_watch *watch, const char *path, const char *token)
{
	look_at_link(container_of(watch, struct pvr_link, watch));
}

/* What it asks for is read anew each time: one event that waits is enough. */
static bool one_event(struct xenbus_watch *watch, const char *path, const char *token)
{
	return !watch->nr_pending;
}

static void unwatch_backend(struct pvr_link *link)
{
	if (!link->watch.node)
		return;
	unregister_xenbus_watch(&link->watch);
	kfree(link->watch.node);
	link->watch.node = NULL;
}

/* Takes over the path. */
static void watch_backend(struct pvr_link *link, char *backend)
{
	unwatch_backend(link);
	link->watch.node = backend;
	if (register_xenbus_watch(&link->watch)) {
		dev_err(&link->xdev->dev, "cannot watch %s\n", backend);
		link->watch.node = NULL;
		kfree(backend);
	}
}

/* Where the lock is taken the work waits for it, and all is looked at again. */
static void take_down_watch(struct xenbus_device *xdev)
{
	if (!device_trylock(&xdev->dev))
		return;
	if (xdev->otherend_watch.node) {
		unregister_xenbus_watch(&xdev->otherend_watch);
		kfree(xdev->otherend_watch.node);
		xdev->otherend_watch.node = NULL;
	}
	device_unlock(&xdev->dev);
}

/* In xenwatch, as all that touches a link but its work. */
static void look_at_link(struct pvr_link *link)
{
	struct xenbus_device *xdev = link->xdev;
	unsigned int mark;
	char *backend;

	if (smp_load_acquire(&link->busy) || link->broken || !xdev->dev.driver || !moved(xdev))
		return;
	mark = xenbus_read_unsigned(xdev->nodename, PVR_MARK, 0);
	if (mark != link->mark)
		link->refused = false;
	link->mark = mark;
	if (link->refused)
		return;
	backend = xenbus_read(XBT_NIL, xdev->nodename, "backend", NULL);
	if (XENBUS_IS_ERR_READ(backend))
		return;
	if (!link->watch.node || strcmp(link->watch.node, backend)) {
		/* It speaks when it is set. */
		watch_backend(link, backend);
		return;
	}
	kfree(backend);
	if (!is_ready(xdev, link->watch.node) || !is_fit(link, link->watch.node))
		return;
	take_down_watch(xdev);
	link->busy = true;
	queue_work(wq, &link->work);
}

static int drive(struct pvr_link *link)
{
	struct device *dev = &link->xdev->dev;
	unsigned int flags = memalloc_noio_save();
	int err;

	/* Allocations must not wait for the very disk that is to come back. */
	err = dev->bus->pm->freeze(dev);
	if (!err)
		err = dev->bus->pm->restore(dev);
	memalloc_noio_restore(flags);
	return err;
}

static int restore(struct pvr_link *link)
{
	struct xenbus_device *xdev = link->xdev;
	int err = 0;

	pvr_disk_stop(link);
	if (link->waiting)
		err = pvr_disk_take_back(link);
	if (!err) {
		err = drive(link);
		/* With another end known xenbus has asked the driver: what that left is not known. */
		if (err && pvr_is_disk(xdev) && xdev->otherend)
			link->broken = true;
		link->waiting = !err && pvr_is_disk(xdev);
	}
	pvr_disk_go(link);
	return err;
}

static void restore_and_tell(struct pvr_link *link)
{
	struct device *dev = &link->xdev->dev;
	ktime_t begun = ktime_get();
	int err = restore(link);

	if (!err) {
		dev_info(dev, "connects to domain %d (%lld us)\n", link->xdev->otherend_id,
			 ktime_us_delta(ktime_get(), begun));
		return;
	}
	link->refused = true;
	dev_err(dev, "cannot connect to its new back end: %d%s\n", err,
		link->broken ? "; the device is lost" : "");
}

static void link_work(struct work_struct *work)
{
	struct pvr_link *link = container_of(work, struct pvr_link, work);
	struct xenbus_device *xdev = link->xdev;

	device_lock(&xdev->dev);
	/* With a watch it was probed anew meanwhile, or was locked before. */
	if (xdev->dev.driver && !xdev->otherend_watch.node && is_ready(xdev, link->watch.node))
		restore_and_tell(link);
	device_unlock(&xdev->dev);
	/* From here it may be freed. */
	smp_store_release(&link->busy, false);
	pvr_look_again();
}

static struct pvr_link *find(struct xenbus_device *xdev)
{
	struct pvr_link *link;

	list_for_each_entry(link, &links, node)
		if (link->xdev == xdev)
			return link;
	return NULL;
}

/* Does not wait for the work: that may be on its way into xenwatch. */
static void free_link(struct pvr_link *link)
{
	unwatch_backend(link);
	list_del(&link->node);
	put_device(&link->xdev->dev);
	kfree(link);
}

void pvr_link_look(struct xenbus_device *xdev)
{
	struct pvr_link *link = find(xdev);

	if (!link) {
		if (!xdev->dev.driver || !moved(xdev))
			return;
		link = kzalloc(sizeof(*link), GFP_KERNEL);
		if (!link)
			return;
		get_device(&xdev->dev);
		link->xdev = xdev;
		link->watch.will_handle = one_event;
		link->watch.callback = backend_changed;
		INIT_WORK(&link->work, link_work);
		/* As an earlier load of this module left it. */
		link->waiting = pvr_is_disk(xdev) && xdev->state == XenbusStateInitialised &&
				pvr_disk_queues(xdev);
		list_add(&link->node, &links);
	}
	look_at_link(link);
}

/* Those that are done, and those of devices that have gone. */
void pvr_links_tidy(void)
{
	struct pvr_link *link, *next;

	list_for_each_entry_safe(link, next, &links, node) {
		struct xenbus_device *xdev = link->xdev;

		if (smp_load_acquire(&link->busy))
			continue;
		if (device_is_registered(&xdev->dev) && xdev->dev.driver &&
		    (link->broken || moved(xdev) ||
		     (link->waiting && xdev->state != XenbusStateConnected)))
			continue;
		free_link(link);
	}
}

int pvr_links_init(void)
{
	int err = pvr_disk_init();

	if (err)
		return err;
	wq = alloc_workqueue(PVR_NAME, WQ_UNBOUND | WQ_FREEZABLE | WQ_MEM_RECLAIM, 0);
	if (wq)
		return 0;
	pvr_disk_exit();
	return -ENOMEM;
}

/* The device watch is gone: only the links' own watches call here. */
void pvr_links_exit(void)
{
	struct pvr_link *link, *next;

	/* First all that could queue a work. */
	list_for_each_entry(link, &links, node)
		unwatch_backend(link);
	destroy_workqueue(wq);
	list_for_each_entry_safe(link, next, &links, node)
		free_link(link);
	pvr_disk_exit();
}
