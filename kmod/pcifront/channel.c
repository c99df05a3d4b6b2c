// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shared page and its event channel. The back end may be slow, dead or wrong: an
 * op waits for a bounded time once, and an unanswered op keeps the page until it is
 * answered, so that a late answer is never taken for the next one's. Lock: pf->lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/interrupt.h>
#include <linux/ktime.h>
#include <xen/interface/xen.h>
#include <xen/interface/vcpu.h>
#include <xen/xen-ops.h>
#include <asm/sync_bitops.h>
#include <asm/xen/hypercall.h>

#include "pcifront.h"

#define ANSWER_LIMIT_NS	(3 * NSEC_PER_SEC)
#define SLICE_NS	(100 * NSEC_PER_MSEC)
/* An awake back end answers in less time than a sleep and a wake-up take. */
#define LOOK_NS		(50 * NSEC_PER_USEC)

static unsigned long *flags_of(struct wire_page *page)
{
	return (unsigned long *)&page->flags;
}

static bool op_waits(struct wire_page *page)
{
	return sync_test_bit(WIRE_FLAG_OP, flags_of(page));
}

/* Whatever an event may have announced, besides the answer that somebody waits for. */
static void look_around(struct pf_dev *pf, struct wire_page *page)
{
	if (sync_test_bit(WIRE_FLAG_AER, flags_of(page)))
		queue_work(pf_wq, &pf->aer_work);
	if (READ_ONCE(pf->unanswered) && !op_waits(page))
		queue_work(pf_wq, &pf->lost_work);
}

/* The page is freed after this handler is. */
static irqreturn_t on_event(int irq, void *data)
{
	struct pf_dev *pf = data;
	struct wire_page *page = READ_ONCE(pf->page);

	if (page)
		look_around(pf, page);
	return IRQ_HANDLED;
}

int pf_channel_open(struct pf_dev *pf)
{
	struct xenbus_device *xdev = pf->xdev;
	struct wire_page *page;
	void *ring;
	int err;

	err = xenbus_setup_ring(xdev, GFP_NOIO | __GFP_HIGH, &ring, 1, &pf->gref);
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
	page = ring;
	sync_set_bit(WIRE_FLAG_AER_HANDLER, flags_of(page));

	raw_spin_lock_irq(&pf->lock);
	pf->dead = false;
	pf->unanswered = false;
	WRITE_ONCE(pf->page, page);
	raw_spin_unlock_irq(&pf->lock);
	return 0;

free_evtchn:
	xenbus_free_evtchn(xdev, pf->port);
teardown:
	xenbus_teardown_ring(&ring, 1, &pf->gref);
	return err;
}

void pf_channel_close(struct pf_dev *pf)
{
	void *page;

	raw_spin_lock_irq(&pf->lock);
	page = pf->page;
	WRITE_ONCE(pf->page, NULL);
	raw_spin_unlock_irq(&pf->lock);
	if (!page)
		return;
	unbind_from_irqhandler(pf->irq, pf);	/* closes the event channel too */
	cancel_work_sync(&pf->aer_work);
	cancel_work_sync(&pf->lost_work);
	pf->told_lost = false;
	/* The page is freed only when the back end has unmapped it. */
	xenbus_teardown_ring(&page, 1, &pf->gref);
}

void pf_channel_kill(struct pf_dev *pf)
{
	WRITE_ONCE(pf->dead, true);	/* ends the wait of whoever has the lock */
	raw_spin_lock_irq(&pf->lock);
	pf->dead = true;
	raw_spin_unlock_irq(&pf->lock);
}

bool pf_channel_lost(struct pf_dev *pf)
{
	bool lost;

	raw_spin_lock_irq(&pf->lock);
	lost = pf->page && (pf->dead || (pf->unanswered && op_waits(pf->page)));
	raw_spin_unlock_irq(&pf->lock);
	return lost;
}

/*
 * Until when SCHEDOP_poll may sleep, in Xen's absolute time. A module cannot read that
 * clock, but the time at which this vCPU came onto its CPU, which is not later than now.
 * Where it is long past, the first poll does not sleep, and brings it up to date.
 */
