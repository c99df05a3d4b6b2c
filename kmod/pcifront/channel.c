// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shared page and the event channel: sends one op and waits for its answer.
 * Owns pf_dev.lock, which is held with interrupts off for the whole op, because the
 * PCI core calls configuration accessors that way.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/interrupt.h>
#include <linux/timekeeping.h>
#include <xen/events.h>
#include <xen/interface/vcpu.h>
#include <xen/xen-ops.h>
#include <asm/sync_bitops.h>
#include <asm/xen/hypercall.h>

#include "pcifront.h"

#define OP_LIMIT_NS	(2 * NSEC_PER_SEC)
#define POLL_SLICE_NS	(100 * NSEC_PER_MSEC)

static unsigned long *page_flags(struct pf_dev *pf)
{
	return (unsigned long *)&pf->page->flags;
}

/*
 * An absolute Xen system time shortly after now, for SCHEDOP_poll. The clock itself is
 * not reachable from a module, but the time at which this CPU was last scheduled in is,
 * and it is not later than now. Where it is long past, the poll returns at once and
 * being descheduled by it brings the value up to date for the next round.
 */
static u64 poll_until(void)
{
	struct vcpu_runstate_info info;

	if (HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, xen_vcpu_nr(smp_processor_id()), &info))
		return 1;	/* in the past: do not sleep */
	return info.state_entry_time + POLL_SLICE_NS;
}

/* True when the back end has answered. Called with the lock held and interrupts off. */
static bool wait_for_answer(struct pf_dev *pf)
{
	u64 limit = ktime_get_mono_fast_ns() + OP_LIMIT_NS;
	bool answered;

	/* Another CPU's handler must not take the event that this one sleeps for. */
	disable_irq_nosync(pf->irq);
	for (;;) {
		xen_clear_irq_pending(pf->irq);
		answered = !sync_test_bit(WIRE_FLAG_OP, page_flags(pf));
		if (answered || ktime_get_mono_fast_ns() > limit)
			break;
		xen_poll_irq_timeout(pf->irq, poll_until());
	}
	/* The event may have announced an AER request as well. */
	if (sync_test_bit(WIRE_FLAG_AER, page_flags(pf)))
		schedule_work(&pf->aer_work);
	enable_irq(pf->irq);
	return answered;
}

/*
 * Sends op and copies the answer back into it. Returns a wire_err.
 *
 * The protocol has no sequence number. An op that ran into the time limit keeps its
 * flag set, and as long as it is set nothing else is sent: so a late answer is never
 * taken for that of the next op, and a back end that hangs costs the limit once and
 * not for each access.
 */
int pf_do_op(struct pf_dev *pf, struct wire_op *op)
{
	unsigned long flags;
	int err = WIRE_ERR_NO_DEVICE;

	spin_lock_irqsave(&pf->lock, flags);
	if (pf->dead || sync_test_bit(WIRE_FLAG_OP, page_flags(pf)))
		goto out;

	memcpy(&pf->page->op, op, sizeof(*op));
	wmb();	/* the op is complete before the flag says so */
	sync_set_bit(WIRE_FLAG_OP, page_flags(pf));
	notify_remote_via_evtchn(pf->evtchn);

	if (!wait_for_answer(pf)) {
		dev_err_ratelimited(&pf->xdev->dev, "the back end does not answer (command %u)\n",
				    op->cmd);
		goto out;
	}
	rmb();	/* the answer is read after the flag */
	memcpy(op, &pf->page->op, sizeof(*op));
	err = op->err;
out:
	spin_unlock_irqrestore(&pf->lock, flags);
	return err;
}

static irqreturn_t pf_interrupt(int irq, void *data)
{
	struct pf_dev *pf = data;

	if (sync_test_bit(WIRE_FLAG_AER, page_flags(pf)))
		schedule_work(&pf->aer_work);
	return IRQ_HANDLED;
}

/* Grants the page, which xenbus zeroes, and makes the event channel. */
int pf_channel_open(struct pf_dev *pf)
{
	void *page;
	int err;

	err = xenbus_setup_ring(pf->xdev, GFP_KERNEL, &page, 1, &pf->gref);
	if (err)
		return err;
	pf->page = page;
	err = xenbus_alloc_evtchn(pf->xdev, &pf->evtchn);
	if (err)
		goto free_page;
	err = bind_evtchn_to_irqhandler(pf->evtchn, pf_interrupt, 0, KBUILD_MODNAME, pf);
	if (err < 0)
		goto free_evtchn;
	pf->irq = err;
	sync_set_bit(WIRE_FLAG_AER_HANDLER, page_flags(pf));
	return 0;

free_evtchn:
	xenbus_free_evtchn(pf->xdev, pf->evtchn);
free_page:
	xenbus_teardown_ring((void **)&pf->page, 1, &pf->gref);
	pf->page = NULL;
	return err;
}

/* From here on every access fails at once. */
void pf_channel_kill(struct pf_dev *pf)
{
	unsigned long flags;

	spin_lock_irqsave(&pf->lock, flags);
	pf->dead = true;
	spin_unlock_irqrestore(&pf->lock, flags);
}

/* The last user is gone: no bus is left. The event channel goes with the interrupt. */
void pf_channel_close(struct pf_dev *pf)
{
	if (!pf->page)
		return;
	pf_channel_kill(pf);
	unbind_from_irqhandler(pf->irq, pf);
	cancel_work_sync(&pf->aer_work);
	xenbus_teardown_ring((void **)&pf->page, 1, &pf->gref);
	pf->page = NULL;
}
