// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver's attributes, in the formats that libxl, xl and administrators know.
 * Text comes from root but is parsed as if it did not. Takes pb_lock, dev->lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pci.h>
#include <linux/slab.h>

#include "../compat/compat.h"
#include "pciback.h"

/*
 * Lists are binary attributes, since others end at a page. The text is made anew for
 * each piece that is read; buf gets what lies in the piece.
 */
struct pb_text {
	char *buf;
	size_t size, len;
	loff_t off;	/* where the piece begins */
	loff_t at;	/* end of the text so far */
};

void pb_put(struct pb_text *out, const char *fmt, ...)
{
	char line[160];
	va_list args;
	int i, n;

	va_start(args, fmt);
	n = vscnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	for (i = 0; i < n; i++, out->at++)
		if (out->at >= out->off && out->len < out->size)
			out->buf[out->len++] = line[i];
}

static struct pb_dev *dev_from(const char *buf, size_t count)
{
	struct spec_bdf bdf;
	struct pb_dev *dev;

	if (spec_parse_bdf(buf, count, false, &bdf))
		return ERR_PTR(-EINVAL);
	dev = pb_dev_get(bdf.domain, bdf.bus, bdf.slot, bdf.func);
	return dev ?: ERR_PTR(-ENODEV);
}

/* ---- what is only written ---- */

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

/* A write turns the handler on the shared line over. */
static ssize_t irq_handler_state_store(struct device_driver *drv, const char *buf, size_t count)
{
	struct pb_dev *dev = dev_from(buf, count);
	int err = 0;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	mutex_lock(&dev->lock);
	/* A release takes the handler off before it lets go of the owner: none is put back. */
	if (!pb_dev_in_use(dev)) {
		err = -ENXIO;
	} else {
		dev->isr_manual = true;
		if (dev->isr_on) {
			pb_intx_unhook(dev);
			pb_follow_view(dev);
		} else {
			err = pb_intx_hook(dev);
		}
	}
	mutex_unlock(&dev->lock);
	pb_dev_put(dev);
	return err ?: count;
}
static DRIVER_ATTR_WO(irq_handler_state);

/* ---- lists ---- */

static void slots_list(struct pb_text *out)
{
	pb_slots_list(out);
}

static ssize_t set_option(char *buf, size_t count, bool *(*option)(struct pb_dev *),
			  const char *what)
{
	bool on = !count || *buf != '-';
	struct pb_dev *dev = dev_from(on ? buf : buf + 1, on ? count : count - 1);

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	mutex_lock(&dev->lock);
	mutex_lock(&pb_lock);
	*option(dev) = on;
	mutex_unlock(&pb_lock);
	pb_dev_apply_options(dev);
	mutex_unlock(&dev->lock);
	if (on)
		dev_warn(&dev->pdev->dev, "%s until it is taken back\n", what);
	pb_dev_put(dev);
	return count;
}

static void list_option(struct pb_text *out, bool *(*option)(struct pb_dev *))
{
	struct pb_dev *dev;

	mutex_lock(&pb_lock);
	list_for_each_entry(dev, &pb_devs, node)
		if (*option(dev))
			pb_put(out, "%s\n", pci_name(dev->pdev));
	mutex_unlock(&pb_lock);
}

static bool *permissive_of(struct pb_dev *dev)
{
	return &dev->permissive;
}

static ssize_t permissive_store(char *buf, size_t count)
{
	return set_option(buf, count, permissive_of,
			  "device-specific registers are open to the guest");
}

static void permissive_list(struct pb_text *out)
{
	list_option(out, permissive_of);
}

static bool *interrupt_control_of(struct pb_dev *dev)
{
	return &dev->interrupt_control;
}

static ssize_t allow_interrupt_control_store(char *buf, size_t count)
{
	return set_option(buf, count, interrupt_control_of, "the guest may switch INTx");
}

static void allow_interrupt_control_list(struct pb_text *out)
{
	list_option(out, interrupt_control_of);
}

static int add_quirk(struct pb_dev *dev, const struct spec_quirk *spec)
{
	struct pb_quirk *q = kzalloc(sizeof(*q), GFP_KERNEL);
	int err;

	if (!q)
		return -ENOMEM;
	q->reg = spec->reg;
	q->size = spec->size;
	q->mask = spec->mask;
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
	return err;
}

/* All of a device's, which a domain that never came was to have. */
static int drop_quirks(struct pb_dev *dev)
{
	struct pb_quirk *q, *next;
	LIST_HEAD(quirks);
	int err = 0;

	mutex_lock(&pb_lock);
	if (dev->owner)
		err = -EBUSY;
	else
		list_splice_init(&dev->quirks, &quirks);
	mutex_unlock(&pb_lock);
	list_for_each_entry_safe(q, next, &quirks, node)
		kfree(q);
	return err;
}

