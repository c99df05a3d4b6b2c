// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI driver: seizes functions and gives them up, and sees them through a
 * suspend of dom0. Distrusts what is in the hardware. Lock order: see pciback.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm.h>
#include <linux/slab.h>
#include <xen/interface/xen.h>
#include <xen/interface/physdev.h>
#include <asm/xen/hypercall.h>

#include "pciback.h"

/*
 * Xen keeps the pages of the MSI-X table from guests only if it knows that they will
 * not move; without this it crashes a guest that enables MSI-X.
 */
static void tell_xen_msix(struct pci_dev *pdev, unsigned int op)
{
	struct physdev_pci_device at = {
		.seg = pci_domain_nr(pdev->bus),
		.bus = pdev->bus->number,
		.devfn = pdev->devfn,
	};
	int err;

	if (!pdev->msix_cap)
		return;
	err = HYPERVISOR_physdev_op(op, &at);
	if (err && err != -ENOSYS)
		dev_warn(&pdev->dev, "Xen did not %s MSI-X: %d\n",
			 op == PHYSDEVOP_prepare_msix ? "prepare" : "release", err);
}

static void describe(struct pb_dev *dev)
{
	struct pci_dev *pdev = dev->pdev;
	unsigned int i;

	dev->info.vendor = pdev->vendor;
	dev->info.device = pdev->device;
	dev->info.irq_line = dev->irq < 256 ? dev->irq : 0;
	dev->info.is_vf = pdev->is_virtfn;
	for (i = 0; i < CS_NBARS; i++) {
		unsigned int n = i == CS_ROM ? PCI_ROM_RESOURCE : i;
		struct resource *res = &pdev->resource[n];
		struct cs_bar *bar = &dev->info.bar[i];

		if (!res->flags || res->flags & IORESOURCE_UNSET || !res->start)
			continue;
		bar->start = pci_bus_address(pdev, n);
		bar->size = pci_resource_len(pdev, n);
		bar->io = res->flags & IORESOURCE_IO;
		bar->mem64 = res->flags & IORESOURCE_MEM_64;
		bar->prefetch = res->flags & IORESOURCE_PREFETCH;
	}
}

static struct pb_dev *new_dev(struct pci_dev *pdev)
{
	struct pb_dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (!dev)
		return NULL;
	kref_init(&dev->ref);
	mutex_init(&dev->lock);
	pb_intx_prepare(dev);
	INIT_LIST_HEAD(&dev->node);
	INIT_LIST_HEAD(&dev->quirks);
	/* One for each device: a guest's noise does not silence what another's causes. */
	ratelimit_state_init(&dev->denied_log, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
	ratelimit_set_flags(&dev->denied_log, RATELIMIT_MSG_ON_RELEASE);
	dev->pdev = pci_dev_get(pdev);
	dev->cs = kvzalloc(sizeof(*dev->cs), GFP_KERNEL);
	dev->denied = kvzalloc(CS_SIZE_EXT, GFP_KERNEL);
	if (!dev->cs || !dev->denied) {
		pb_dev_put(dev);
		return NULL;
	}
	return dev;
}

/* The state to come back to after each guest, and what the guest is to see of it. */
static int take_state(struct pb_dev *dev)
{
	struct pci_dev *pdev = dev->pdev;
	u16 size = pdev->cfg_size >= CS_SIZE_EXT ? CS_SIZE_EXT : CS_SIZE_STD;
	int err;

	pci_clear_master(pdev);
	if (dev->irq)
		pci_intx(pdev, 0);
	pb_aer_report(dev, true);
	pci_save_state(pdev);
	dev->saved = pci_store_saved_state(pdev);
	if (!dev->saved)
		return -ENOMEM;
	dev->cs->size = size;
	err = pb_snapshot(dev);
	if (err)
		return err;
	mutex_lock(&dev->lock);
	pb_scrub(dev);
	/* Once more: without what dom0's driver left in it. */
	if (!dev->failed)
		err = pb_snapshot(dev);
	mutex_unlock(&dev->lock);
	if (err)
		return err;
	pb_vpd_prepare(dev);
	describe(dev);
	err = cs_init(dev->cs, dev->snapshot, size, &dev->info);
	if (err)
		dev_err(&pdev->dev, "configuration header of an unknown kind\n");
	return err;
}

/* driver_data tells a match by driver_override from one by the wildcard. */
static const struct pci_device_id pb_ids[] = {
	{ .vendor = PCI_ANY_ID, .device = PCI_ANY_ID, .subvendor = PCI_ANY_ID,
	  .subdevice = PCI_ANY_ID, .override_only = 1, .driver_data = 1 },
	{ .vendor = PCI_ANY_ID, .device = PCI_ANY_ID, .subvendor = PCI_ANY_ID,
	  .subdevice = PCI_ANY_ID },
	{ }
};

static int pb_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct pb_dev *dev;
	int err;

