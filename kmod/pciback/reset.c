// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets and their verification: what lies between two owners of a function, what a
 * guest asks for, what an administrator asks for. Believes no reset before the
 * registers are read back. Lock order: see pciback.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pci.h>
#include <linux/slab.h>

#include "pciback.h"
#include "trace.h"

int pb_snapshot(struct pb_dev *dev)
{
	unsigned int off;

	if (!dev->snapshot)
		dev->snapshot = kzalloc(dev->cs->size, GFP_KERNEL);
	if (!dev->snapshot)
		return -ENOMEM;
	for (off = 0; off < dev->cs->size; off += 4) {
		u32 v;

		if (pci_read_config_dword(dev->pdev, off, &v))
			v = 0xffffffff;
		dev->snapshot[off] = v;
		dev->snapshot[off + 1] = v >> 8;
		dev->snapshot[off + 2] = v >> 16;
		dev->snapshot[off + 3] = v >> 24;
	}
	return 0;
}

static u32 seized(const struct pb_dev *dev, unsigned int off)
{
	const u8 *p = dev->snapshot + off;

	return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;
}

static bool differs(struct pb_dev *dev, unsigned int off, u32 mask)
{
	u32 v;

	return pci_read_config_dword(dev->pdev, off, &v) || ((v ^ seized(dev, off)) & mask);
}

const char *pb_verify(struct pb_dev *dev)
{
	unsigned int off;

	/* A VF's own identity reads as ones; its command register tells more. */
	if (!pci_device_is_present(dev->pdev))
		return "it does not answer";
	if (!dev->pdev->is_virtfn && differs(dev, PCI_VENDOR_ID, 0xffffffff))
		return "it is another device now";
	if (differs(dev, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY))
		return "its decode is not as it was seized";
	for (off = PCI_BASE_ADDRESS_0; off <= PCI_BASE_ADDRESS_5; off += 4)
		if (differs(dev, off, 0xffffffff))
			return "its addresses are not as they were seized";
	if (differs(dev, PCI_ROM_ADDRESS, (u32)PCI_ROM_ADDRESS_MASK))
		return "its ROM's address is not as it was seized";
	return NULL;
}

void pb_set_failed(struct pb_dev *dev, const char *what, int err)
{
	if (what && !dev->failed)
		dev_err_ratelimited(&dev->pdev->dev,
				    "not safe to hand on (%d): %s; a reset that succeeds (do_flr) makes it so\n",
				    err, what);
	else if (!what && dev->failed)
		dev_info_ratelimited(&dev->pdev->dev, "safe to hand on again\n");
	WRITE_ONCE(dev->failed, what);
}

/*
 * A guest's mapping may meet the function while it is in reset: that unsupported
 * request is not to become the host's NMI (XSA-120, 126). Undone by the restore.
 */
static void quieten(struct pci_dev *pdev)
{
	u16 cmd;

	pci_read_config_word(pdev, PCI_COMMAND, &cmd);
	if (cmd & PCI_COMMAND_SERR)
		pci_write_config_word(pdev, PCI_COMMAND, cmd & ~PCI_COMMAND_SERR);
	pcie_capability_clear_word(pdev, PCI_EXP_DEVCTL,
				   PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
				   PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE);
}

/* What returning from D3hot means where No_Soft_Reset is clear: PM 5.4.1. */
static int sleep_and_wake(struct pci_dev *pdev)
{
	int err, woken;

	pci_wait_for_pending_transaction(pdev);
	err = pci_set_power_state(pdev, PCI_D3hot);
	woken = pci_set_power_state(pdev, PCI_D0);
	return err ?: woken;
}

/*
 * 0: reset, and seen to be as seized, mastering off. -ENOTTY: the same, but the device
 * has no reset of its own. Else it is on record as failed. MSIs are kept, as Xen and
 * the core have them.
 */
static int reset_and_verify(struct pb_dev *dev, int (*reset)(struct pci_dev *))
{
	struct pci_dev *pdev = dev->pdev;
	const char *wrong;
	int err;
	u16 cmd;

	/* Pulled out: a reset would wait for it for a minute. */
	if (!pci_device_is_present(pdev)) {
		pb_set_failed(dev, "it does not answer", -ENODEV);
		return -ENODEV;
	}
	pci_clear_master(pdev);
	pci_set_power_state(pdev, PCI_D0);
	quieten(pdev);
	err = reset(pdev);
	if (!pci_load_saved_state(pdev, dev->saved))
		pci_restore_state(pdev);
	pci_clear_master(pdev);

	wrong = pb_verify(dev);
	if (!wrong && (pci_read_config_word(pdev, PCI_COMMAND, &cmd) || cmd & PCI_COMMAND_MASTER))
		wrong = "its bus mastering does not go off";
	if (!wrong && err && err != -ENOTTY)
		wrong = "the kernel's reset did not succeed";
	if (wrong && (!err || err == -ENOTTY))
		err = -EIO;
	pb_set_failed(dev, wrong, err);
	trace_pciback_reset(pdev, err);
	return err;
}

void pb_scrub(struct pb_dev *dev)
{
	pci_free_irq_vectors(dev->pdev);
	dev->flr_wanted = false;
	dev->wake_wanted = false;
	dev->fenced = false;
	if (reset_and_verify(dev, __pci_reset_function_locked) == -ENOTTY)
		dev_info_ratelimited(&dev->pdev->dev,
				     "no function reset: registers are restored, nothing more\n");
}

/* The front end closed but may come back: reset, keep the claim. */
void pb_dev_quiesce(struct pb_dev *dev, struct pb_attach *a)
{
	if (!pb_dev_lock_owned(dev, a))
		return;
	pb_scrub(dev);
	pb_dev_fresh_view(dev);
	WRITE_ONCE(dev->ack_intr, dev->isr_on);
	pb_follow_view(dev);
	pb_dev_unlock_owned(dev);
}

/* A guest asked for it: what a reset does to its view happens, the host's set-up stays. */
void pb_dev_flr(struct pb_dev *dev, struct pb_attach *a)
{
	if (!pb_dev_lock_owned(dev, a))
		return;
	/* The kernel waits for one that does not come back and says so: a guest gets that once. */
	if (!dev->failed)
		reset_and_verify(dev, dev->wake_wanted ? sleep_and_wake :
						       __pci_reset_function_locked);
	dev->wake_wanted = false;
	pb_dev_fresh_view(dev);
	pb_follow_view(dev);
	pb_dev_unlock_owned(dev);
}

int pb_dev_reset(struct pb_dev *dev)
{
	int err = -ENODEV;

	pb_dev_lock_device(dev);
	if (pci_get_drvdata(dev->pdev) == dev) {
		mutex_lock(&dev->lock);
		err = reset_and_verify(dev, __pci_reset_function_locked);
		/* An owner is not told; it keeps what it sees. */
		if (pb_dev_in_use(dev))
			pb_follow_view(dev);
		mutex_unlock(&dev->lock);
	}
	device_unlock(&dev->pdev->dev);
	return err;
}
