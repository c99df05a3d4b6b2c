// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvreconnect: a guest's network and block devices follow when dom0 gives them another
 * back end, where they are: addresses and mounted file systems stay. Owns the module's
 * life, the announcement to dom0 and the watch on the guest's devices. Where xenbus
 * notices a new back end by itself this module only says so.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/mutex.h>
#include <xen/xen.h>

#include "../compat/compat.h"
#include "pvreconnect.h"

#ifdef HAVE_XENBUS_DEVICE_VANISHED
#define BY_KERNEL true
#else
#define BY_KERNEL false
#endif

/* Relative to the guest's own directory; `data` is the guest's to write. */
#define ANNOUNCE_DIR "data/pciassign"
#define ANNOUNCE_NODE "reconnect"

static void announce(void)
{
	int err;

	if (xenbus_exists(XBT_NIL, ANNOUNCE_DIR, ANNOUNCE_NODE))
		return;
	err = xenbus_write(XBT_NIL, ANNOUNCE_DIR, ANNOUNCE_NODE,
			   BY_KERNEL ? "kernel" : "1");
	if (err)
		pr_warn_once("cannot announce itself in " ANNOUNCE_DIR ": %d\n", err);
}

/* What is looked at by itself; the rest follows from it. */
static bool tells(struct xenbus_watch *watch, const char *path, const char *token)
{
	const char *slash = strrchr(path, '/');
	unsigned int depth = 0;

	if (watch->nr_pending)
		return false;
	if (slash && !strcmp(slash, "/backend-id"))
		return true;
	for (; *path; path++)
		depth += *path == '/';
	/* The tree, a type or a device: it came, or it went. */
	return depth <= 2;
}

static struct xenbus_watch device_watch;
static DEFINE_MUTEX(again_lock);
static bool leaving;

/* Matches nothing: it stands for the bus, which no header gives. */
static const struct xenbus_device_id no_ids[] = {
	{ PVR_NAME "-none" },
	{ "" },
};

static struct xenbus_driver bus_handle = {
	.name = PVR_NAME,
	.ids = no_ids,
	.not_essential = true,
};

static int look_at(struct device *dev, void *unused)
{
	struct xenbus_device *xdev = to_xenbus_device(dev);

	if (!strcmp(xdev->devicetype, "vif") || !strcmp(xdev->devicetype, "vbd"))
		pvr_link_look(xdev);
	return 0;
}

/* In xenwatch. Level-triggered: what was said does not matter, only what is. */
static void changed(struct xenbus_watch *watch, const char *path, const char *token)
{
	/* After a migration the guest has another directory. */
	announce();
	if (BY_KERNEL)
		return;
	pvr_links_tidy();
	bus_for_each_dev(bus_handle.driver.bus, NULL, NULL, look_at);
}

/* A watch speaks when it is set: the way into xenwatch. */
void pvr_look_again(void)
{
	mutex_lock(&again_lock);
	if (!leaving) {
		unregister_xenbus_watch(&device_watch);
		if (register_xenbus_watch(&device_watch)) {
			pr_err("cannot watch the devices any more\n");
			leaving = true;
		}
	}
	mutex_unlock(&again_lock);
}

static int start(void)
{
	int err;

	if (BY_KERNEL)
		return 0;
	err = xenbus_register_frontend(&bus_handle);
	if (err)
		return err;
	if (!bus_handle.driver.bus->pm || !bus_handle.driver.bus->pm->freeze ||
	    !bus_handle.driver.bus->pm->restore) {
		pr_err("xenbus has no freeze and restore in this kernel\n");
		xenbus_unregister_driver(&bus_handle);
		return -EOPNOTSUPP;
	}
	err = pvr_links_init();
	if (err)
		xenbus_unregister_driver(&bus_handle);
	return err;
}

static void stop(void)
{
	if (BY_KERNEL)
		return;
	pvr_links_exit();
	xenbus_unregister_driver(&bus_handle);
}

static struct xenbus_watch device_watch = {
	.node = "device",
	.will_handle = tells,
	.callback = changed,
};

static int __init pvreconnect_init(void)
{
	int err;

	if (!xen_domain() || xen_initial_domain()) {
		pr_info("not a guest of Xen: nothing to do\n");
		return -ENODEV;
	}
	err = start();
	if (err)
		return err;
	/* It speaks at once: all is looked at and announced. */
	err = register_xenbus_watch(&device_watch);
	if (err)
		stop();
	return err;
}
module_init(pvreconnect_init);

static void __exit pvreconnect_exit(void)
{
	bool watched;

	mutex_lock(&again_lock);
	watched = !leaving;
	leaving = true;
	mutex_unlock(&again_lock);
	if (watched)
		unregister_xenbus_watch(&device_watch);
	/* From here dom0 replaces devices instead. */
	xenbus_rm(XBT_NIL, ANNOUNCE_DIR, ANNOUNCE_NODE);
	stop();
}
module_exit(pvreconnect_exit);

MODULE_DESCRIPTION("Xen guests' network and block devices follow a new back end (pciassign)");
MODULE_LICENSE("GPL");
MODULE_VERSION(PCIASSIGN_VERSION);
MODULE_ALIAS("xen:vif");
MODULE_ALIAS("xen:vbd");
