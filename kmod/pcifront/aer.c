// SPDX-License-Identifier: GPL-2.0-only
/*
 * Error recovery: the back end asks, the function's driver in this guest answers. One
 * request at a time, whose numbers are only data here. Lock: device_lock().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pci.h>

#include "pcifront.h"

/*
 * As the PCI core does it for devices of its own: a driver without error_detected takes
 * no part, and one that has nothing to say at a later step has nothing against it.
 */
static pci_ers_result_t ask_driver(struct pci_dev *pdev, const struct wire_aer_op *request)
{
	const struct pci_error_handlers *handlers;
	pci_ers_result_t result = PCI_ERS_RESULT_RECOVERED;
	pci_channel_state_t state;

	device_lock(&pdev->dev);
	handlers = pdev->driver ? pdev->driver->err_handler : NULL;
	if (!handlers || !handlers->error_detected) {
		result = PCI_ERS_RESULT_NONE;
		goto unlock;
	}
	switch (request->cmd) {
	case WIRE_AER_DETECTED:
		/* The state comes where the answer goes. */
		state = request->err == 1 ? pci_channel_io_normal :
			request->err == 2 ? pci_channel_io_frozen : pci_channel_io_perm_failure;
		pdev->error_state = state;
		result = handlers->error_detected(pdev, state);
		break;
	case WIRE_AER_MMIO:
		if (handlers->mmio_enabled)
			result = handlers->mmio_enabled(pdev);
		break;
	case WIRE_AER_SLOTRESET:
		if (handlers->slot_reset)
			result = handlers->slot_reset(pdev);
		break;
	case WIRE_AER_RESUME:
		pdev->error_state = pci_channel_io_normal;
		if (handlers->resume)
			handlers->resume(pdev);
		break;
	default:
		result = PCI_ERS_RESULT_NONE;
		break;
	}
unlock:
	device_unlock(&pdev->dev);
	return result;
}

void pf_aer_work(struct work_struct *work)
{
	struct pf_dev *pf = container_of(work, struct pf_dev, aer_work);
	pci_ers_result_t result = PCI_ERS_RESULT_NONE;
	struct wire_aer_op request;
	struct pci_dev *pdev;

	if (!pf_aer_take(pf, &request))
		return;
	pdev = pf_bus_find(pf, request.domain, request.bus, request.devfn);
	if (pdev) {
		result = ask_driver(pdev, &request);
		pci_info(pdev, "error recovery, step %u: %u\n", request.cmd,
			 (__force u32)result);
		pci_dev_put(pdev);
	}
	pf_aer_answer(pf, result);
}
