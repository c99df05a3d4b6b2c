// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver's attributes, in the formats that libxl, xl and administrators know.
 * Text comes from root but is parsed as if it did not. Takes pb_lock, dev->lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pci.h>
#include <linux/slab.h>

#include "pciback.h"

static struct pb_dev *dev_from(const char *buf, size_t count)
{
	struct spec_bdf bdf;
	struct pb_dev *dev;

	if (spec_parse_bdf(buf, count, false, &bdf))
		return ERR_PTR(-EINVAL);
	dev = pb_dev_get(bdf.domain, bdf.bus, bdf.slot, bdf.func);
	return dev ?: ERR_PTR(-ENODEV);
}

static ssize_t new_slot_store(struct device_driver *drv, const char *buf, size_t count)
{
	struct spec_bdf spec;
	int err = spec_parse_bdf(buf, count, true, &spec);

	if (!err)
		err = pb_slot_add(&spec);
	return err ?: count;
}
static DRIVER_ATTR_WO(new_slot);

static ssize_t remove_slot_store(struct device_driver *drv, const char *buf, size_t count)
{
	struct spec_bdf spec;
	int err = spec_parse_bdf(buf, count, true, &spec);

	if (!err)
		err = pb_slot_del(&spec);
	return err ?: count;
}
static DRIVER_ATTR_WO(remove_slot);

static ssize_t slots_show(struct device_driver *drv, char *buf)
{
	return pb_slots_show(buf);
}
static DRIVER_ATTR_RO(slots);

static ssize_t do_flr_store(struct device_driver *drv, const char *buf, size_t count)
{
	struct pb_dev *dev = dev_from(buf, count);
	int err;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	err = pb_dev_reset(dev);
	pb_dev_put(dev);
	return err ?: count;
}
static DRIVER_ATTR_WO(do_flr);

/* Sets one option of a device; it lasts until the next attachment ends. */
static ssize_t set_option(const char *buf, size_t count, bool *(*option)(struct pb_dev *),
			  const char *what)
{
	struct pb_dev *dev = dev_from(buf, count);

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	mutex_lock(&dev->lock);
	mutex_lock(&pb_lock);
	*option(dev) = true;
	mutex_unlock(&pb_lock);
	pb_dev_apply_options(dev);
	mutex_unlock(&dev->lock);
	dev_warn(&dev->pdev->dev, "%s until it is taken back\n", what);
	pb_dev_put(dev);
	return count;
}

static ssize_t show_option(char *buf, bool *(*option)(struct pb_dev *))
{
	struct pb_dev *dev;
	int at = 0;

	mutex_lock(&pb_lock);
	list_for_each_entry(dev, &pb_devs, node)
		if (*option(dev))
			at += sysfs_emit_at(buf, at, "%s\n", pci_name(dev->pdev));
	mutex_unlock(&pb_lock);
	return at;
}

static bool *permissive_of(struct pb_dev *dev)
{
	return &dev->permissive;
}

static bool *interrupt_control_of(struct pb_dev *dev)
{
	return &dev->interrupt_control;
}

static ssize_t permissive_store(struct device_driver *drv, const char *buf, size_t count)
{
	return set_option(buf, count, permissive_of,
			  "device-specific registers are open to the guest");
}

static ssize_t permissive_show(struct device_driver *drv, char *buf)
{
	return show_option(buf, permissive_of);
}
static DRIVER_ATTR_RW(permissive);

static ssize_t allow_interrupt_control_store(struct device_driver *drv, const char *buf,
					     size_t count)
{
	return set_option(buf, count, interrupt_control_of, "the guest may switch INTx");
}

static ssize_t allow_interrupt_control_show(struct device_driver *drv, char *buf)
{
	return show_option(buf, interrupt_control_of);
}
static DRIVER_ATTR_RW(allow_interrupt_control);

