// SPDX-License-Identifier: GPL-2.0-only
/*
 * Error recovery: the back end asks, the device's driver answers. One request at a time;
 * the answer clears its flag. Owns nothing.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pci.h>
#include <xen/events.h>
#include <asm/sync_bitops.h>

#include "pcifront.h"

static pci_ers_result_t ask_driver(struct pci_dev *dev, const struct wire_aer_op *op)
{
	const struct pci_error_handlers *handlers;
	pci_ers_result_t result = PCI_ERS_RESULT_NONE;

	device_lock(&dev->dev);
	handlers = dev->driver ? dev->driver->err_handler : NULL;
	if (handlers) {
		switch (op->cmd) {
		case WIRE_AER_DETECTED:
			/* pci_channel_io_normal to pci_channel_io_perm_failure */
			if (handlers->error_detected && op->err >= 1 && op->err <= 3)
				result = handlers->error_detected(dev,
						(__force pci_channel_state_t)op->err);
			break;
		case WIRE_AER_MMIO:
			if (handlers->mmio_enabled)
				result = handlers->mmio_enabled(dev);
			break;
		case WIRE_AER_SLOTRESET:
			if (handlers->slot_reset)
				result = handlers->slot_reset(dev);
			break;
		case WIRE_AER_RESUME:
			if (handlers->resume)
				handlers->resume(dev);
			break;
		}
	}
	device_unlock(&dev->dev);
	return result;
}

void pf_aer_work(struct work_struct *work)
{
	struct pf_dev *pf = container_of(work, struct pf_dev, aer_work);
	unsigned long *flags = (unsigned long *)&pf->page->flags;
	struct wire_aer_op op;
	struct pci_dev *dev;
	pci_ers_result_t result = PCI_ERS_RESULT_NONE;

	if (!sync_test_bit(WIRE_FLAG_AER, flags))
		return;
	rmb();	/* the request is read after the flag */
	memcpy(&op, &pf->page->aer, sizeof(op));
	dev = pci_get_domain_bus_and_slot(op.domain, op.bus, op.devfn);
	if (dev) {
		result = ask_driver(dev, &op);
		pci_dev_put(dev);
	}
	WRITE_ONCE(pf->page->aer.err, (s32)(__force u32)result);
	wmb();	/* the answer is there before the flag says so */
	sync_clear_bit(WIRE_FLAG_AER, flags);
	notify_remote_via_evtchn(pf->evtchn);
}
