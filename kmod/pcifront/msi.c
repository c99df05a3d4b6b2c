// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI and MSI-X of a PV guest: the back end maps the vectors, the guest binds the pirqs
 * that it answers with. xen_pci_frontend is one global pointer for the whole kernel.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/msi.h>
#include <linux/slab.h>
#include <asm/xen/pci.h>

#include "pcifront.h"

/*
 * The hooks are called for every PCI function of the guest, those of another front end's
 * bus or of a driver's own root bus too: their sysdata is not ours.
 */
static bool is_foreign(struct pci_dev *pdev)
{
	if (pf_bus_is_ours(pdev->bus))
		return false;
	pci_warn_once(pdev, "is not on a bus of " PF_NAME ": no message interrupts\n");
	return true;
}

static struct wire_op *new_op(struct pci_dev *pdev, u32 cmd)
{
	struct wire_op *op = kzalloc(sizeof(*op), GFP_KERNEL);

	if (op) {
		op->cmd = cmd;
		op->domain = pci_domain_nr(pdev->bus);
		op->bus = pdev->bus->number;
		op->devfn = pdev->devfn;
	}
	return op;
}

/* The back end's errors are partly the protocol's and partly errno values. */
static int as_errno(int err)
{
	switch (err) {
	case WIRE_ERR_NO_DEVICE:
		return -ENODEV;
	case WIRE_ERR_NOT_IMPLEMENTED:
		return -EOPNOTSUPP;
	case WIRE_ERR_OFFSET:
	case WIRE_ERR_ACCESS:
	case WIRE_ERR_FAILED:
		return -EIO;
	default:
		return err < 0 && err >= -MAX_ERRNO ? err : -EIO;
	}
}

static int enable_msi(struct pci_dev *pdev, int vectors[])
{
	struct wire_op *op;
	int err;

	if (is_foreign(pdev))
		return -ENODEV;
	op = new_op(pdev, WIRE_ENABLE_MSI);
	if (!op)
		return -ENOMEM;
	err = pf_bus_op(pdev->bus, op);
	if (err) {
		err = as_errno(err);
		pci_err(pdev, "back end did not enable MSI: %d\n", err);
	} else if ((int)op->value <= 0) {
		pci_err(pdev, "back end enabled MSI without a pirq\n");
		err = -EINVAL;
	} else {
		vectors[0] = op->value;
	}
	kfree(op);
	return err;
}

/*
 * One hook for both kinds: the core clears msix_enabled before it tears down, and then
 * calls the hook of the other one. What was enabled is remembered here.
 */
static void disable(struct pci_dev *pdev)
{
	struct wire_op *op;
	bool msix;
	int err;

	if (is_foreign(pdev))
		return;
	msix = test_and_clear_bit(pdev->devfn, root_of(pdev->bus)->msix);
	op = new_op(pdev, msix ? WIRE_DISABLE_MSIX : WIRE_DISABLE_MSI);
	err = op ? pf_bus_op(pdev->bus, op) : -ENOMEM;
	if (err && err != WIRE_ERR_NO_DEVICE)
		pci_warn(pdev, "back end did not disable its message interrupts: %d\n", err);
	kfree(op);
}

/* The caller (the MSI core) holds the lock of the descriptors. */
static int enable_msix(struct pci_dev *pdev, int vectors[], int nvec)
{
	struct msi_desc *desc;
	struct wire_op *op;
	int i = 0, err;

	if (is_foreign(pdev))
		return -ENODEV;
	/* A positive answer makes the core ask again for that many. */
	if (nvec > WIRE_MAX_VECTORS)
		return WIRE_MAX_VECTORS;
	if (nvec <= 0)
		return -EINVAL;
	op = new_op(pdev, WIRE_ENABLE_MSIX);
	if (!op)
		return -ENOMEM;
	op->value = nvec;
	msi_for_each_desc(desc, &pdev->dev, MSI_DESC_NOTASSOCIATED) {
		if (i == nvec)
			break;
		op->msix[i].entry = desc->msi_index;
		op->msix[i].vector = 0xffff;
		i++;
	}
	err = i == nvec ? pf_bus_op(pdev->bus, op) : -EINVAL;
	if (err) {
		err = as_errno(err);
		pci_err(pdev, "back end did not enable %d MSI-X vectors: %d\n", nvec, err);
		goto free;
	}
	if (op->value) {	/* so many it could have */
		err = op->value < (u32)nvec ? op->value : -EINVAL;
		goto free;
	}
	set_bit(pdev->devfn, root_of(pdev->bus)->msix);
	for (i = 0; i < nvec; i++) {
		if (!op->msix[i].vector) {
			pci_err(pdev, "back end gave MSI-X entry %u no pirq\n", op->msix[i].entry);
			err = -EINVAL;
		}
		vectors[i] = op->msix[i].vector;
	}
free:
	kfree(op);
	return err;
}

static struct xen_pci_frontend_ops msi_ops = {
	.enable_msi = enable_msi,
	.disable_msi = disable,
	.enable_msix = enable_msix,
	.disable_msix = disable,
};

int pf_msi_register(void)
{
	if (xen_pci_frontend)
		return -EBUSY;
	xen_pci_frontend = &msi_ops;
	return 0;
}

/*
 * The kernel's own front end takes the pointer before it finds that its name is taken,
 * and leaves it pointing into its freed module. So it is set again before each bus scan.
 */
void pf_msi_reclaim(void)
{
	if (xen_pci_frontend != &msi_ops) {
		pr_warn("another front end was loaded meanwhile: taking MSI back from it; blacklist xen-pcifront\n");
		xen_pci_frontend = &msi_ops;
	}
}

void pf_msi_unregister(void)
{
	if (xen_pci_frontend == &msi_ops)
		xen_pci_frontend = NULL;
}
