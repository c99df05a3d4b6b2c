// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI and MSI-X: asks the back end for vectors. x86's PV code calls these hooks and
 * binds the pirqs that come back. Owns nothing.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/msi.h>
#include <linux/pci.h>
#include <asm/xen/pci.h>

#include "pcifront.h"

static struct wire_op msi_op(struct pci_dev *dev, enum wire_cmd cmd)
{
	return (struct wire_op) {
		.cmd = cmd,
		.domain = pci_domain_nr(dev->bus),
		.bus = dev->bus->number,
		.devfn = dev->devfn,
	};
}

static int errno_of(int err)
{
	switch (err) {
	case WIRE_ERR_NO_DEVICE:
		return -ENODEV;
	case WIRE_ERR_NOT_IMPLEMENTED:
		return -ENOSYS;
	default:
		return -EIO;
	}
}

static int pf_enable_msi(struct pci_dev *dev, int vectors[])
{
	struct wire_op op = msi_op(dev, WIRE_ENABLE_MSI);
	int err = pf_do_op(pf_of_bus(dev->bus), &op);

	if (err) {
		dev_err(&dev->dev, "the back end refused MSI: %d\n", err);
		return errno_of(err);
	}
	if ((s32)op.value <= 0) {
		dev_err(&dev->dev, "the back end's MSI vector %d is none\n", op.value);
		return -EINVAL;
	}
	vectors[0] = op.value;
	return 0;
}

static void pf_disable_msi(struct pci_dev *dev)
{
	struct wire_op op = msi_op(dev, WIRE_DISABLE_MSI);
	int err = pf_do_op(pf_of_bus(dev->bus), &op);

	if (err && err != WIRE_ERR_NO_DEVICE)
		dev_warn(&dev->dev, "the back end did not disable MSI: %d\n", err);
}

static int pf_enable_msix(struct pci_dev *dev, int vectors[], int nvec)
{
	struct wire_op op = msi_op(dev, WIRE_ENABLE_MSIX);
	struct msi_desc *desc;
	int i = 0, err;

	/* A positive answer makes the PCI core try again with so many. */
	if (nvec > WIRE_MAX_VECTORS)
		return WIRE_MAX_VECTORS;
	op.value = nvec;
	msi_for_each_desc(desc, &dev->dev, MSI_DESC_NOTASSOCIATED) {
		if (i == nvec)
			break;
		op.msix[i].entry = desc->msi_index;
		op.msix[i].vector = -1;
		i++;
	}
	err = pf_do_op(pf_of_bus(dev->bus), &op);
	if (err) {
		dev_err(&dev->dev, "the back end refused MSI-X: %d\n", err);
		return err < WIRE_ERR_FAILED ? err : errno_of(err);
	}
	if (op.value) {
		dev_err(&dev->dev, "the back end could not enable MSI-X: %d\n", op.value);
		return -EIO;
	}
	for (i = 0; i < nvec; i++) {
		if (op.msix[i].vector == 0 || op.msix[i].vector == (u16)-1) {
			dev_err(&dev->dev, "the back end gave no vector for MSI-X entry %u\n",
				op.msix[i].entry);
			return -EINVAL;
		}
		vectors[i] = op.msix[i].vector;
	}
	return 0;
}

static void pf_disable_msix(struct pci_dev *dev)
{
	struct wire_op op = msi_op(dev, WIRE_DISABLE_MSIX);
	int err = pf_do_op(pf_of_bus(dev->bus), &op);

	if (err && err != WIRE_ERR_NO_DEVICE)
		dev_warn(&dev->dev, "the back end did not disable MSI-X: %d\n", err);
}

struct xen_pci_frontend_ops pf_msi_ops = {
	.enable_msi = pf_enable_msi,
	.disable_msi = pf_disable_msi,
	.enable_msix = pf_enable_msix,
	.disable_msix = pf_disable_msix,
};
