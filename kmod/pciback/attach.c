// SPDX-License-Identifier: GPL-2.0-only
/*
 * One domain's attachment: the xenbus state machine and the channel. Level-triggered:
 * each event only asks ctl() to compare both ends' states. Everything that the front
 * end writes is hostile; nothing waits for it, and xenwatch never waits for us.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <xen/events.h>
#include <xen/xenbus.h>
#include <asm/sync_bitops.h>

#include "../compat/compat.h"
#include "pciback.h"
#include "trace.h"

/* A device that another domain let go is being reset: ask again, for a minute and a half. */
#define RETRY_DELAY	(HZ / 10)
#define RETRY_LIMIT	900

#define MAX_DEVS	(VPCI_SLOTS * VPCI_FUNCS)

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

/* Every failure that a guest can cause comes through here: limited, and on record. */
static void fail(struct pb_attach *a, int err, const char *what)
{
	dev_err_ratelimited(&a->xdev->dev, "domain %d: %s: %d\n", a->domid, what, err);
	xenbus_printf(XBT_NIL, a->xdev->nodename, "error", "%d %s", err, what);
	xenbus_switch_state(a->xdev, XenbusStateClosing);
}

/* ---- the channel ---- */

static irqreturn_t on_event(int irq, void *data)
{
	struct pb_attach *a = data;

	set_bit(0, &a->eoi);
	queue_work(pb_wq, &a->op_work);
	return IRQ_HANDLED;
}

/*
 * At most one op an event: the end of interrupt comes after it, so a guest gets its
 * next turn only through Xen's and Linux's own throttling (XSA-331, 332).
 */
static void op_work(struct work_struct *work)
{
	struct pb_attach *a = container_of(work, struct pb_attach, op_work);
	struct pb_dev *flr = NULL;
	bool spurious = true;

	mutex_lock(&a->lock);
	if (!a->page)
		goto out;
	if (pb_aer_event(a))
		spurious = false;
	if (sync_test_bit(WIRE_FLAG_OP, (unsigned long *)&a->page->flags)) {
		struct wire_op *shared = &a->page->op;
		unsigned int i;

		spurious = false;
		/* The one read of the guest's page; from here on only the copy counts. */
		rmb();
		memcpy(&a->op, shared, sizeof(a->op));
		barrier();
		pb_op_run(a, &a->op, &flr);
		trace_pciback_op(a->domid, &a->op);
		shared->err = a->op.err;
		shared->value = a->op.value;
		if (a->op.cmd == WIRE_ENABLE_MSIX && !a->op.err)
			for (i = 0; i < WIRE_MAX_VECTORS; i++)
				shared->msix[i] = a->op.msix[i];
		wmb();
		sync_clear_bit(WIRE_FLAG_OP, (unsigned long *)&a->page->flags);
		mb();
		notify_remote_via_irq(a->irq);
	}
	if (test_and_clear_bit(0, &a->eoi))
		xen_irq_lateeoi(a->irq, spurious ? XEN_EOI_FLAG_SPURIOUS : 0);
out:
	mutex_unlock(&a->lock);

	/* After the answer, so that the guest does not wait in its access. */
	if (flr) {
		pb_dev_flr(flr, a);
		pb_dev_put(flr);
	}
}

/* Under a->lock. */
static void disconnect(struct pb_attach *a)
{
	pb_aer_gone(a);
	if (a->irq) {
		unbind_from_irqhandler(a->irq, a);
		a->irq = 0;
		clear_bit(0, &a->eoi);
	}
	if (a->page) {
		xenbus_unmap_ring_vfree(a->xdev, a->page);
		a->page = NULL;
	}
}

/* Under a->lock. */
static void connect(struct pb_attach *a)
{
	unsigned int gref, port;
	char *magic = NULL;
	void *page;
	int err;

	if (a->dying)
		return;
	err = xenbus_gather(XBT_NIL, a->otherend, "pci-op-ref", "%u", &gref,
			    "event-channel", "%u", &port, "magic", NULL, &magic, NULL);
	if (err) {
		fail(a, err, "front end's nodes pci-op-ref, event-channel, magic");
		return;
	}
	err = strcmp(magic, WIRE_MAGIC);
	kfree(magic);
	if (err) {
		fail(a, -EPROTO, "front end speaks another version than " WIRE_MAGIC);
		return;
	}
	err = xenbus_map_ring_valloc(a->xdev, &gref, 1, &page);
	if (err) {
		fail(a, err, "mapping the front end's page");
		return;
	}
	a->page = page;
	a->aer_mmio = xenbus_read_unsigned(a->otherend, WIRE_FEATURE_AER_MMIO, 0);
	err = bind_interdomain_evtchn_to_irqhandler_lateeoi(a->xdev, port, on_event, 0, PB_NAME,
							    a);
	if (err < 0) {
		disconnect(a);
		fail(a, err, "binding the front end's event channel");
		return;
	}
	a->irq = err;
	xenbus_switch_state(a->xdev, XenbusStateConnected);
}

