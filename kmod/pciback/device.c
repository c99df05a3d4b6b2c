// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI driver: seizes functions, hands them to attachments, takes them back reset.
 * Does not trust what a guest left in the hardware. Lock order: see pciback.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <xen/interface/xen.h>
#include <xen/interface/physdev.h>
#include <xen/pci.h>
#include <asm/xen/hypercall.h>

#include "pciback.h"

static void pb_dev_free(struct kref *ref)
{
	struct pb_dev *dev = container_of(ref, struct pb_dev, ref);
	struct pb_quirk *q, *next;

	list_for_each_entry_safe(q, next, &dev->quirks, node)
		kfree(q);
	kfree(dev->saved);
	kfree(dev->snapshot);
	kvfree(dev->cs);
	pci_dev_put(dev->pdev);
	kfree(dev);
}

void pb_dev_put(struct pb_dev *dev)
{
	if (dev)
		kref_put(&dev->ref, pb_dev_free);
}

static struct pb_dev *find_locked(unsigned int domain, unsigned int bus, unsigned int devfn)
{
	struct pb_dev *dev;

	list_for_each_entry(dev, &pb_devs, node)
		if (pci_domain_nr(dev->pdev->bus) == domain && dev->pdev->bus->number == bus &&
		    dev->pdev->devfn == devfn)
			return dev;
	return NULL;
}

struct pb_dev *pb_dev_get(unsigned int domain, unsigned int bus, unsigned int slot,
			  unsigned int func)
{
	struct pb_dev *dev;

	mutex_lock(&pb_lock);
	dev = find_locked(domain, bus, PCI_DEVFN(slot, func));
	if (dev)
		kref_get(&dev->ref);
	mutex_unlock(&pb_lock);
	return dev;
}

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

static int take_snapshot(struct pb_dev *dev)
{
	u16 size = dev->pdev->cfg_size >= CS_SIZE_EXT ? CS_SIZE_EXT : CS_SIZE_STD;
	unsigned int off;
	int err;

	dev->snapshot = kzalloc(size, GFP_KERNEL);
	dev->cs = kvzalloc(sizeof(*dev->cs), GFP_KERNEL);
	if (!dev->snapshot || !dev->cs)
		return -ENOMEM;
	for (off = 0; off < size; off += 4) {
		u32 v;

		if (pci_read_config_dword(dev->pdev, off, &v))
			v = 0xffffffff;
		dev->snapshot[off] = v;
		dev->snapshot[off + 1] = v >> 8;
		dev->snapshot[off + 2] = v >> 16;
		dev->snapshot[off + 3] = v >> 24;
	}
	err = cs_init(dev->cs, dev->snapshot, size, &dev->info);
	if (err)
		dev_err(&dev->pdev->dev, "configuration header of an unknown kind\n");
	return err;
}

/* Under dev->lock. */
void pb_dev_apply_options(struct pb_dev *dev)
{
	struct pb_quirk *q;

	mutex_lock(&pb_lock);
	dev->cs->permissive = dev->permissive;
	dev->cs->interrupt_control = dev->interrupt_control;
	list_for_each_entry(q, &dev->quirks, node)
		if (cs_add_quirk(dev->cs, q->reg, q->size, q->mask))
			dev_warn_ratelimited(&dev->pdev->dev,
					     "quirk at %#x: the register is protected\n", q->reg);
	mutex_unlock(&pb_lock);
}

/* The guest's view as after a reset; counters of denied writes survive. Under dev->lock. */
static void fresh_view(struct pb_dev *dev)
{
	u32 *denied = kmemdup(dev->cs->denied, sizeof(dev->cs->denied), GFP_KERNEL);

	cs_init(dev->cs, dev->snapshot, dev->cs->size, &dev->info);
	if (denied)
		memcpy(dev->cs->denied, denied, sizeof(dev->cs->denied));
	kfree(denied);
	pb_dev_apply_options(dev);
}

/*
 * Leave nothing of the guest in the device: no interrupt, no mastering, no register.
 * Under device_lock and dev->lock.
 */