static ssize_t quirks_store(struct device_driver *drv, const char *buf, size_t count)
{
	struct spec_quirk spec;
	struct pb_quirk *q;
	struct pb_dev *dev;
	int err = spec_parse_quirk(buf, count, &spec);

	if (err)
		return err;
	dev = pb_dev_get(spec.bdf.domain, spec.bdf.bus, spec.bdf.slot, spec.bdf.func);
	if (!dev)
		return -ENODEV;
	q = kzalloc(sizeof(*q), GFP_KERNEL);
	if (!q) {
		err = -ENOMEM;
		goto put;
	}
	q->reg = spec.reg;
	q->size = spec.size;
	q->mask = spec.mask;
	mutex_lock(&dev->lock);
	err = cs_add_quirk(dev->cs, q->reg, q->size, q->mask);
	if (err) {
		kfree(q);
	} else {
		mutex_lock(&pb_lock);
		list_add_tail(&q->node, &dev->quirks);
		mutex_unlock(&pb_lock);
	}
	mutex_unlock(&dev->lock);
put:
	pb_dev_put(dev);
	return err ?: count;
}

static ssize_t quirks_show(struct device_driver *drv, char *buf)
{
	struct pb_quirk *q;
	struct pb_dev *dev;
	int at = 0;

	mutex_lock(&pb_lock);
	list_for_each_entry(dev, &pb_devs, node) {
		struct pci_dev *pdev = dev->pdev;

		if (list_empty(&dev->quirks))
			continue;
		at += sysfs_emit_at(buf, at, "%02x:%02x.%01x\n\t%04x:%04x:%04x:%04x\n",
				    pdev->bus->number, PCI_SLOT(pdev->devfn),
				    PCI_FUNC(pdev->devfn), pdev->vendor, pdev->device,
				    pdev->subsystem_vendor, pdev->subsystem_device);
		list_for_each_entry(q, &dev->quirks, node)
			at += sysfs_emit_at(buf, at, "\t\t%08x:%01x:%08x\n", q->reg, q->size,
					    q->mask);
	}
	mutex_unlock(&pb_lock);
	return at;
}
static DRIVER_ATTR_RW(quirks);

static ssize_t irq_handlers_show(struct device_driver *drv, char *buf)
{
	struct pb_dev *dev;
	int at = 0;

	mutex_lock(&pb_lock);
	list_for_each_entry(dev, &pb_devs, node)
		at += sysfs_emit_at(buf, at, "%s:%s:%sing:%lu\n", pci_name(dev->pdev),
				    READ_ONCE(dev->isr_on) ? "on" : "off",
				    READ_ONCE(dev->ack_intr) ? "ack" : "not ack",
				    READ_ONCE(dev->handled));
	mutex_unlock(&pb_lock);
	return at;
}
static DRIVER_ATTR_RO(irq_handlers);

/* A write turns the handler on the shared line over. */
static ssize_t irq_handler_state_store(struct device_driver *drv, const char *buf, size_t count)
{
	struct pb_dev *dev = dev_from(buf, count);
	bool owned;
	int err = 0;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	mutex_lock(&dev->lock);
	/* A release takes the handler off before it lets go of the owner: none is put back. */
	mutex_lock(&pb_lock);
	owned = dev->owner && !dev->releasing;
	mutex_unlock(&pb_lock);
	if (dev->isr_on)
		pb_intx_unhook(dev);
	else if (owned)
		err = pb_intx_hook(dev, true);
	else
		err = -ENXIO;
	mutex_unlock(&dev->lock);
	pb_dev_put(dev);
	return err ?: count;
}
static DRIVER_ATTR_WO(irq_handler_state);

static struct attribute *pb_attrs[] = {
	&driver_attr_new_slot.attr,
	&driver_attr_remove_slot.attr,
	&driver_attr_slots.attr,
	&driver_attr_do_flr.attr,
	&driver_attr_permissive.attr,
	&driver_attr_allow_interrupt_control.attr,
	&driver_attr_quirks.attr,
	&driver_attr_irq_handlers.attr,
	&driver_attr_irq_handler_state.attr,
	NULL
};

static const struct attribute_group pb_group = {
	.attrs = pb_attrs,
};

const struct attribute_group *pb_groups[] = {
	&pb_group,
	NULL
};
