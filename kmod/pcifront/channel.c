// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shared page and its event channel. The back end may be slow, dead or wrong: an
 * op waits for a bounded time once, and an unanswered op keeps the page until it is
 * answered, so that a late answer is never taken for the next one's. Lock: pf->lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ktime.h>
#include <asm/sync_bitops.h>

#include "pcifront.h"

#define ANSWER_LIMIT_NS (4 * NSEC_PER_SEC)

static irqreturn_t on_event(int irq, void *data)
{
	return IRQ_HANDLED;	/* answers are polled for; AER requests are not offered */
}

int pf_channel_open(struct pf_dev *pf)
{
	struct xenbus_device *xdev = pf->xdev;
	void *page;
	int err;

	err = xenbus_setup_ring(xdev, GFP_NOIO | __GFP_HIGH, &page, 1, &pf->gref);
	if (err)
		return err;
	err = xenbus_alloc_evtchn(xdev, &pf->port);
	if (err)
		goto teardown;
	err = bind_evtchn_to_irqhandler(pf->port, on_event, 0, PF_NAME, pf);
	if (err < 0) {
		xenbus_dev_error(xdev, err, "binding event channel %u", pf->port);
		goto free_evtchn;
	}
	pf->irq = err;

	spin_lock_irq(&pf->lock);
	pf->unanswered = false;
	pf->page = page;
	spin_unlock_irq(&pf->lock);
	return 0;

free_evtchn:
	xenbus_free_evtchn(xdev, pf->port);
teardown:
	xenbus_teardown_ring(&page, 1, &pf->gref);
	return err;
}

void pf_channel_close(struct pf_dev *pf)
{
	void *page;

	spin_lock_irq(&pf->lock);
	page = pf->page;
	pf->page = NULL;
	spin_unlock_irq(&pf->lock);
	if (!page)
		return;
	unbind_from_irqhandler(pf->irq, pf);	/* closes the event channel too */
	/* The page is freed only when the back end has unmapped it. */
	xenbus_teardown_ring(&page, 1, &pf->gref);
}

static bool op_waits(struct wire_page *page)
{
	return sync_test_bit(WIRE_FLAG_OP, (unsigned long *)&page->flags);
}

/*
 * A time limit in the past makes Xen wake us at its next timer tick or at the event,
 * whichever is first: the vCPU is off the CPU meanwhile. (Xen wants absolute system
 * time, which modules cannot read.)
 */
static bool wait_for_answer(struct pf_dev *pf)
{
	u64 end = ktime_get_mono_fast_ns() + ANSWER_LIMIT_NS;

	while (op_waits(pf->page)) {
		if (ktime_get_mono_fast_ns() > end)
			return false;
		xen_poll_irq_timeout(pf->irq, 1);
		xen_clear_irq_pending(pf->irq);
	}
	return true;
}

int pf_op(struct pf_dev *pf, struct wire_op *op)
{
	bool msix = op->cmd == WIRE_ENABLE_MSIX;
	size_t used = msix ? sizeof(*op) : offsetof(struct wire_op, msix);
	struct wire_op *shared;
	unsigned long flags;
	int err = WIRE_ERR_NO_DEVICE;

	spin_lock_irqsave(&pf->lock, flags);
	if (!pf->page)
		goto out;
	if (pf->unanswered) {
		if (op_waits(pf->page))
			goto out;	/* still silent: fail at once */
		dev_info(&pf->xdev->dev, "the back end answers again\n");
		pf->unanswered = false;
	}

	shared = &pf->page->op;
	memcpy(shared, op, used);
	wmb();			/* the op before its flag */
	xen_clear_irq_pending(pf->irq);
	sync_set_bit(WIRE_FLAG_OP, (unsigned long *)&pf->page->flags);
	mb();			/* the flag before the event */
	notify_remote_via_evtchn(pf->port);

	if (!wait_for_answer(pf)) {
		pf->unanswered = true;
		dev_err_ratelimited(&pf->xdev->dev,
				    "no answer from the back end: its devices are lost until it answers\n");
		goto out;
	}
	rmb();			/* the flag before the answer */
	op->value = READ_ONCE(shared->value);
	if (msix)
		memcpy(op->msix, shared->msix, sizeof(op->msix));
	err = READ_ONCE(shared->err);
	op->err = err;
out:
	spin_unlock_irqrestore(&pf->lock, flags);
	return err;
}