	if (!id->driver_data && !pb_slot_wanted(pdev))
		return -ENODEV;
	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL) {
		/* A bridge leads to its children; these are seized one by one. */
		if (!pci_is_bridge(pdev))
			dev_err(&pdev->dev, "header type %#x cannot be assigned\n",
				pdev->hdr_type);
		else if (id->driver_data)
			dev_err(&pdev->dev, "is a bridge: assign the functions behind it\n");
		return -ENODEV;
	}

	dev = new_dev(pdev);
	if (!dev)
		return -ENOMEM;
	/* Decode on, and the line's GSI set up with Xen: the irq is known only after this. */
	err = pci_enable_device(pdev);
	if (err) {
		dev_err(&pdev->dev, "cannot be enabled: %d\n", err);
		goto put;
	}
	dev->irq = pdev->irq > 0 && pdev->pin ? pdev->irq : 0;
	tell_xen_msix(pdev, PHYSDEVOP_prepare_msix);
	err = take_state(dev);
	if (err)
		goto disable;

	pci_set_drvdata(pdev, dev);
	pci_set_dev_assigned(pdev);
	mutex_lock(&pb_lock);
	list_add_tail(&dev->node, &pb_devs);
	mutex_unlock(&pb_lock);
	dev_info(&pdev->dev, "seized\n");
	return 0;

disable:
	tell_xen_msix(pdev, PHYSDEVOP_release_msix);
	pci_disable_device(pdev);
put:
	pb_dev_put(dev);
	return err;
}

/* Under device_lock, from unbind, hot removal or module exit. */
static void pb_remove(struct pci_dev *pdev)
{
	struct pb_dev *dev = pci_get_drvdata(pdev);
	bool here = pci_device_is_present(pdev);
	struct pb_attach *a;

	mutex_lock(&pb_lock);
	dev->gone = true;
	list_del_init(&dev->node);
	a = dev->owner;
	if (a)
		pb_attach_get(a);
	mutex_unlock(&pb_lock);

	pb_dev_set_asleep(dev, false);
	if (a) {
		dev_crit(&pdev->dev, "%s while domain %d uses it: the domain keeps its rights to the device's memory and ports until it is detached or destroyed\n",
			 here ? "unbound" : "pulled out", a->domid);
		/* No op finds it after this; a claim under way has ended. */
		pb_attach_lost(a, dev);
		pb_dev_let_go(dev, a);
		pb_attach_put(a);
	}

	mutex_lock(&dev->lock);
	pb_intx_unhook(dev);
	if (!a)
		pb_scrub(dev);
	mutex_unlock(&dev->lock);
	pci_set_drvdata(pdev, NULL);
	pci_clear_dev_assigned(pdev);
	tell_xen_msix(pdev, PHYSDEVOP_release_msix);
	/* The next driver expects a line that works. */
	if (dev->irq && here)
		pci_intx(pdev, 1);
	pb_aer_report(dev, false);
	pci_disable_device(pdev);
	dev_info(&pdev->dev, "given up\n");
	pb_dev_put(dev);
}

/*
 * Suspend of dom0: from here on no op, reset or release touches the device; a guest's
 * request waits for its answer. Xen stops the guests only after this, and they keep
 * their mappings: the function stays in D0 with its decode on (saved by us, the core
 * leaves it alone), and loses power only with the machine.
 */
static int pb_suspend(struct device *d)
{
	pb_dev_set_asleep(pci_get_drvdata(to_pci_dev(d)), true);
	return 0;
}

static int pb_suspend_noirq(struct device *d)
{
	return pci_save_state(to_pci_dev(d));
}

/*
 * The core has restored the registers and, by Xen, the MSIs. What else the device knew
 * may be lost: a guest's driver has to be suspended by its own means before, or it
 * finds a device as after a reset. A device without an owner is as seized again.
 */
static int pb_resume(struct device *d)
{
	struct pci_dev *pdev = to_pci_dev(d);
	struct pb_dev *dev = pci_get_drvdata(pdev);
	const char *wrong;

	mutex_lock(&dev->lock);
	if (pb_dev_in_use(dev))
		pb_follow_view(dev);
	else if (!pci_load_saved_state(pdev, dev->saved))
		pci_restore_state(pdev);
	wrong = pb_verify(dev);
	if (wrong)
		pb_set_failed(dev, wrong, -EIO);
	mutex_unlock(&dev->lock);
	pb_dev_set_asleep(dev, false);
	return 0;
}

static const struct dev_pm_ops pb_pm_ops = {
	NOIRQ_SYSTEM_SLEEP_PM_OPS(pb_suspend_noirq, NULL)
	SYSTEM_SLEEP_PM_OPS(pb_suspend, pb_resume)
};

static struct pci_driver pb_driver = {
	.name = PB_NAME,
	.id_table = pb_ids,
	.probe = pb_probe,
	.remove = pb_remove,
	.err_handler = &pb_error_handlers,
	.driver.pm = pm_sleep_ptr(&pb_pm_ops),
	.groups = pb_groups,
	.driver_managed_dma = true,
};

int pb_driver_register(void)
{
	return pci_register_driver(&pb_driver);
}

void pb_driver_unregister(void)
{
	pci_unregister_driver(&pb_driver);
}