/* ---- the devices ---- */

static int entry_state(struct pb_attach *a, unsigned int i)
{
	char node[24];
	int state;

	snprintf(node, sizeof(node), "state-%u", i);
	if (xenbus_scanf(XBT_NIL, a->xdev->nodename, node, "%d", &state) != 1)
		return XenbusStateUnknown;
	return state;
}

static int entry_addr(struct pb_attach *a, unsigned int i, struct vpci_addr *at)
{
	struct spec_bdf bdf;
	char node[24];
	unsigned int len;
	char *text;
	int err;

	snprintf(node, sizeof(node), "dev-%u", i);
	text = xenbus_read(XBT_NIL, a->xdev->nodename, node, &len);
	if (IS_ERR(text))
		return PTR_ERR(text);
	err = spec_parse_bdf(text, len, false, &bdf);
	kfree(text);
	if (err)
		return err;
	at->domain = bdf.domain;
	at->bus = bdf.bus;
	at->slot = bdf.slot;
	at->func = bdf.func;
	return 0;
}

static unsigned int nr_entries(struct pb_attach *a)
{
	return min_t(unsigned int, MAX_DEVS,
		     xenbus_read_unsigned(a->xdev->nodename, "num_devs", 0));
}

static int publish_dev(struct pb_attach *a, unsigned int i, const struct vpci_addr *virt)
{
	char node[24];
	int err;

	/* Two digits for the function: tools parse it so. */
	snprintf(node, sizeof(node), "vdev-%u", i);
	err = xenbus_printf(XBT_NIL, a->xdev->nodename, node, "%04x:%02x:%02x.%02x",
			    virt->domain, virt->bus, virt->slot, virt->func);
	if (err)
		return err;
	snprintf(node, sizeof(node), "state-%u", i);
	return xenbus_printf(XBT_NIL, a->xdev->nodename, node, "%d", XenbusStateInitialised);
}

static void publish_state(struct pb_attach *a, unsigned int i, enum xenbus_state state)
{
	char node[24];

	snprintf(node, sizeof(node), "state-%u", i);
	xenbus_printf(XBT_NIL, a->xdev->nodename, node, "%d", state);
}

/* Under a->lock. Takes and shows device i; a claim that failed leaves nothing behind. */
static int export(struct pb_attach *a, unsigned int i)
{
	struct vpci_addr real, virt;
	struct pb_dev *dev;
	int err = entry_addr(a, i, &real);

	if (err) {
		dev_err_ratelimited(&a->xdev->dev, "dev-%u is not an address: %d\n", i, err);
		return err;
	}
	dev = pb_dev_claim(a, &real);
	if (IS_ERR(dev)) {
		err = PTR_ERR(dev);
		if (err != -EAGAIN)
			dev_err_ratelimited(&a->xdev->dev, "%04x:%02x:%02x.%u: %s\n", real.domain,
					    real.bus, real.slot, real.func,
					    err == -EBUSY ? "another domain has it" :
					    err == -EIO ? "its last reset failed (see reset_failed)" :
					    "not seized by pciback (see new_slot and bind)");
		return err;
	}
	err = vpci_add(&a->vpci, dev, &real, dev->pdev->is_virtfn, &virt);
	if (!err) {
		err = publish_dev(a, i, &virt);
		if (!err)
			return 0;
		vpci_del(&a->vpci, dev);
	}
	/*
	 * device_lock comes before a->lock: let go of it for a moment. ctl() alone
	 * changes the attachment's course, and it is what runs here.
	 */
	kref_get(&dev->ref);
	mutex_unlock(&a->lock);
	pb_dev_release(dev, a);
	pb_dev_put(dev);
	mutex_lock(&a->lock);
	return err;
}