static ssize_t quirks_store(char *buf, size_t count)
{
	bool drop = count && *buf == '-';
	struct spec_quirk spec;
	struct pb_dev *dev;
	int err;

	if (drop) {
		dev = dev_from(buf + 1, count - 1);
		if (IS_ERR(dev))
			return PTR_ERR(dev);
		err = drop_quirks(dev);
	} else {
		err = spec_parse_quirk(buf, count, &spec);
		if (err)
			return err;
		dev = pb_dev_get(spec.bdf.domain, spec.bdf.bus, spec.bdf.slot, spec.bdf.func);
		if (!dev)
			return -ENODEV;
		err = add_quirk(dev, &spec);
	}
	pb_dev_put(dev);
	return err ?: count;
}

static void quirks_list(struct pb_text *out)
{
	struct pb_quirk *q;
	struct pb_dev *dev;

	mutex_lock(&pb_lock);
	list_for_each_entry(dev, &pb_devs, node) {
		struct pci_dev *pdev = dev->pdev;

		if (list_empty(&dev->quirks))
			continue;
		pb_put(out, "%02x:%02x.%01x\n\t%04x:%04x:%04x:%04x\n", pdev->bus->number,
		       PCI_SLOT(pdev->devfn), PCI_FUNC(pdev->devfn), pdev->vendor, pdev->device,
		       pdev->subsystem_vendor, pdev->subsystem_device);
		list_for_each_entry(q, &dev->quirks, node)
			pb_put(out, "\t\t%08x:%01x:%08x\n", q->reg, q->size, q->mask);
	}
	mutex_unlock(&pb_lock);
}

static void irq_handlers_list(struct pb_text *out)
{
	struct pb_dev *dev;

	mutex_lock(&pb_lock);
	list_for_each_entry(dev, &pb_devs, node)
		pb_put(out, "%s:%s:%sing:%lu\n", pci_name(dev->pdev),
		       READ_ONCE(dev->isr_on) ? "on" : "off",
		       READ_ONCE(dev->ack_intr) && READ_ONCE(dev->line_shared) ? "ack" : "not ack",
		       READ_ONCE(dev->handled));
	mutex_unlock(&pb_lock);
}

/* Which registers a driver would have liked to write: SBDF, register, count, region. */
static void denied_writes_list(struct pb_text *out)
{
	struct pb_dev *dev;
	unsigned int i;

	for (dev = pb_dev_next(NULL); dev; dev = pb_dev_next(dev)) {
		/* The view's names are written when it is made afresh. */
		mutex_lock(&dev->lock);
		for (i = 0; i < CS_SIZE_EXT / 4; i++)
			if (dev->denied[i])
				pb_put(out, "%s %03x %u %s\n", pci_name(dev->pdev), 4 * i,
				       dev->denied[i], cs_region_name(dev->cs, 4 * i));
		mutex_unlock(&dev->lock);
	}
}

static void reset_failed_list(struct pb_text *out)
{
	struct pb_dev *dev;

	mutex_lock(&pb_lock);
	list_for_each_entry(dev, &pb_devs, node) {
		const char *what = READ_ONCE(dev->failed);

		if (what)
			pb_put(out, "%s %s\n", pci_name(dev->pdev), what);
	}
	mutex_unlock(&pb_lock);
}

#define LIST_READ(_name)								\
static ssize_t _name##_read(struct file *file, struct kobject *kobj,			\
			    compat_bin_attribute *attr, char *buf, loff_t off,		\
			    size_t count)						\
{											\
	struct pb_text out = { .buf = buf, .size = count, .off = off };			\
											\
	_name##_list(&out);								\
	return out.len;									\
}

#define LIST_WRITE(_name)								\
static ssize_t _name##_write(struct file *file, struct kobject *kobj,			\
			     compat_bin_attribute *attr, char *buf, loff_t off,		\
			     size_t count)						\
{											\
	return _name##_store(buf, count);						\
}

#define LIST_RO(_name)									\
LIST_READ(_name)									\
static compat_bin_attribute list_##_name = {						\
	.attr = { .name = __stringify(_name), .mode = 0444 },				\
	.read = _name##_read,								\
}

#define LIST_RW(_name)									\
LIST_READ(_name)									\
LIST_WRITE(_name)									\
static compat_bin_attribute list_##_name = {						\
	.attr = { .name = __stringify(_name), .mode = 0644 },				\
	.read = _name##_read,								\
	.write = _name##_write,								\
}

LIST_RO(slots);
LIST_RW(permissive);
LIST_RW(allow_interrupt_control);
LIST_RW(quirks);
LIST_RO(irq_handlers);
LIST_RO(denied_writes);
LIST_RO(reset_failed);

static compat_bin_attribute *pb_lists[] = {
	&list_slots,
	&list_permissive,
	&list_allow_interrupt_control,
	&list_quirks,
	&list_irq_handlers,
	&list_denied_writes,
	&list_reset_failed,
	NULL
};

static struct attribute *pb_attrs[] = {
	&driver_attr_new_slot.attr,
	&driver_attr_remove_slot.attr,
	&driver_attr_do_flr.attr,
	&driver_attr_irq_handler_state.attr,
	NULL
};

static const struct attribute_group pb_group = {
	.attrs = pb_attrs,
	.bin_attrs = pb_lists,
};

const struct attribute_group *pb_groups[] = {
	&pb_group,
	NULL
};
