// SPDX-License-Identifier: GPL-2.0-only
/*
 * A legacy interrupt line that dom0 shares with a guest's function. The guest's
 * interrupts look unhandled to dom0, which would shut the line down: a handler of
 * ours claims them as long as Xen says that the line is shared. Under dev->lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/interrupt.h>
#include <xen/events.h>

#include "pciback.h"

#define RECHECK_EVERY 1000

static irqreturn_t shared_line(int irq, void *data)
{
	struct pb_dev *dev = data;
	unsigned long n;

	if (!READ_ONCE(dev->ack_intr))
		return IRQ_NONE;
	n = READ_ONCE(dev->handled) + 1;
	WRITE_ONCE(dev->handled, n);
	/* Despite its name it is true when the line is not shared. */
	if (n % RECHECK_EVERY == 0 && xen_test_irq_shared(irq))
		WRITE_ONCE(dev->ack_intr, false);
	return IRQ_HANDLED;
}

/* Where nobody in dom0 uses the line, a handler would make it shared: none is needed. */
int pb_intx_hook(struct pb_dev *dev, bool force)
{
	int err;

	if (!dev->irq || dev->isr_on)
		return 0;
	if (!force && !irq_has_action(dev->irq))
		return 0;
	snprintf(dev->irq_name, sizeof(dev->irq_name), PB_NAME "[%s]", pci_name(dev->pdev));
	WRITE_ONCE(dev->ack_intr, !pci_dev_msi_enabled(dev->pdev));
	err = request_irq(dev->irq, shared_line, IRQF_SHARED, dev->irq_name, dev);
	if (err)
		dev_warn(&dev->pdev->dev, "cannot share interrupt %u: %d\n", dev->irq, err);
	else
		dev->isr_on = true;
	return err;
}

void pb_intx_unhook(struct pb_dev *dev)
{
	if (!dev->isr_on)
		return;
	WRITE_ONCE(dev->ack_intr, false);
	free_irq(dev->irq, dev);
	dev->isr_on = false;
}