static int publish_roots(struct pb_attach *a)
{
	int err = xenbus_printf(XBT_NIL, a->xdev->nodename, "root-0", "%04x:%02x", 0, 0);

	return err ?: xenbus_printf(XBT_NIL, a->xdev->nodename, "root_num", "%d", 1);
}

/* True when the function of entry i is in this attachment's topology. */
static bool shown(struct pb_attach *a, unsigned int i)
{
	struct vpci_addr real;
	unsigned int s, f;

	if (entry_addr(a, i, &real))
		return false;
	for (s = 0; s < VPCI_SLOTS; s++)
		for (f = 0; f < VPCI_FUNCS; f++)
			if (a->vpci.at[s][f].dev &&
			    !memcmp(&a->vpci.at[s][f].real, &real, sizeof(real)))
				return true;
	return false;
}

/* Under a->lock. 0 when every entry that the toolstack added is shown. */
static int export_new(struct pb_attach *a)
{
	unsigned int i, nr = nr_entries(a);
	int err, bad = 0;

	for (i = 0; i < nr; i++) {
		int state = entry_state(a, i);

		/* Shown by an instance of this module that is gone: nobody's now. */
		if (!a->exported && state == XenbusStateInitialised && !shown(a, i))
			state = XenbusStateInitialising;
		if (state != XenbusStateInitialising)
			continue;
		err = export(a, i);
		if (err == -EAGAIN) {
			if (a->tries++ < RETRY_LIMIT)
				return err;
			err = -ETIMEDOUT;
		}
		if (err) {
			publish_state(a, i, XenbusStateClosed);
			bad = err;
		}
	}
	a->tries = 0;
	return bad;
}

/*
 * Detaches up to max functions from the topology; each comes with a reference. all:
 * every one; else those whose entry says Closing. Under a->lock.
 */
static unsigned int unlink_devs(struct pb_attach *a, bool all, struct pb_dev **devs,
				unsigned int max)
{
	unsigned int i, s, f, n = 0;

	for (i = 0; !all && i < nr_entries(a) && n < max; i++) {
		struct vpci_addr real;
		struct pb_dev *dev;

		if (entry_state(a, i) != XenbusStateClosing)
			continue;
		publish_state(a, i, XenbusStateClosed);
		if (entry_addr(a, i, &real))
			continue;
		dev = pb_dev_get(real.domain, real.bus, real.slot, real.func);
		if (dev && vpci_del(&a->vpci, dev))
			devs[n++] = dev;
		else
			pb_dev_put(dev);
	}
	for (s = 0; all && s < VPCI_SLOTS; s++)
		for (f = 0; f < VPCI_FUNCS && n < max; f++) {
			struct pb_dev *dev = a->vpci.at[s][f].dev;

			if (!dev)
				continue;
			kref_get(&dev->ref);
			vpci_del(&a->vpci, dev);
			devs[n++] = dev;
		}
	return n;
}

/* Without a->lock. */
static void release_devs(struct pb_attach *a, bool all)
{
	struct pb_dev *devs[8];
	unsigned int i, n;

	do {
		mutex_lock(&a->lock);
		n = unlink_devs(a, all, devs, ARRAY_SIZE(devs));
		mutex_unlock(&a->lock);
		for (i = 0; i < n; i++) {
			pb_dev_release(devs[i], a);
			pb_dev_put(devs[i]);
		}
	} while (n);
}

/* Without a->lock: every function back to what it was when it was taken. */
static void quiesce_devs(struct pb_attach *a)
{
	unsigned int at;

	for (at = 0; at < MAX_DEVS; at++) {
		struct pb_dev *dev;

		mutex_lock(&a->lock);
		dev = a->vpci.at[at / VPCI_FUNCS][at % VPCI_FUNCS].dev;
		if (dev)
			kref_get(&dev->ref);
		mutex_unlock(&a->lock);
		if (dev) {
			pb_dev_quiesce(dev, a);
			pb_dev_put(dev);
		}
	}
}

/* ---- the state machine ---- */

/* Under a->lock. */
static void show_first(struct pb_attach *a)
{
	int err;

	if (!nr_entries(a))
		return;		/* the toolstack is not done yet */
	err = export_new(a);
	if (err == -EAGAIN) {
		queue_delayed_work(pb_wq, &a->ctl_work, RETRY_DELAY);
		return;
	}
	if (!err)
		err = publish_roots(a);
	if (err) {
		fail(a, err, "a device cannot be given to the domain");
		return;
	}
	a->exported = true;
	xenbus_switch_state(a->xdev, XenbusStateInitialised);
}

