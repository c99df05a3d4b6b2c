// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of functions to seize, from hide= and new_slot. Trusts the administrator,
 * not the text. Lock: slots_lock, a leaf.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pci.h>
#include <linux/slab.h>

#include "pciback.h"

struct slot {
	struct list_head node;
	u16 domain;
	u8 bus, devfn;
	bool wild;	/* from a pattern: listed only where a device is */
};

static DEFINE_MUTEX(slots_lock);
static LIST_HEAD(slots);
static char *hide_list;

/* Runs while parameters are parsed: the list is only collected. */
int pb_hide_append(const char *list)
{
	char *both = kasprintf(GFP_KERNEL, "%s%s", hide_list ?: "", list);

	if (!both)
		return -ENOMEM;
	kfree(hide_list);
	hide_list = both;
	return 0;
}

int pb_hide_parse(void)
{
	struct spec_bdf spec;
	size_t pos = 0;
	int err;

	if (!hide_list)
		return 0;
	while ((err = spec_next_hidden(hide_list, strlen(hide_list), &pos, &spec)) > 0) {
		err = pb_slot_add(&spec);
		if (err)
			break;
	}
	if (err == -EINVAL)
		pr_err("hide=: not understood at \"%s\": expected ([DDDD:]BB:SS.F)\n",
		       hide_list + pos);
	return err;
}

static struct slot *find(unsigned int domain, unsigned int bus, unsigned int devfn)
{
	struct slot *s;

	list_for_each_entry(s, &slots, node)
		if (s->domain == domain && s->bus == bus && s->devfn == devfn)
			return s;
	return NULL;
}

int pb_slot_add(const struct spec_bdf *spec)
{
	bool wild = spec->slot == SPEC_ANY || spec->func == SPEC_ANY;
	unsigned int devfn;
	int err = 0;

	mutex_lock(&slots_lock);
	for (devfn = 0; devfn < 256; devfn++) {
		struct slot *s;

		if (!spec_matches(spec, spec->domain, spec->bus, PCI_SLOT(devfn), PCI_FUNC(devfn)))
			continue;
		s = find(spec->domain, spec->bus, devfn);
		if (s) {
			s->wild &= wild;
			continue;
		}
		s = kzalloc(sizeof(*s), GFP_KERNEL);
		if (!s) {
			err = -ENOMEM;
			break;
		}
		s->domain = spec->domain;
		s->bus = spec->bus;
		s->devfn = devfn;
		s->wild = wild;
		list_add_tail(&s->node, &slots);
	}
	mutex_unlock(&slots_lock);
	return err;
}

int pb_slot_del(const struct spec_bdf *spec)
{
	struct slot *s, *next;
	int err = -ENOENT;

	mutex_lock(&slots_lock);
	list_for_each_entry_safe(s, next, &slots, node) {
		if (!spec_matches(spec, s->domain, s->bus, PCI_SLOT(s->devfn), PCI_FUNC(s->devfn)))
			continue;
		list_del(&s->node);
		kfree(s);
		err = 0;
	}
	mutex_unlock(&slots_lock);
	return err;
}

/* The function itself, or a bridge above it. */
bool pb_slot_wanted(struct pci_dev *pdev)
{
	bool wanted = false;

	mutex_lock(&slots_lock);
	for (; pdev && !wanted; pdev = pdev->bus->self)
		wanted = find(pci_domain_nr(pdev->bus), pdev->bus->number, pdev->devfn);
	mutex_unlock(&slots_lock);
	return wanted;
}

static bool present(const struct slot *s)
{
	struct pci_dev *pdev = pci_get_domain_bus_and_slot(s->domain, s->bus, s->devfn);

	pci_dev_put(pdev);
	return pdev;
}

void pb_slots_list(struct pb_text *out)
{
	struct slot *s;

	mutex_lock(&slots_lock);
	list_for_each_entry(s, &slots, node)
		if (!s->wild || present(s))
			pb_put(out, "%04x:%02x:%02x.%d\n", s->domain, s->bus, PCI_SLOT(s->devfn),
			       PCI_FUNC(s->devfn));
	mutex_unlock(&slots_lock);
}

void pb_slots_free(void)
{
	struct slot *s, *next;

	list_for_each_entry_safe(s, next, &slots, node)
		kfree(s);
	INIT_LIST_HEAD(&slots);
	kfree(hide_list);
	hide_list = NULL;
}
