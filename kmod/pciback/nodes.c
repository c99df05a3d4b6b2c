// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attachment's directory in xenstore. Trusts the toolstack's words, not that they
 * stay: entries are removed and renumbered at any time, so each write is a transaction that
 * looks first. The guest can write nothing here. Takes no lock; may be slow.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>

#include "pciback.h"

#define NODE_LEN 24

/* Starts a transaction in which our directory is there. */
static int begin(struct pb_attach *a, struct xenbus_transaction *t, int *own)
{
	int err = xenbus_transaction_start(t);

	if (err)
		return err;
	if (xenbus_scanf(*t, a->xdev->nodename, "state", "%d", own) != 1) {
		xenbus_transaction_end(*t, 1);
		return -ENOENT;
	}
	return 0;
}

/* -EAGAIN: somebody else wrote what we read; begin again. */
static int end(struct xenbus_transaction t, int err)
{
	return xenbus_transaction_end(t, err != 0) ?: err;
}

unsigned int pb_nodes_count(struct pb_attach *a)
{
	return min_t(unsigned int, TOPO_MAX,
		     xenbus_read_unsigned(a->xdev->nodename, "num_devs", 0));
}

enum xenbus_state pb_entry_state(struct pb_attach *a, unsigned int i)
{
	char node[NODE_LEN];

	snprintf(node, sizeof(node), "state-%u", i);
	return xenbus_read_unsigned(a->xdev->nodename, node, XenbusStateUnknown);
}

static int entry_addr(struct xenbus_transaction t, struct pb_attach *a, unsigned int i,
		      struct topo_addr *real)
{
	struct spec_bdf bdf;
	char node[NODE_LEN];
	unsigned int len;
	char *text;
	int err;

	snprintf(node, sizeof(node), "dev-%u", i);
	text = xenbus_read(t, a->xdev->nodename, node, &len);
	if (IS_ERR(text))
		return PTR_ERR(text);
	err = spec_parse_bdf(text, len, false, &bdf);
	kfree(text);
	if (err)
		return err;
	real->domain = bdf.domain;
	real->bus = bdf.bus;
	real->slot = bdf.slot;
	real->func = bdf.func;
	return 0;
}

int pb_entry_addr(struct pb_attach *a, unsigned int i, struct topo_addr *real)
{
	return entry_addr(XBT_NIL, a, i, real);
}

int pb_entry_write(struct pb_attach *a, unsigned int i, const struct topo_addr *real,
		   const struct topo_addr *virt, enum xenbus_state state)
{
	const char *dir = a->xdev->nodename;
	struct xenbus_transaction t;
	struct topo_addr there;
	char node[NODE_LEN];
	int err, own;

	do {
		err = begin(a, &t, &own);
		if (err)
			return err;
		if (real) {
			err = entry_addr(t, a, i, &there);
			if (!err && !topo_same(&there, real))
				err = -ESTALE;
		}
		if (!err && virt) {
			/* Two digits for the function: tools parse it so. */
			snprintf(node, sizeof(node), "vdev-%u", i);
			err = xenbus_printf(t, dir, node, "%04x:%02x:%02x.%02x", virt->domain,
					    virt->bus, virt->slot, virt->func);
		}
		snprintf(node, sizeof(node), "state-%u", i);
		if (!err)
			err = xenbus_printf(t, dir, node, "%d", state);
		err = end(t, err);
	} while (err == -EAGAIN);
	return err;
}

/*
 * Only where we are settled: a change of the toolstack's comes first, and the next change
 * of our state asks again.
 */
int pb_entries_closing(struct pb_attach *a, bool (*lost)(struct pb_attach *a, unsigned int i))
{
	const char *dir = a->xdev->nodename;
	unsigned int i, told, nr = pb_nodes_count(a);
	struct xenbus_transaction t;
	char node[NODE_LEN];
	int err, own;

	do {
		err = begin(a, &t, &own);
		if (err)
			return err;
		if (own != XenbusStateConnected)
			err = -EBUSY;
		for (i = 0, told = 0; i < nr && !err; i++) {
			if (!lost(a, i))
				continue;
			snprintf(node, sizeof(node), "state-%u", i);
			err = xenbus_printf(t, dir, node, "%d", XenbusStateClosing);
			told++;
		}
		if (told && !err)
			err = xenbus_printf(t, dir, "state", "%d", XenbusStateReconfiguring);
		err = end(t, err);
	} while (err == -EAGAIN);
	return err;
}

int pb_roots_write(struct pb_attach *a)
{
	struct topo_addr *roots = kcalloc(TOPO_MAX, sizeof(*roots), GFP_KERNEL);
	const char *dir = a->xdev->nodename;
	struct xenbus_transaction t;
	unsigned int i, nr;
	char node[NODE_LEN];
	int err, own;

	if (!roots)
		return -ENOMEM;
	mutex_lock(&a->lock);
	nr = topo_roots(&a->topo, roots, TOPO_MAX);
	mutex_unlock(&a->lock);
	do {
		err = begin(a, &t, &own);
		if (err)
			break;
		for (i = 0; i < nr && !err; i++) {
			snprintf(node, sizeof(node), "root-%u", i);
			err = xenbus_printf(t, dir, node, "%04x:%02x", roots[i].domain,
					    roots[i].bus);
		}
		if (!err)
			err = xenbus_printf(t, dir, "root_num", "%u", nr);
		err = end(t, err);
	} while (err == -EAGAIN);
	kfree(roots);
	return err;
}

void pb_nodes_fail(struct pb_attach *a, int err, const char *what)
{
	struct xenbus_transaction t;
	int own, failed;

	dev_err_ratelimited(&a->xdev->dev, "domain %d: %s: %d\n", a->domid, what, err);
	do {
		if (begin(a, &t, &own))
			return;
		failed = end(t, xenbus_printf(t, a->xdev->nodename, "error", "%d %s", err, what));
	} while (failed == -EAGAIN);
	xenbus_switch_state(a->xdev, XenbusStateClosing);
}
