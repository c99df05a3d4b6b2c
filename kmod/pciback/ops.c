// SPDX-License-Identifier: GPL-2.0-only
/*
 * Carries out one op of a guest. Works on a copy that nobody changes; every number in
 * it is the guest's. Runs under attach->lock, takes dev->lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>
#include <xen/events.h>

#include "opcheck.h"
#include "pciback.h"

static int hw_read(struct pci_dev *pdev, int off, int size, u32 *value)
{
	u16 word = 0;
	u8 byte = 0;
	int err;

	switch (size) {
	case 1:
		err = pci_read_config_byte(pdev, off, &byte);
		*value = byte;
		break;
	case 2:
		err = pci_read_config_word(pdev, off, &word);
		*value = word;
		break;
	default:
		err = pci_read_config_dword(pdev, off, value);
		break;
	}
	return err ? WIRE_ERR_FAILED : WIRE_OK;
}

static int conf_access(struct pb_dev *dev, struct wire_op *op)
{
	bool write = op->cmd == WIRE_CONF_WRITE;
	struct cs_effects fx;
	u32 hw = 0;
	int err;

	if (cs_check(dev->cs, op->offset, op->size))
		return WIRE_ERR_OFFSET;
	if (cs_wants_hw(dev->cs, op->offset, op->size, write)) {
		err = hw_read(dev->pdev, op->offset, op->size, &hw);
		if (err)
			return err;
	}
	if (!write) {
		cs_read(dev->cs, op->offset, op->size, hw, &op->value);
		return WIRE_OK;
	}
	/* A write that the tables drop succeeds: drivers write back what they read. */
	cs_write(dev->cs, op->offset, op->size, op->value, hw, &fx);
	pb_effects(dev, &fx);
	return WIRE_OK;
}

static u32 pirq_of(int irq)
{
	return irq > 0 ? xen_pirq_from_irq(irq) : 0;
}

/*
 * The kernel says each time, without a limit, that Xen maps no more pirqs for a domain,
 * and a guest may go on asking. A driver that tries fewer and fewer vectors fits in.
 */
#define MSI_FAILURES	10
#define MSI_WINDOW	(60 * HZ)

static bool msi_refused(struct pb_dev *dev)
{
	if (!dev->msi_failures || time_after(jiffies, dev->msi_since + MSI_WINDOW)) {
		dev->msi_since = jiffies;
		dev->msi_failures = 0;
	}
	return dev->msi_failures >= MSI_FAILURES;
}

static int enable_msi(struct pb_dev *dev, struct wire_op *op)
{
	struct pci_dev *pdev = dev->pdev;

	op->value = 0;
	if (pdev->msi_enabled)
		return -EALREADY;
	if (pdev->msix_enabled || pdev->current_state != PCI_D0)
		return -ENXIO;
	if (msi_refused(dev))
		return WIRE_ERR_FAILED;
	if (pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI) != 1) {
		dev->msi_failures++;
		dev_warn_ratelimited(&pdev->dev, "MSI not enabled for domain %d\n",
				     dev->owner->domid);
		return WIRE_ERR_FAILED;
	}
	op->value = pirq_of(pci_irq_vector(pdev, 0));
	WRITE_ONCE(dev->ack_intr, false);
	return WIRE_OK;
}

static int enable_msix(struct pb_dev *dev, struct wire_op *op)
{
	struct pci_dev *pdev = dev->pdev;
	u32 i, nr = op->value;
	struct msix_entry *entries;
	int err, count;
	u16 cmd;

	if (pdev->msix_enabled)
		return -EALREADY;
	if (pdev->msi_enabled || pdev->current_state != PCI_D0)
		return -ENXIO;
	/*
	 * The table is read through a BAR: without decode, or with the device pulled out,
	 * that is an unsupported request. A VF's decode is its PF's (XSA-157).
	 */
	if (pci_read_config_word(pci_physfn(pdev), PCI_COMMAND, &cmd) || cmd == 0xffff ||
	    !(cmd & PCI_COMMAND_MEMORY))
		return -ENXIO;
	count = pci_msix_vec_count(pdev);
	if (count < 0)
		return -ENODEV;
	err = op_check_msix(op, count);
	if (err)
		return err;
	if (msi_refused(dev))
		return -ENOSPC;

	entries = kcalloc(nr, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		entries[i].entry = op->msix[i].entry;
	err = pci_enable_msix_exact(pdev, entries, nr);
	if (err) {
		dev->msi_failures++;
		dev_warn_ratelimited(&pdev->dev, "%u MSI-X vectors not enabled for domain %d: %d\n",
				     nr, dev->owner->domid, err);
	} else {
		for (i = 0; i < nr; i++)
			op->msix[i].vector = pirq_of(entries[i].vector);
		WRITE_ONCE(dev->ack_intr, false);
	}
	kfree(entries);
	op->value = err;
	return err;
}

/*
 * Whichever kind is on goes off: Linux's MSI core forgets that it was MSI-X before it
 * tells the front end, which then asks for the other one. Answers with the line's
 * pirq, which the guest is back on.
 */
static int disable_msi(struct pb_dev *dev, struct wire_op *op)
{
	if (pci_dev_msi_enabled(dev->pdev)) {
		pci_free_irq_vectors(dev->pdev);
		WRITE_ONCE(dev->ack_intr, dev->isr_on);
	}
	op->value = pirq_of(dev->irq);
	return WIRE_OK;
}

static int run(struct pb_dev *dev, struct wire_op *op)
{
	if (dev->fenced)
		return WIRE_ERR_NO_DEVICE;
	switch (op->cmd) {
	case WIRE_CONF_READ:
	case WIRE_CONF_WRITE:
		return conf_access(dev, op);
	case WIRE_ENABLE_MSI:
		return enable_msi(dev, op);
	case WIRE_ENABLE_MSIX:
		return enable_msix(dev, op);
	case WIRE_DISABLE_MSI:
	case WIRE_DISABLE_MSIX:
		return disable_msi(dev, op);
	}
	return WIRE_ERR_NOT_IMPLEMENTED;
}

void pb_op_run(struct pb_attach *a, struct wire_op *op, struct pb_dev **flr)
{
	struct pb_dev *dev;

	*flr = NULL;
	op->err = op_check(op);
	if (op->err)
		return;
	dev = topo_find(&a->topo, op->domain, op->bus, op->devfn);
	if (!dev) {
		op->err = WIRE_ERR_NO_DEVICE;
		return;
	}

	pb_dev_lock(dev);
	op->err = run(dev, op);
	if (dev->flr_wanted) {
		dev->flr_wanted = false;
		kref_get(&dev->ref);
		*flr = dev;
	}
	mutex_unlock(&dev->lock);
}