static void scrub(struct pb_dev *dev)
{
	struct pci_dev *pdev = dev->pdev;
	int err;

	pci_free_irq_vectors(pdev);
	dev->flr_wanted = false;
	dev->d3_saved = false;
	/* Pulled out: a reset would wait for it for a minute. */
	if (!pci_device_is_present(pdev))
		return;
	pci_clear_master(pdev);
	pci_set_power_state(pdev, PCI_D0);
	err = __pci_reset_function_locked(pdev);
	if (err)
		dev_info_ratelimited(&pdev->dev,
				     "no function reset (%d): registers are restored, nothing more\n",
				     err);
	/* The state as seized: decode on, mastering off, INTx off. */
	if (!pci_load_saved_state(pdev, dev->saved))
		pci_restore_state(pdev);
	pci_clear_master(pdev);
}

struct pb_dev *pb_dev_claim(struct pb_attach *a, const struct vpci_addr *at)
{
	struct pb_dev *dev;
	int err = 0;

	mutex_lock(&pb_lock);
	dev = find_locked(at->domain, at->bus, PCI_DEVFN(at->slot, at->func));
	if (!dev || dev->gone)
		err = -ENODEV;
	else if (dev->releasing)
		err = -EAGAIN;
	/* Its owner is ending and has not come to this device yet; it drops its reference later. */
	else if (dev->owner)
		err = READ_ONCE(dev->owner->dying) ? -EAGAIN : -EBUSY;
	/* In use means in use: the module cannot be unloaded beneath a guest. */
	else if (!try_module_get(THIS_MODULE))
		err = -ENODEV;
	if (!err) {
		kref_get(&dev->ref);
		pb_attach_get(a);
		dev->owner = a;
	}
	mutex_unlock(&pb_lock);
	if (err)
		return ERR_PTR(err);

	mutex_lock(&dev->lock);
	/* Before any MSI: dom0's kernel maps the pirq for the domain that is named here. */
	if (xen_register_device_domain_owner(dev->pdev, a->domid)) {
		dev_warn(&dev->pdev->dev, "domain %d was still named as owner\n",
			 xen_find_device_domain_owner(dev->pdev));
		xen_unregister_device_domain_owner(dev->pdev);
		xen_register_device_domain_owner(dev->pdev, a->domid);
	}
	fresh_view(dev);
	pb_intx_hook(dev, false);
	if (dev->irq)
		pci_intx(dev->pdev, 1);
	mutex_unlock(&dev->lock);
	dev_info(&dev->pdev->dev, "assigned to domain %d\n", a->domid);
	return dev;
}

/* Under device_lock. Safe to call twice: the second caller finds another owner. */
static void let_go(struct pb_dev *dev, struct pb_attach *a)
{
	struct pb_quirk *q, *next;
	LIST_HEAD(quirks);
	bool mine;

	mutex_lock(&pb_lock);
	mine = dev->owner == a && !dev->releasing;
	if (mine) {
		dev->releasing = true;
		/* Options belong to one attachment; from here on they are the next one's. */
		dev->permissive = false;
		dev->interrupt_control = false;
		list_splice_init(&dev->quirks, &quirks);
	}
	mutex_unlock(&pb_lock);
	if (!mine)
		return;
	list_for_each_entry_safe(q, next, &quirks, node)
		kfree(q);

	mutex_lock(&dev->lock);
	pb_intx_unhook(dev);
	scrub(dev);
	fresh_view(dev);
	xen_unregister_device_domain_owner(dev->pdev);
	mutex_unlock(&dev->lock);

	mutex_lock(&pb_lock);
	dev->owner = NULL;
	dev->releasing = false;
	mutex_unlock(&pb_lock);
	dev_info(&dev->pdev->dev, "taken back from domain %d\n", a->domid);
	pb_attach_put(a);
	pb_dev_put(dev);
	/* Never the last code of the module to run: its exit waits for pb_wq. */
	module_put(THIS_MODULE);
}

void pb_dev_release(struct pb_dev *dev, struct pb_attach *a)
{
	device_lock(&dev->pdev->dev);
	let_go(dev, a);
	device_unlock(&dev->pdev->dev);
}

/* The front end closed but may come back: reset, keep the claim. */
void pb_dev_quiesce(struct pb_dev *dev, struct pb_attach *a)
{
	bool mine;

	device_lock(&dev->pdev->dev);
	mutex_lock(&pb_lock);
	mine = dev->owner == a && !dev->releasing;
	mutex_unlock(&pb_lock);
	if (mine) {
		mutex_lock(&dev->lock);
		scrub(dev);
		fresh_view(dev);
		WRITE_ONCE(dev->ack_intr, dev->isr_on);
		if (dev->irq)
			pci_intx(dev->pdev, 1);
		mutex_unlock(&dev->lock);
	}
	device_unlock(&dev->pdev->dev);
}

