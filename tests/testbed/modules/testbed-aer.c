// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's driver that has its own way with PCI errors: each of its handlers sleeps `delay` seconds and returns
 * `answer`, whatever that is. It does nothing else, and is bound by driver_override only.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/pci.h>

static unsigned int answer = PCI_ERS_RESULT_DISCONNECT;
module_param(answer, uint, 0644);
MODULE_PARM_DESC(answer, "What the handlers return");
static unsigned int delay;
module_param(delay, uint, 0644);
MODULE_PARM_DESC(delay, "Seconds that each handler sleeps before it returns");

static pci_ers_result_t reply(struct pci_dev *pdev, const char *step)
{
	dev_info(&pdev->dev, "%s: asked\n", step);
	msleep(delay * 1000);
	dev_info(&pdev->dev, "%s: answer %u\n", step, answer);
	return (__force pci_ers_result_t)answer;
}

static pci_ers_result_t on_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	return reply(pdev, "error_detected");
}

static pci_ers_result_t on_mmio_enabled(struct pci_dev *pdev)
{
	return reply(pdev, "mmio_enabled");
}

static pci_ers_result_t on_slot_reset(struct pci_dev *pdev)
{
	return reply(pdev, "slot_reset");
}

static void on_resume(struct pci_dev *pdev)
{
	reply(pdev, "resume");
}

static const struct pci_error_handlers aer_handlers = {
	.error_detected = on_detected,
	.mmio_enabled = on_mmio_enabled,
	.slot_reset = on_slot_reset,
	.resume = on_resume,
};

static int aer_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return pcim_enable_device(pdev);
}

static const struct pci_device_id aer_ids[] = {
	{ PCI_DEVICE_DRIVER_OVERRIDE(PCI_ANY_ID, PCI_ANY_ID, PCI_ID_F_VFIO_DRIVER_OVERRIDE) },
	{ }
};

static struct pci_driver aer_driver = {
	.name = KBUILD_MODNAME,
	.id_table = aer_ids,
	.probe = aer_probe,
	.err_handler = &aer_handlers,
};
module_pci_driver(aer_driver);

MODULE_DESCRIPTION("Test driver that answers PCI errors as it is told");
MODULE_LICENSE("GPL");
