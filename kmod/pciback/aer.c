// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI error recovery for functions that guests have: each step is forwarded to the
 * front end, which is asked for a bounded time and whose answer is only an opinion.
 *
 * The PCI core calls with device_lock held, and with its list of buses locked for
 * reading: a reset or release of this function waits meanwhile, and so does adding or
 * removing a device anywhere. So a step waits for AER_LIMIT at most and a guest that let
 * it pass is not asked for AER_PENALTY. While it waits neither a->lock nor dev->lock is
 * held: the guest's handler makes config accesses, and may close or die.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pci.h>
#include <asm/sync_bitops.h>
#include <xen/events.h>

#include "aervote.h"
#include "pciback.h"

#define AER_LIMIT	(5 * HZ)
#define AER_PENALTY	(60 * HZ)

/* More errors than this in a time are no accident: each costs dom0 a recovery and messages. */
#define AER_ERRORS	16
#define AER_WINDOW	(60 * HZ)

#define REPORTING	(PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE)

/* ---- the page's AER half; all under a->lock but for the wait ---- */

static bool answered(struct pb_attach *a)
{
	return !sync_test_bit(WIRE_FLAG_AER, (unsigned long *)&a->page->flags);
}

bool pb_aer_event(struct pb_attach *a)
{
	if (a->aer == PB_AER_IDLE || a->aer == PB_AER_ANSWERED || !answered(a))
		return false;
	if (a->aer == PB_AER_LATE) {
		a->aer = PB_AER_IDLE;	/* nobody waits for it any more */
	} else {
		rmb();			/* the flag before the answer */
		a->aer_answer = READ_ONCE(a->page->aer.err);
		a->aer = PB_AER_ANSWERED;
	}
	wake_up_all(&a->aer_wait);
	return true;
}

void pb_aer_gone(struct pb_attach *a)
{
	if (a->aer == PB_AER_ASKED) {
		a->aer_answer = AER_NOT_ASKED;
		a->aer = PB_AER_ANSWERED;
	} else if (a->aer == PB_AER_LATE) {
		a->aer = PB_AER_IDLE;
	}
	wake_up_all(&a->aer_wait);
}

static void post(struct pb_attach *a, const struct topo_addr *virt, u32 cmd, u32 state)
{
	struct wire_aer_op *op = &a->page->aer;

	WRITE_ONCE(op->cmd, cmd);
	WRITE_ONCE(op->err, state);
	WRITE_ONCE(op->domain, virt->domain);
	WRITE_ONCE(op->bus, virt->bus);
	WRITE_ONCE(op->devfn, PCI_DEVFN(virt->slot, virt->func));
	wmb();			/* the request before its flag */
	sync_set_bit(WIRE_FLAG_AER, (unsigned long *)&a->page->flags);
	mb();			/* the flag before the event */
	notify_remote_via_irq(a->irq);
}

/*
 * One request at a time: the protocol has no sequence number, so the next one waits until
 * the front end has cleared the flag of the one before, however late. 0 with a->lock held
 * when the request may be posted; else why not, without it.
 */
static u32 take_turn(struct pb_attach *a, unsigned long end)
{
	for (;;) {
		long left = end - jiffies;

		mutex_lock(&a->lock);
		if (a->dying || !a->page) {
			mutex_unlock(&a->lock);
			return AER_NOT_ASKED;
		}
		if (!sync_test_bit(WIRE_FLAG_AER_HANDLER, (unsigned long *)&a->page->flags)) {
			mutex_unlock(&a->lock);
			return AER_NONE;
		}
		pb_aer_event(a);
		if (a->aer == PB_AER_IDLE)
			return 0;
		mutex_unlock(&a->lock);
		if (left <= 0)
			return AER_SILENT;
		wait_event_timeout(a->aer_wait, READ_ONCE(a->aer) == PB_AER_IDLE ||
				   READ_ONCE(a->dying), left);
	}
}

