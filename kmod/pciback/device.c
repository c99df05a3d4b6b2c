// SPDX-License-Identifier: GPL-2.0-only
/*
 * The seized functions: found by address, handed to attachments, taken back reset.
 * Distrusts what a guest left in the hardware. Lock order: see pciback.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <xen/pci.h>

#include "pciback.h"
#include "trace.h"

static void pb_dev_free(struct kref *ref)
{
	struct pb_dev *dev = container_of(ref, struct pb_dev, ref);
	struct pb_quirk *q, *next;

	list_for_each_entry_safe(q, next, &dev->quirks, node)
		kfree(q);
	kfree(dev->saved);
	kfree(dev->snapshot);
	kvfree(dev->denied);
	kvfree(dev->cs);
	pci_dev_put(dev->pdev);
	kfree(dev);
}

void pb_dev_put(struct pb_dev *dev)
{
	if (dev)
		kref_put(&dev->ref, pb_dev_free);
}

static u32 key_of(unsigned int domain, unsigned int bus, unsigned int devfn)
{
	return domain << 16 | bus << 8 | devfn;
}

static u32 key_of_dev(const struct pb_dev *dev)
{
	return key_of(pci_domain_nr(dev->pdev->bus), dev->pdev->bus->number, dev->pdev->devfn);
}

static struct pb_dev *find_locked(u32 key)
{
	struct pb_dev *dev;

	list_for_each_entry(dev, &pb_devs, node)
		if (key_of_dev(dev) == key)
			return dev;
	return NULL;
}

struct pb_dev *pb_dev_get(unsigned int domain, unsigned int bus, unsigned int slot,
			  unsigned int func)
{
	struct pb_dev *dev;

	mutex_lock(&pb_lock);
	dev = find_locked(key_of(domain, bus, PCI_DEVFN(slot, func)));
	if (dev)
		kref_get(&dev->ref);
	mutex_unlock(&pb_lock);
	return dev;
}

struct pb_dev *pb_dev_next(struct pb_dev *prev)
{
	struct pb_dev *dev, *best = NULL;

	mutex_lock(&pb_lock);
	list_for_each_entry(dev, &pb_devs, node)
		if ((!prev || key_of_dev(dev) > key_of_dev(prev)) &&
		    (!best || key_of_dev(dev) < key_of_dev(best)))
			best = dev;
	if (best)
		kref_get(&best->ref);
	mutex_unlock(&pb_lock);
	pb_dev_put(prev);
	return best;
}

static bool owned_by(struct pb_dev *dev, const struct pb_attach *a)
{
	bool mine;

	mutex_lock(&pb_lock);
	mine = dev->owner && (!a || dev->owner == a) && !dev->releasing;
	mutex_unlock(&pb_lock);
	return mine;
}

bool pb_dev_in_use(struct pb_dev *dev)
{
	return owned_by(dev, NULL);
}

static DECLARE_WAIT_QUEUE_HEAD(awake);

void pb_dev_set_asleep(struct pb_dev *dev, bool asleep)
{
	mutex_lock(&dev->lock);
	WRITE_ONCE(dev->asleep, asleep);
	mutex_unlock(&dev->lock);
	if (!asleep)
		wake_up_all(&awake);
}

void pb_dev_lock(struct pb_dev *dev)
{
	for (;;) {
		mutex_lock(&dev->lock);
		if (!dev->asleep)
			return;
		mutex_unlock(&dev->lock);
		wait_event(awake, !READ_ONCE(dev->asleep));
	}
}

/* Not asleep with device_lock held: the core takes it to resume. */
void pb_dev_lock_device(struct pb_dev *dev)
{
	for (;;) {
		device_lock(&dev->pdev->dev);
		if (!dev->asleep)
			return;
		device_unlock(&dev->pdev->dev);
		wait_event(awake, !READ_ONCE(dev->asleep));
	}
}

bool pb_dev_lock_owned(struct pb_dev *dev, struct pb_attach *a)
{
	pb_dev_lock_device(dev);
	if (!owned_by(dev, a)) {
		device_unlock(&dev->pdev->dev);
		return false;
	}
	/* It stays so: a release takes device_lock. */
	mutex_lock(&dev->lock);
	return true;
}

void pb_dev_unlock_owned(struct pb_dev *dev)
{
	mutex_unlock(&dev->lock);
	device_unlock(&dev->pdev->dev);
}

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

void pb_dev_fresh_view(struct pb_dev *dev)
{
	cs_init(dev->cs, dev->snapshot, dev->cs->size, &dev->info);
	dev->dstate = 0;
	pb_dev_apply_options(dev);
}

struct pb_dev *pb_dev_claim(struct pb_attach *a, const struct topo_addr *at)
{
	struct pb_dev *dev;
	int err = 0;

	mutex_lock(&pb_lock);
	dev = find_locked(key_of(at->domain, at->bus, PCI_DEVFN(at->slot, at->func)));
	if (!dev || dev->gone)
		err = -ENODEV;
	else if (dev->releasing)
		err = -EAGAIN;
	/* Its owner is ending and has not come to this device yet; it drops its reference later. */
	else if (dev->owner)
		err = READ_ONCE(dev->owner->dying) ? -EAGAIN : -EBUSY;
	/* Whatever the last owner left would be the next one's. */
	else if (READ_ONCE(dev->failed))
		err = -EIO;
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
	memset(dev->denied, 0, CS_SIZE_EXT);
	pb_dev_fresh_view(dev);
	pb_intx_review(dev);
	pb_follow_view(dev);
	dev_info(&dev->pdev->dev, "assigned to domain %d%s%s\n", a->domid,
		 dev->cs->permissive ? ", permissive" : "",
		 dev->cs->interrupt_control ? ", with interrupt control" : "");
	mutex_unlock(&dev->lock);
	trace_pciback_attach(dev->pdev, a->domid);
	return dev;
}

/* Safe to call twice: the second caller finds another owner. */
void pb_dev_let_go(struct pb_dev *dev, struct pb_attach *a)
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
	dev->isr_manual = false;
	pb_scrub(dev);
	pb_dev_fresh_view(dev);
	xen_unregister_device_domain_owner(dev->pdev);
	mutex_unlock(&dev->lock);

	mutex_lock(&pb_lock);
	dev->owner = NULL;
	dev->releasing = false;
	mutex_unlock(&pb_lock);
	dev_info(&dev->pdev->dev, "taken back from domain %d\n", a->domid);
	trace_pciback_detach(dev->pdev, a->domid);
	pb_attach_put(a);
	pb_dev_put(dev);
	/* Never the last code of the module to run: its exit waits for pb_wq. */
	module_put(THIS_MODULE);
}

void pb_dev_release(struct pb_dev *dev, struct pb_attach *a)
{
	pb_dev_lock_device(dev);
	pb_dev_let_go(dev, a);
	device_unlock(&dev->pdev->dev);
}
