// SPDX-License-Identifier: GPL-2.0-only
/*
 * A legacy interrupt line that dom0 shares with a guest's function. The guest's
 * interrupts look unhandled to dom0, which would shut the line down: a handler of
 * ours claims them while Xen says that the line is shared. While the guest has not
 * bound the line, or has ended, nobody answers the function: its interrupt is held in the
 * hardware until somebody does. The handler is there only while dom0 uses the line: it
 * would itself make dom0 a user. Under dev->lock, except as said.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device/bus.h>
#include <linux/interrupt.h>
#include <xen/events.h>

#include "pciback.h"

/*
 * Asking Xen is a hypercall. The kernel gives a line up when 99900 of 100000 interrupts
 * are not claimed, so an answer that is this old does no harm, whichever it was.
 */
#define RECHECK_EVERY 100

/* How long a held line waits for its guest, growing. */
#define HOLD_FIRST_MS 10
#define HOLD_MOST_MS 1000

static bool guest_has_line(struct pb_dev *dev)
{
	/* Despite its name it is true when the line is not shared. */
	return !xen_test_irq_shared(dev->irq);
}

/*
 * The handler: takes no lock; one CPU at a time runs it. Its change of the command
 * register may be lost to one that is under way, and is made again by the next interrupt.
 */
static irqreturn_t shared_line(int irq, void *data)
{
	struct pb_dev *dev = data;

	if (!READ_ONCE(dev->ack_intr))
		return IRQ_NONE;
	if (dev->seen++ % RECHECK_EVERY == 0)
		WRITE_ONCE(dev->line_shared, guest_has_line(dev));
	if (!dev->line_shared) {
		/* True where it was this function; those older than PCI 2.3 cannot tell. */
		if (dev->pdev->broken_intx_masking || !pci_check_and_mask_intx(dev->pdev))
			return IRQ_NONE;
		/* It may have been bound since Xen was last asked. */
		dev->seen = 0;
		if (!READ_ONCE(dev->line_held)) {
			WRITE_ONCE(dev->line_held, true);
			WRITE_ONCE(dev->hold, HOLD_FIRST_MS);
		}
		queue_delayed_work(pb_wq, &dev->hold_work, msecs_to_jiffies(dev->hold));
	}
	WRITE_ONCE(dev->handled, dev->handled + 1);
	return IRQ_HANDLED;
}

/* Lets a held line go once the guest answers it. Never waits for dev->lock: see unhook. */
static void hold_work(struct work_struct *work)
{
	struct pb_dev *dev = container_of(to_delayed_work(work), struct pb_dev, hold_work);
	unsigned int again = HOLD_FIRST_MS;

	if (mutex_trylock(&dev->lock)) {
		if (dev->asleep) {
			again = HOLD_MOST_MS;
		} else if (!dev->line_held) {
			again = 0;
		} else if (guest_has_line(dev)) {
			WRITE_ONCE(dev->line_held, false);
			pb_follow_view(dev);
			again = 0;
		} else {
			again = min(2 * dev->hold, (unsigned int)HOLD_MOST_MS);
			WRITE_ONCE(dev->hold, again);
		}
		mutex_unlock(&dev->lock);
	}
	if (again)
		queue_delayed_work(pb_wq, &dev->hold_work, msecs_to_jiffies(again));
}

void pb_intx_prepare(struct pb_dev *dev)
{
	INIT_DELAYED_WORK(&dev->hold_work, hold_work);
}

int pb_intx_hook(struct pb_dev *dev)
{
	int err;

	if (!dev->irq || dev->isr_on)
		return 0;
	snprintf(dev->irq_name, sizeof(dev->irq_name), PB_NAME "[%s]", pci_name(dev->pdev));
	dev->seen = 0;
	dev->line_shared = false;
	dev->line_held = false;
	WRITE_ONCE(dev->ack_intr, !pci_dev_msi_enabled(dev->pdev));
	err = request_irq(dev->irq, shared_line, IRQF_SHARED, dev->irq_name, dev);
	if (err) {
		WRITE_ONCE(dev->ack_intr, false);
		dev_warn_ratelimited(&dev->pdev->dev, "cannot share interrupt %u: %d\n", dev->irq,
				     err);
	} else {
		WRITE_ONCE(dev->isr_on, true);
	}
	return err;
}

void pb_intx_unhook(struct pb_dev *dev)
{
	if (!dev->isr_on)
		return;
	WRITE_ONCE(dev->ack_intr, false);
	free_irq(dev->irq, dev);
	WRITE_ONCE(dev->isr_on, false);
	cancel_delayed_work_sync(&dev->hold_work);
	dev->line_held = false;
}

/* A driver may ask for its interrupt long after it is bound, when its interface goes up. */
static bool used_by_dom0(struct pb_dev *dev)
{
	struct pci_dev *other = NULL;

	if (irq_has_action(dev->irq))
		return true;
	for_each_pci_dev(other) {
		struct device_driver *drv = READ_ONCE(other->dev.driver);

		if (other->pin && other->irq == dev->irq && !pci_dev_msi_enabled(other) && drv &&
		    drv != dev->pdev->dev.driver) {
			pci_dev_put(other);
			return true;
		}
	}
	return false;
}

void pb_intx_review(struct pb_dev *dev)
{
	bool held;

	if (!dev->irq || dev->isr_manual)
		return;
	held = dev->line_held;
	/* Off first, to see who else is there. */
	pb_intx_unhook(dev);
	if (used_by_dom0(dev))
		pb_intx_hook(dev);
	if (held)
		pb_follow_view(dev);
}

/* Another device's driver came or went: under that one's device_lock. */
static int on_bus_event(struct notifier_block *nb, unsigned long action, void *data)
{
	struct pci_dev *other = to_pci_dev(data);
	struct pb_dev *dev;

	if (action != BUS_NOTIFY_BOUND_DRIVER && action != BUS_NOTIFY_UNBOUND_DRIVER)
		return NOTIFY_DONE;
	if (!other->pin || !other->irq)
		return NOTIFY_DONE;
	for (dev = pb_dev_next(NULL); dev; dev = pb_dev_next(dev)) {
		if (dev->pdev == other || dev->irq != other->irq)
			continue;
		mutex_lock(&dev->lock);
		if (pb_dev_in_use(dev))
			pb_intx_review(dev);
		mutex_unlock(&dev->lock);
	}
	return NOTIFY_OK;
}

static struct notifier_block bus_events = {
	.notifier_call = on_bus_event,
};

int pb_intx_init(void)
{
	return bus_register_notifier(&pci_bus_type, &bus_events);
}

void pb_intx_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &bus_events);
}