static u64 end_of_slice(void)
{
	struct vcpu_runstate_info info;

	if (HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, xen_vcpu_nr(smp_processor_id()), &info))
		return 1;
	return info.state_entry_time + SLICE_NS;
}

/* The event stays pending, as for every answer: its handler finds nothing to do. */
static bool look_for_answer(struct pf_dev *pf)
{
	u64 end = ktime_get_mono_fast_ns() + LOOK_NS;

	do {
		if (!op_waits(pf->page))
			return true;
		cpu_relax();
	} while (ktime_get_mono_fast_ns() < end);
	return false;
}

/* The vCPU is off its CPU while it waits. */
static bool sleep_for_answer(struct pf_dev *pf)
{
	u64 end = ktime_get_mono_fast_ns() + ANSWER_LIMIT_NS;
	bool answered;

	/* Another CPU's handler must not take the event that this one sleeps for. */
	disable_irq_nosync(pf->irq);
	for (;;) {
		xen_clear_irq_pending(pf->irq);
		answered = !op_waits(pf->page);
		if (answered || READ_ONCE(pf->dead) || ktime_get_mono_fast_ns() > end)
			break;
		xen_poll_irq_timeout(pf->irq, end_of_slice());
	}
	enable_irq(pf->irq);
	return answered;
}

/* Under the lock. */
static bool wait_for_answer(struct pf_dev *pf)
{
	bool answered = look_for_answer(pf) || sleep_for_answer(pf);

	look_around(pf, pf->page);
	return answered;
}

int pf_op(struct pf_dev *pf, struct wire_op *op)
{
	bool msix = op->cmd == WIRE_ENABLE_MSIX;
	size_t used = msix ? sizeof(*op) : offsetof(struct wire_op, msix);
	struct wire_op *shared;
	unsigned long flags;
	int err = WIRE_ERR_NO_DEVICE;

	raw_spin_lock_irqsave(&pf->lock, flags);
	if (!pf->page || pf->dead)
		goto out;
	if (pf->unanswered) {
		if (op_waits(pf->page))
			goto out;	/* still silent: fail at once */
		pf->unanswered = false;
		queue_work(pf_wq, &pf->lost_work);
	}

	shared = &pf->page->op;
	memcpy(shared, op, used);
	wmb();			/* the op before its flag */
	sync_set_bit(WIRE_FLAG_OP, flags_of(pf->page));
	mb();			/* the flag before the event */
	notify_remote_via_evtchn(pf->port);

	if (!wait_for_answer(pf)) {
		pf->unanswered = true;
		queue_work(pf_wq, &pf->lost_work);
		goto out;
	}
	rmb();			/* the flag before the answer */
	op->value = READ_ONCE(shared->value);
	if (msix)
		memcpy(op->msix, shared->msix, sizeof(op->msix));
	err = READ_ONCE(shared->err);
	op->err = err;
out:
	raw_spin_unlock_irqrestore(&pf->lock, flags);
	return err;
}

bool pf_aer_take(struct pf_dev *pf, struct wire_aer_op *request)
{
	bool waits;

	raw_spin_lock_irq(&pf->lock);
	waits = pf->page && sync_test_bit(WIRE_FLAG_AER, flags_of(pf->page));
	if (waits) {
		rmb();		/* the flag before the request */
		memcpy(request, &pf->page->aer, sizeof(*request));
	}
	raw_spin_unlock_irq(&pf->lock);
	return waits;
}

void pf_aer_answer(struct pf_dev *pf, pci_ers_result_t result)
{
	raw_spin_lock_irq(&pf->lock);
	if (pf->page) {
		WRITE_ONCE(pf->page->aer.err, (__force s32)result);
		wmb();		/* the answer before its flag */
		sync_clear_bit(WIRE_FLAG_AER, flags_of(pf->page));
		mb();		/* the flag before the event */
		notify_remote_via_evtchn(pf->port);
	}
	raw_spin_unlock_irq(&pf->lock);
}