/*
 * The core saves and restores the registers around a reset. In D3 it would save what
 * is left of them, without decode or addresses: they are put back first (XSA-120, 126).
 */
static int reset_awake(struct pb_dev *dev)
{
	if (dev->d3_saved) {
		pb_power(dev, 0);
		cs_note_power(dev->cs, 0);
	}
	return pci_reset_function_locked(dev->pdev);
}

/* A guest asked for it: what a reset does to its view happens, the host's set-up stays. */
void pb_dev_flr(struct pb_dev *dev, struct pb_attach *a)
{
	bool mine;
	int err;

	device_lock(&dev->pdev->dev);
	mutex_lock(&pb_lock);
	mine = dev->owner == a && !dev->releasing;
	mutex_unlock(&pb_lock);
	if (mine) {
		mutex_lock(&dev->lock);
		/* fresh_view() shows it off: nothing puts it back. */
		dev->cs->b[PCI_COMMAND].shadow &= ~PCI_COMMAND_MASTER;
		pci_clear_master(dev->pdev);
		err = reset_awake(dev);
		if (err)
			dev_warn_ratelimited(&dev->pdev->dev,
					     "reset asked for by domain %d failed: %d\n",
					     a->domid, err);
		fresh_view(dev);
		/* The view shows INTx on; a guest with interrupt control may have left it off. */
		if (dev->irq && !pci_dev_msi_enabled(dev->pdev))
			pci_intx(dev->pdev, 1);
		mutex_unlock(&dev->lock);
	}
	device_unlock(&dev->pdev->dev);
}

int pb_dev_reset(struct pb_dev *dev)
{
	int err = -ENODEV;

	device_lock(&dev->pdev->dev);
	if (pci_get_drvdata(dev->pdev) == dev) {
		mutex_lock(&dev->lock);
		err = reset_awake(dev);
		mutex_unlock(&dev->lock);
	}
	device_unlock(&dev->pdev->dev);
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

	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return -ENOMEM;
	kref_init(&dev->ref);
	mutex_init(&dev->lock);
	INIT_LIST_HEAD(&dev->quirks);
	dev->pdev = pci_dev_get(pdev);

	/* Decode on, and the line's GSI set up with Xen: the irq is known only after this. */
	err = pci_enable_device(pdev);
	if (err) {
		dev_err(&pdev->dev, "cannot be enabled: %d\n", err);
		goto put;
	}
	dev->irq = pdev->irq > 0 && pdev->pin ? pdev->irq : 0;
	tell_xen_msix(pdev, PHYSDEVOP_prepare_msix);

	/* The state to come back to after each guest. */
	pci_clear_master(pdev);
	pci_intx(pdev, 0);
	pci_save_state(pdev);
	dev->saved = pci_store_saved_state(pdev);
	if (!dev->saved) {
		err = -ENOMEM;
		goto disable;
	}
	scrub(dev);

	pb_vpd_prepare(dev);
	describe(dev);
	err = take_snapshot(dev);
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
	struct pb_attach *a;

	mutex_lock(&pb_lock);
	dev->gone = true;
	list_del(&dev->node);
	a = dev->owner;
	if (a)
		pb_attach_get(a);
	mutex_unlock(&pb_lock);

	if (a) {
		dev_crit(&pdev->dev, "unbound while domain %d uses it: the domain keeps its rights to the device's memory and ports until it is detached or destroyed\n",
			 a->domid);
		/* No op finds it after this; a claim under way has ended. */
		mutex_lock(&a->lock);
		vpci_del(&a->vpci, dev);
		mutex_unlock(&a->lock);
		let_go(dev, a);
		pb_attach_put(a);
	}

	mutex_lock(&dev->lock);
	pb_intx_unhook(dev);
	if (!a)
		scrub(dev);
	mutex_unlock(&dev->lock);
	pci_set_drvdata(pdev, NULL);
	pci_clear_dev_assigned(pdev);
	tell_xen_msix(pdev, PHYSDEVOP_release_msix);
	/* The next driver expects a line that works. */
	if (dev->irq)
		pci_intx(pdev, 1);
	pci_disable_device(pdev);
	dev_info(&pdev->dev, "given up\n");
	pb_dev_put(dev);
}

static struct pci_driver pb_driver = {
	.name = PB_NAME,
	.id_table = pb_ids,
	.probe = pb_probe,
	.remove = pb_remove,
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