/* Both ends agreed to change the set: take away first, then add. Under a->lock. */
static void reconfigure(struct pb_attach *a)
{
	int err;

	mutex_unlock(&a->lock);
	release_devs(a, false);
	mutex_lock(&a->lock);
	if (a->dying)
		return;
	err = export_new(a);
	if (err == -EAGAIN) {
		queue_delayed_work(pb_wq, &a->ctl_work, RETRY_DELAY);
		return;
	}
	/* A device that cannot be added says so in its own state; the others work on. */
	publish_roots(a);
	xenbus_switch_state(a->xdev, XenbusStateReconfigured);
}

/* True when the guest has lost the device of entry i, which it was shown. */
static bool entry_lost(struct pb_attach *a, unsigned int i)
{
	struct vpci_addr real;
	struct pb_dev *dev;
	bool lost;

	if (entry_state(a, i) != XenbusStateInitialised || entry_addr(a, i, &real))
		return false;
	if (!shown(a, i))
		return true;
	dev = pb_dev_get(real.domain, real.bus, real.slot, real.func);
	lost = dev && READ_ONCE(dev->fenced);
	pb_dev_put(dev);
	return lost;
}

/*
 * The front end removes functions whose entries say Closing when it sees our end
 * Reconfiguring, as for a detach. One transaction, and only where we are settled: a change
 * of the toolstack's comes first, and a directory that is gone stays gone. Under a->lock.
 */
static void tell_lost(struct pb_attach *a)
{
	struct xenbus_transaction t;
	unsigned int i, nr = nr_entries(a), told;
	int err, own;

	do {
		err = xenbus_transaction_start(&t);
		if (err)
			return;
		told = 0;
		if (xenbus_scanf(t, a->xdev->nodename, "state", "%d", &own) != 1 ||
		    own != XenbusStateConnected)
			err = -EBUSY;	/* the next change of the state brings us here again */
		for (i = 0; i < nr && !err; i++) {
			char node[24];

			if (!entry_lost(a, i))
				continue;
			snprintf(node, sizeof(node), "state-%u", i);
			err = xenbus_printf(t, a->xdev->nodename, node, "%d", XenbusStateClosing);
			told++;
		}
		if (told && !err)
			err = xenbus_printf(t, a->xdev->nodename, "state", "%d",
					    XenbusStateReconfiguring);
		err = xenbus_transaction_end(t, err || !told) ?: err;
	} while (err == -EAGAIN);
	if (!err)
		a->lost = false;
}

/* Under a->lock. */
static void front_went(struct pb_attach *a, enum xenbus_state front)
{
	disconnect(a);
	if (front == XenbusStateClosing) {
		xenbus_switch_state(a->xdev, XenbusStateClosing);
		return;
	}
	if (!a->front_closed) {
		a->front_closed = true;
		mutex_unlock(&a->lock);
		quiesce_devs(a);
		mutex_lock(&a->lock);
	}
	if (!a->dying)
		xenbus_switch_state(a->xdev, XenbusStateClosed);
}

/* A front end that closed comes back, loaded anew or after a kexec. Under a->lock. */
static void front_returned(struct pb_attach *a)
{
	if (!xenbus_dev_is_online(a->xdev))
		return;
	/* Each return costs a reset and may cost messages: one a second is enough. */
	if (a->returned && time_before(jiffies, a->returned + HZ)) {
		queue_delayed_work(pb_wq, &a->ctl_work, HZ);
		return;
	}
	a->returned = jiffies;
	a->front_closed = false;
	if (publish_roots(a))
		return;
	xenbus_switch_state(a->xdev, a->exported ? XenbusStateInitialised : XenbusStateInitWait);
}