/* The answer to the request just posted. Under a->lock, but not while it waits. */
static u32 await(struct pb_attach *a, unsigned long end)
{
	u32 answer;

	a->aer = PB_AER_ASKED;
	mutex_unlock(&a->lock);
	wait_event_timeout(a->aer_wait,
			   READ_ONCE(a->aer) == PB_AER_ANSWERED || READ_ONCE(a->dying),
			   max_t(long, end - jiffies, 1));
	mutex_lock(&a->lock);
	if (a->page)
		pb_aer_event(a);
	if (a->aer == PB_AER_ANSWERED) {
		answer = a->aer_answer;
		a->aer = PB_AER_IDLE;
	} else {
		answer = a->dying ? AER_NOT_ASKED : AER_SILENT;
		a->aer = PB_AER_LATE;
	}
	wake_up_all(&a->aer_wait);
	return answer;
}

static u32 ask(struct pb_attach *a, struct pb_dev *dev, u32 cmd, u32 state, bool wait)
{
	unsigned long end = jiffies + AER_LIMIT, penalty = READ_ONCE(a->aer_penalty);
	const struct topo_entry *e;
	u32 answer;

	if (penalty && time_before(jiffies, penalty))
		return AER_SILENT;
	answer = take_turn(a, end);
	if (!answer) {
		e = topo_of(&a->topo, dev);
		if (!e) {
			answer = AER_NOT_ASKED;
		} else if (cmd == WIRE_AER_MMIO && !a->aer_mmio) {
			answer = AER_NONE;
		} else {
			post(a, &e->virt, cmd, state);
			if (wait) {
				answer = await(a, end);
			} else {
				a->aer = PB_AER_LATE;
				answer = AER_RECOVERED;
			}
		}
		mutex_unlock(&a->lock);
	}
	if (answer == AER_SILENT)
		WRITE_ONCE(a->aer_penalty, (jiffies + AER_PENALTY) | 1);
	return answer;
}

/* ---- the device; under device_lock, which the PCI core holds ---- */

static struct pb_attach *owner_of(struct pb_dev *dev)
{
	struct pb_attach *a;

	mutex_lock(&pb_lock);
	a = dev->owner;
	if (a)
		pb_attach_get(a);
	mutex_unlock(&pb_lock);
	return a;
}

/*
 * Uncorrectable errors are reported to dom0; what a guest can cause at will, unsupported
 * requests and correctable errors, is not: the kernel has messages for each. Under device_lock.
 */
void pb_aer_report(struct pb_dev *dev, bool on)
{
	struct pci_dev *pdev = dev->pdev;

	if (!pdev->aer_cap || !pci_find_host_bridge(pdev->bus)->native_aer)
		return;
	pcie_capability_clear_and_set_word(pdev, PCI_EXP_DEVCTL,
					   REPORTING | PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_URRE,
					   on ? REPORTING : 0);
}

/*
 * The guest may not use the device any more: it is silent on the bus, its config space is
 * gone for the guest, and the front end is told to remove it. The claim stays until the
 * toolstack takes the device away or the front end has let go of it.
 */
static void fence(struct pb_dev *dev, struct pb_attach *a)
{
	if (dev->fenced)
		return;
	mutex_lock(&dev->lock);
	dev->fenced = true;
	pci_free_irq_vectors(dev->pdev);
	pci_clear_master(dev->pdev);
	if (dev->irq)
		pci_intx(dev->pdev, 0);
	pb_aer_report(dev, false);
	mutex_unlock(&dev->lock);
	dev_warn_ratelimited(&dev->pdev->dev,
			     "domain %d did not recover it from a PCI error: its use ends, detach it\n",
			     a->domid);
	pb_attach_lost(a, NULL);
}

/*
 * The link was reset, and every register with it: they are put back as seized, MSIs as the
 * core and Xen have them, the rest as the guest's view has it, that after a reset. False where
 * the device is not as it was.
 */
