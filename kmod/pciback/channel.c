// SPDX-License-Identifier: GPL-2.0-only
/*
 * The channel of one attachment: the front end's page and its event channel. The page is
 * hostile at every instant: each op is copied out once, only the copy is believed. Opened
 * and closed without a->lock, which an op holds while it is worked on.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>
#include <xen/events.h>
#include <asm/sync_bitops.h>

#include "pciback.h"
#include "trace.h"

static irqreturn_t on_event(int irq, void *data)
{
	struct pb_attach *a = data;

	set_bit(0, &a->eoi);
	queue_work(pb_wq, &a->op_work);
	return IRQ_HANDLED;
}

/* The vectors, most of an op, are used by one command only. */
static void copy_in(struct wire_op *op, const struct wire_op *shared)
{
	memcpy(op, shared, offsetof(struct wire_op, msix));
	barrier();		/* the copied command decides, not the page's */
	if (op->cmd == WIRE_ENABLE_MSIX)
		memcpy(op->msix, shared->msix, sizeof(op->msix));
	barrier();
}

static void copy_out(struct wire_op *shared, const struct wire_op *op)
{
	shared->err = op->err;
	shared->value = op->value;
	if (op->cmd == WIRE_ENABLE_MSIX && !op->err)
		memcpy(shared->msix, op->msix, sizeof(op->msix));
}

/* False where no op waited. Under a->lock, connected. */
static bool serve(struct pb_attach *a, struct pb_dev **flr)
{
	unsigned long *flags = (unsigned long *)&a->page->flags;

	if (!sync_test_bit(WIRE_FLAG_OP, flags))
		return false;
	rmb();			/* the flag before the op */
	copy_in(&a->op, &a->page->op);
	pb_op_run(a, &a->op, flr);
	trace_pciback_op(a->domid, &a->op);
	copy_out(&a->page->op, &a->op);
	wmb();			/* the answer before the flag */
	sync_clear_bit(WIRE_FLAG_OP, flags);
	mb();			/* the flag before the event */
	notify_remote_via_irq(a->irq);
	return true;
}

/*
 * An op that follows at once is served without another interrupt and wake-up, which cost
 * more than the op. The end of interrupt comes after some of them at most, so a guest gets
 * its next turn only through Xen's and Linux's own throttling (XSA-331, 332).
 */
#define OPS_PER_EVENT	16

static void op_work(struct work_struct *work)
{
	struct pb_attach *a = container_of(work, struct pb_attach, op_work);
	struct pb_dev *flr = NULL;
	unsigned int budget = OPS_PER_EVENT;
	bool spurious = true;

	mutex_lock(&a->lock);
	if (a->page) {
		if (pb_aer_event(a))
			spurious = false;
		while (budget-- && !flr && serve(a, &flr))
			spurious = false;
		if (test_and_clear_bit(0, &a->eoi))
			xen_irq_lateeoi(a->irq, spurious ? XEN_EOI_FLAG_SPURIOUS : 0);
	}
	mutex_unlock(&a->lock);

	/* After the answer, so that the guest does not wait in its access. */
	if (flr) {
		pb_dev_flr(flr, a);
		pb_dev_put(flr);
	}
}

void pb_channel_init(struct pb_attach *a)
{
	INIT_WORK(&a->op_work, op_work);
}

const char *pb_channel_open(struct pb_attach *a, int *err)
{
	unsigned int gref, port;
	char *magic = NULL;
	bool differs, mmio;
	void *page;

	*err = xenbus_gather(XBT_NIL, a->otherend, "pci-op-ref", "%u", &gref,
			     "event-channel", "%u", &port, "magic", NULL, &magic, NULL);
	if (*err)
		return "front end's nodes pci-op-ref, event-channel, magic";
	differs = strcmp(magic, WIRE_MAGIC);
	kfree(magic);
	if (differs) {
		*err = -EPROTO;
		return "front end speaks another version than " WIRE_MAGIC;
	}
	mmio = xenbus_read_unsigned(a->otherend, WIRE_FEATURE_AER_MMIO, 0);
	/* One message of the kernel for each reference that is wrong: control.c counts them. */
	*err = xenbus_map_ring_valloc(a->xdev, &gref, 1, &page);
	if (*err)
		return "mapping the front end's page";

	mutex_lock(&a->lock);
	clear_bit(0, &a->eoi);
	*err = a->dying ? -ENODEV :
	       bind_interdomain_evtchn_to_irqhandler_lateeoi(a->xdev, port, on_event, 0,
							     PB_NAME, a);
	if (*err > 0) {
		a->irq = *err;
		a->page = page;
		a->aer_mmio = mmio;
	}
	mutex_unlock(&a->lock);
	if (*err > 0) {
		*err = 0;
		return NULL;
	}
	xenbus_unmap_ring_vfree(a->xdev, page);
	return "binding the front end's event channel";
}

void pb_channel_close(struct pb_attach *a)
{
	struct wire_page *page;
	unsigned int irq;

	mutex_lock(&a->lock);
	page = a->page;
	irq = a->irq;
	a->page = NULL;
	a->irq = 0;
	pb_aer_gone(a);
	mutex_unlock(&a->lock);
	/* Nobody else has them now: an op under way has ended, a later one finds no page. */
	if (page) {
		unbind_from_irqhandler(irq, a);
		xenbus_unmap_ring_vfree(a->xdev, page);
	}
}