static void ctl_work(struct work_struct *work)
{
	struct pb_attach *a = container_of(to_delayed_work(work), struct pb_attach, ctl_work);
	enum xenbus_state own, front;

	mutex_lock(&a->lock);
	if (a->dying)
		goto out;

	/* The toolstack writes our state too, so the store knows better than xdev. */
	own = compat_read_driver_state(a->xdev, a->xdev->nodename);
	front = compat_read_driver_state(a->xdev, a->otherend);
	/* xenbus_switch_state() writes nothing where its copy says that it has. */
	if (own != XenbusStateUnknown)
		a->xdev->state = own;

	switch (front) {
	case XenbusStateUnknown:
	case XenbusStateClosing:
	case XenbusStateClosed:
		if (own >= XenbusStateInitialised)
			front_went(a, front);
		else if (own == XenbusStateInitWait)
			show_first(a);
		goto out;
	default:
		break;
	}

	switch (own) {
	case XenbusStateInitWait:
		show_first(a);
		break;
	case XenbusStateInitialised:
		if (a->page)
			break;
		if (export_new(a) == -EAGAIN)
			queue_delayed_work(pb_wq, &a->ctl_work, RETRY_DELAY);
		if (front == XenbusStateInitialised)
			connect(a);
		break;
	case XenbusStateReconfiguring:
		if (front == XenbusStateReconfiguring)
			reconfigure(a);
		break;
	case XenbusStateReconfigured:
		if (front == XenbusStateConnected)
			xenbus_switch_state(a->xdev, XenbusStateConnected);
		break;
	case XenbusStateConnected:
		if (front == XenbusStateConnected && a->lost)
			tell_lost(a);
		break;
	case XenbusStateClosing:
	case XenbusStateClosed:
		if (a->front_closed &&
		    (front == XenbusStateInitialising || front == XenbusStateInitialised))
			front_returned(a);
		break;
	default:
		break;
	}
out:
	mutex_unlock(&a->lock);
}

/*
 * The attachment's end, of which there must be one: ctl_work() may have been queued
 * before dying was set and may find it set, so it is not ctl_work() that drops the
 * reference. Whoever kicks it from now on finds dying set under a->lock.
 */
static void end_work(struct work_struct *work)
{
	struct pb_attach *a = container_of(work, struct pb_attach, end_work);

	mutex_lock(&a->lock);
	disconnect(a);
	mutex_unlock(&a->lock);
	cancel_delayed_work_sync(&a->ctl_work);
	cancel_work_sync(&a->op_work);
	release_devs(a, true);
	pb_attach_put(a);
}

static void kick(struct pb_attach *a)
{
	mod_delayed_work(pb_wq, &a->ctl_work, 0);
}

void pb_attach_lost(struct pb_attach *a, struct pb_dev *dev)
{
	mutex_lock(&a->lock);
	if (dev)
		vpci_del(&a->vpci, dev);
	a->lost = true;
	if (!a->dying)
		kick(a);
	mutex_unlock(&a->lock);
}

static bool one_is_enough(struct xenbus_watch *watch, const char *path, const char *token)
{
	return watch->nr_pending == 0;
}

static void own_changed(struct xenbus_watch *watch, const char *path, const char *token)
{
	kick(container_of(watch, struct pb_attach, watch));
}

static void front_changed(struct xenbus_device *xdev, enum xenbus_state state)
{
	struct pb_attach *a = dev_get_drvdata(&xdev->dev);

	if (a)
		kick(a);
}

static int attach_probe(struct xenbus_device *xdev, const struct xenbus_device_id *id)
{
	struct pb_attach *a = kzalloc(sizeof(*a), GFP_KERNEL);
	int err;

	if (!a)
		return -ENOMEM;
	/* xenbus frees its copy when remove() returns, while ctl_work() may still run. */
	a->otherend = kstrdup(xdev->otherend, GFP_KERNEL);
	if (!a->otherend) {
		kfree(a);
		return -ENOMEM;
	}
	kref_init(&a->ref);
	mutex_init(&a->lock);
	init_waitqueue_head(&a->aer_wait);
	INIT_WORK(&a->op_work, op_work);
	INIT_DELAYED_WORK(&a->ctl_work, ctl_work);
	INIT_WORK(&a->end_work, end_work);
	a->xdev = xdev;
	a->domid = xdev->otherend_id;
	get_device(&xdev->dev);
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
	a->watching = true;
	kick(a);
	return 0;
}

/*
 * Runs in xenwatch, which every back end of dom0 needs: the resets of a release are
 * left to end_work(), which drops the attachment.
 */
static void attach_remove(struct xenbus_device *xdev)
{
	struct pb_attach *a = dev_get_drvdata(&xdev->dev);

	if (!a)
		return;
	if (a->watching) {
		unregister_xenbus_watch(&a->watch);
		a->watching = false;
	}
	dev_set_drvdata(&xdev->dev, NULL);
	WRITE_ONCE(a->dying, true);
	wake_up_all(&a->aer_wait);
	queue_work(pb_wq, &a->end_work);
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