static bool restore(struct pb_dev *dev, bool used)
{
	struct pci_dev *pdev = dev->pdev;
	const char *wrong;

	mutex_lock(&dev->lock);
	dev->flr_wanted = false;
	dev->wake_wanted = false;
	if (pci_device_is_present(pdev)) {
		if (!pci_load_saved_state(pdev, dev->saved))
			pci_restore_state(pdev);
		pci_clear_master(pdev);
	}
	wrong = pb_verify(dev);
	if (wrong)
		pb_set_failed(dev, wrong, -EIO);
	pb_dev_fresh_view(dev);
	if (used && !wrong)
		pb_follow_view(dev);
	if (dev->fenced)
		pb_aer_report(dev, false);
	mutex_unlock(&dev->lock);
	return !wrong;
}

static pci_ers_result_t forward(struct pci_dev *pdev, u32 cmd, pci_channel_state_t state)
{
	struct pb_dev *dev = pci_get_drvdata(pdev);
	struct pb_attach *a = owner_of(dev);
	struct aer_verdict v = aer_judge(cmd, dev->aer_reset, AER_RECOVERED);
	bool asked = a && !dev->fenced && !dev->aer_skip;

	if (cmd == WIRE_AER_SLOTRESET && dev->aer_reset && !restore(dev, a && !dev->fenced) && a) {
		fence(dev, a);
		asked = false;
	}
	if (a && cmd == WIRE_AER_DETECTED)
		dev_warn_ratelimited(&pdev->dev, "PCI error (channel state %u) while domain %d has it\n",
				     (__force u32)state, a->domid);
	if (asked) {
		u32 answer = ask(a, dev, cmd, (__force u32)state, cmd != WIRE_AER_RESUME);

		v = aer_judge(cmd, dev->aer_reset, answer);
		dev->aer_skip = v.skip;
		if (v.fence)
			fence(dev, a);
	}
	if (a)
		pb_attach_put(a);
	return (__force pci_ers_result_t)v.vote;
}

static bool too_many(struct pb_dev *dev)
{
	if (!dev->aer_errors || time_after(jiffies, dev->aer_since + AER_WINDOW)) {
		dev->aer_since = jiffies;
		dev->aer_errors = 0;
	}
	return ++dev->aer_errors > AER_ERRORS;
}

static pci_ers_result_t on_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct pb_dev *dev = pci_get_drvdata(pdev);
	struct pb_attach *a;

	dev->aer_reset = state != pci_channel_io_normal;
	dev->aer_skip = false;
	if (state != pci_channel_io_perm_failure && !too_many(dev))
		return forward(pdev, WIRE_AER_DETECTED, state);

	/* The guest is told, not asked: nothing comes back from the one, the other has to end. */
	a = owner_of(dev);
	if (a) {
		if (!dev->fenced)
			ask(a, dev, WIRE_AER_DETECTED, (__force u32)pci_channel_io_perm_failure,
			    false);
		fence(dev, a);
		pb_attach_put(a);
	}
	if (state == pci_channel_io_perm_failure)
		return PCI_ERS_RESULT_DISCONNECT;
	return dev->aer_reset ? PCI_ERS_RESULT_NEED_RESET : PCI_ERS_RESULT_CAN_RECOVER;
}

static pci_ers_result_t on_mmio_enabled(struct pci_dev *pdev)
{
	return forward(pdev, WIRE_AER_MMIO, pci_channel_io_normal);
}

static pci_ers_result_t on_slot_reset(struct pci_dev *pdev)
{
	return forward(pdev, WIRE_AER_SLOTRESET, pci_channel_io_normal);
}

static void on_resume(struct pci_dev *pdev)
{
	forward(pdev, WIRE_AER_RESUME, pci_channel_io_normal);
}

const struct pci_error_handlers pb_error_handlers = {
	.error_detected = on_detected,
	.mmio_enabled = on_mmio_enabled,
	.slot_reset = on_slot_reset,
	.resume = on_resume,
};
