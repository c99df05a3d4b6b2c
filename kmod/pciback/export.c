// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which functions the attachment has: what the toolstack adds is claimed and shown, what it
 * takes away is let go, what is lost is told. Only the state machine and the attachment's
 * end come here, but for pb_attach_lost(); locks: see attach.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "pciback.h"

/* A device that another domain let go is being reset: it is asked for again so long. */
#define RETRY_LIMIT	(90 * HZ)

static const char *why(int err)
{
	switch (err) {
	case -EBUSY:
		return "another domain has it";
	case -EIO:
		return "its last reset failed (see do_flr)";
	case -EEXIST:
		return "it is there already";
	case -ENOSPC:
		return "the guest's bus is full";
	default:
		return "not seized by pciback (see new_slot and bind)";
	}
}

/* Claimed and in the topology, or neither. */
static struct pb_dev *take(struct pb_attach *a, const struct topo_addr *real,
			   struct topo_addr *virt)
{
	struct pb_dev *dev;
	int err = 0;

	/* One section: a removal that comes now finds the device in the topology. */
	mutex_lock(&a->lock);
	dev = pb_dev_claim(a, real);
	if (!IS_ERR(dev)) {
		err = topo_add(&a->topo, dev, real, dev->pdev->is_virtfn, virt);
		if (err)
			kref_get(&dev->ref);
	}
	mutex_unlock(&a->lock);
	if (!err)
		return dev;
	pb_dev_release(dev, a);
	pb_dev_put(dev);
	return ERR_PTR(err);
}

/* Out of the topology, with a reference for the caller; NULL where it is not in it. */
static struct pb_dev *drop(struct pb_attach *a, const struct topo_addr *real)
{
	const struct topo_entry *e;
	struct pb_dev *dev = NULL;

	mutex_lock(&a->lock);
	e = topo_at(&a->topo, real);
	if (e) {
		dev = e->dev;
		kref_get(&dev->ref);
		topo_del(&a->topo, dev);
	}
	mutex_unlock(&a->lock);
	return dev;
}

static void let_go(struct pb_attach *a, const struct topo_addr *real)
{
	struct pb_dev *dev = drop(a, real);

	if (dev) {
		pb_dev_release(dev, a);
		pb_dev_put(dev);
	}
}

static int export(struct pb_attach *a, unsigned int i)
{
	struct topo_addr real, virt;
	struct pb_dev *dev;
	int err = pb_entry_addr(a, i, &real);

	if (err) {
		dev_err_ratelimited(&a->xdev->dev, "dev-%u is not an address: %d\n", i, err);
		pb_entry_write(a, i, NULL, NULL, XenbusStateClosed);
		return err;
	}
	dev = take(a, &real, &virt);
	if (IS_ERR(dev)) {
		err = PTR_ERR(dev);
		if (err == -EAGAIN) {
			if (!a->retry_until)
				a->retry_until = (jiffies + RETRY_LIMIT) | 1;
			if (time_before(jiffies, a->retry_until))
				return err;
			err = -ETIMEDOUT;
		}
		dev_err_ratelimited(&a->xdev->dev, "%04x:%02x:%02x.%u: %s (%d)\n", real.domain,
				    real.bus, real.slot, real.func, why(err), err);
		pb_entry_write(a, i, &real, NULL, XenbusStateClosed);
		return err;
	}
	err = pb_entry_write(a, i, &real, &virt, XenbusStateInitialised);
	if (err)
		let_go(a, &real);
	return err;
}

/* Whether the function of entry i is in this attachment's topology, and usable. */
static bool shown(struct pb_attach *a, unsigned int i, bool *fenced)
{
	const struct topo_entry *e;
	struct topo_addr real;

	*fenced = false;
	if (pb_entry_addr(a, i, &real))
		return false;
	mutex_lock(&a->lock);
	e = topo_at(&a->topo, &real);
	if (e)
		*fenced = READ_ONCE(((struct pb_dev *)e->dev)->fenced);
	mutex_unlock(&a->lock);
	return e;
}

int pb_export_new(struct pb_attach *a)
{
	unsigned int i, nr = pb_nodes_count(a);
	int err, bad = 0;
	bool fenced;

	for (i = 0; i < nr && !READ_ONCE(a->dying); i++) {
		enum xenbus_state state = pb_entry_state(a, i);

		/* Shown by an instance of this module that is gone: nobody's now. */
		if (!a->exported && state == XenbusStateInitialised && !shown(a, i, &fenced))
			state = XenbusStateInitialising;
		if (state != XenbusStateInitialising)
			continue;
		err = export(a, i);
		if (err == -EAGAIN)
			return err;
		if (err)
			bad = err;
	}
	a->retry_until = 0;
	return bad;
}

void pb_export_closing(struct pb_attach *a)
{
	unsigned int i, nr = pb_nodes_count(a);
	struct topo_addr real;

	for (i = 0; i < nr; i++) {
		if (pb_entry_state(a, i) != XenbusStateClosing)
			continue;
		if (pb_entry_addr(a, i, &real)) {
			pb_entry_write(a, i, NULL, NULL, XenbusStateClosed);
			continue;
		}
		pb_entry_write(a, i, &real, NULL, XenbusStateClosed);
		let_go(a, &real);
	}
}

/* The k-th function, with a reference. */
static struct pb_dev *nth(struct pb_attach *a, unsigned int k)
{
	struct pb_dev *dev = NULL;

	mutex_lock(&a->lock);
	if (k < a->topo.nr) {
		dev = a->topo.e[k].dev;
		kref_get(&dev->ref);
	}
	mutex_unlock(&a->lock);
	return dev;
}

void pb_export_quiesce(struct pb_attach *a)
{
	unsigned int k = TOPO_MAX;

	/* Downwards: where a removal fills a hole with the last one, none is left out. */
	while (k--) {
		struct pb_dev *dev = nth(a, k);

		if (dev) {
			pb_dev_quiesce(dev, a);
			pb_dev_put(dev);
		}
	}
}

void pb_export_release(struct pb_attach *a)
{
	struct pb_dev *dev;

	while ((dev = nth(a, 0))) {
		mutex_lock(&a->lock);
		topo_del(&a->topo, dev);
		mutex_unlock(&a->lock);
		pb_dev_release(dev, a);
		pb_dev_put(dev);
	}
}

static bool is_lost(struct pb_attach *a, unsigned int i)
{
	bool fenced;

	return pb_entry_state(a, i) == XenbusStateInitialised &&
	       (!shown(a, i, &fenced) || fenced);
}

void pb_export_tell_lost(struct pb_attach *a)
{
	bool lost;

	mutex_lock(&a->lock);
	lost = a->lost;
	a->lost = false;
	mutex_unlock(&a->lock);
	if (!lost || !pb_entries_closing(a, is_lost))
		return;
	/* Not settled: the next change of a state brings us here again. */
	mutex_lock(&a->lock);
	a->lost = true;
	mutex_unlock(&a->lock);
}

void pb_attach_lost(struct pb_attach *a, struct pb_dev *dev)
{
	mutex_lock(&a->lock);
	if (dev)
		topo_del(&a->topo, dev);
	a->lost = true;
	if (!a->dying)
		pb_control_kick(a);
	mutex_unlock(&a->lock);
}
