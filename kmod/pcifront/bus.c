// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI buses that the back end publishes: finds their functions, takes away those
 * that the back end withdraws. Everything here runs under pci_lock_rescan_remove.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pci.h>
#include <linux/slab.h>
#include <xen/xenbus.h>

#include "pcifront.h"

/* Bounds what a back end may make this kernel loop over. */
#define MAX_ROOTS	256
#define MAX_DEVICES	1024

static int pcibios_error(int err)
{
	switch (err) {
	case WIRE_OK:
		return PCIBIOS_SUCCESSFUL;
	case WIRE_ERR_NO_DEVICE:
		return PCIBIOS_DEVICE_NOT_FOUND;
	case WIRE_ERR_OFFSET:
	case WIRE_ERR_ACCESS:
		return PCIBIOS_BAD_REGISTER_NUMBER;
	case WIRE_ERR_NOT_IMPLEMENTED:
		return PCIBIOS_FUNC_NOT_SUPPORTED;
	default:
		return PCIBIOS_SET_FAILED;
	}
}

static struct wire_op config_op(struct pci_bus *bus, unsigned int devfn, int where, int size,
				enum wire_cmd cmd, u32 value)
{
	return (struct wire_op) {
		.cmd = cmd,
		.domain = pci_domain_nr(bus),
		.bus = bus->number,
		.devfn = devfn,
		.offset = where,
		.size = size,
		.value = value,
	};
}

static int pf_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	struct wire_op op = config_op(bus, devfn, where, size, WIRE_CONF_READ, 0);
	int err = pf_do_op(pf_of_bus(bus), &op);

	if (err == WIRE_OK) {
		*val = size == 4 ? op.value : op.value & ((1U << (8 * size)) - 1);
		return PCIBIOS_SUCCESSFUL;
	}
	*val = ~0U;
	/* An absent function reads as ones, which is no error on real hardware either. */
	return err == WIRE_ERR_NO_DEVICE ? PCIBIOS_SUCCESSFUL : pcibios_error(err);
}

static int pf_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	struct wire_op op = config_op(bus, devfn, where, size, WIRE_CONF_WRITE, val);

	return pcibios_error(pf_do_op(pf_of_bus(bus), &op));
}

static struct pci_ops pf_bus_ops = {
	.read = pf_read,
	.write = pf_write,
};

/* The addresses are the machine's and fixed: claim them as they are. */
static int claim_resources(struct pci_dev *dev, void *unused)
{
	int i;

	for (i = 0; i < PCI_NUM_RESOURCES; i++) {
		struct resource *r = &dev->resource[i];

		if (r->parent || !r->start || !r->flags)
			continue;
		if (pci_claim_resource(dev, i))
			dev_err(&dev->dev, "could not claim resource %d; e820_host=1 is needed in the domain's configuration\n",
				i);
	}
	return 0;
}

/* Where the back end names its functions, only these are looked at; otherwise all 256. */
static void scan_functions(struct pf_dev *pf, struct pci_bus *bus)
{
	const char *back = pf->xdev->otherend;
	unsigned int devfn, i, found = 0;
	unsigned int count = min(xenbus_read_unsigned(back, "num_devs", 0), (unsigned int)MAX_DEVICES);

	for (i = 0; i < count; i++) {
		unsigned int domain, number, slot, func;
		char node[16];

		snprintf(node, sizeof(node), "vdev-%u", i);
		if (xenbus_scanf(XBT_NIL, back, node, "%x:%x:%x.%x", &domain, &number, &slot,
				 &func) != 4)
			continue;
		found++;
		if (domain == pci_domain_nr(bus) && number == bus->number && slot < 32 && func < 8)
			pci_scan_single_device(bus, PCI_DEVFN(slot, func));
	}
	if (found && found == count)
		return;
	for (devfn = 0; devfn < 256; devfn++)
		pci_scan_single_device(bus, devfn);
}

static struct pf_root *new_root(struct pf_dev *pf, unsigned int domain, unsigned int number)
{
	struct pf_root *root = kzalloc(sizeof(*root), GFP_KERNEL);
	LIST_HEAD(resources);

	if (!root)
		return NULL;
	root->pf = pf;
	root->sd.domain = domain;
	root->sd.node = first_online_node;
	root->numbers = (struct resource) {
		.name = "pcifront buses",
		.start = number,
		.end = 255,
		.flags = IORESOURCE_BUS,
	};
	pci_add_resource(&resources, &ioport_resource);
	pci_add_resource(&resources, &iomem_resource);
	pci_add_resource(&resources, &root->numbers);
	root->bus = pci_create_root_bus(&pf->xdev->dev, number, &pf_bus_ops, &root->sd, &resources);
	if (!root->bus) {
		pci_free_resource_list(&resources);
		kfree(root);
		return NULL;
	}
	list_add(&root->node, &pf->roots);
	return root;
}

static struct pf_root *find_root(struct pf_dev *pf, unsigned int domain, unsigned int number)
{
	struct pf_root *root;

	list_for_each_entry(root, &pf->roots, node)
		if (pci_domain_nr(root->bus) == domain && root->bus->number == number)
			return root;
	return NULL;
}

static int scan_root(struct pf_dev *pf, unsigned int domain, unsigned int number)
{
	struct pf_root *root;
	int err = 0;

	pci_lock_rescan_remove();
	root = find_root(pf, domain, number);
	if (!root)
		root = new_root(pf, domain, number);
	if (root) {
		scan_functions(pf, root->bus);
		pci_walk_bus(root->bus, claim_resources, NULL);
		pci_bus_add_devices(root->bus);
	} else {
		err = -ENOMEM;
	}
	pci_unlock_rescan_remove();
	return err;
}

/* Creates the published buses that are not there yet, and finds what is new on all. */
int pf_scan_roots(struct pf_dev *pf)
{
	unsigned int i, count;

	count = xenbus_read_unsigned(pf->xdev->otherend, "root_num", 0);
	if (count > MAX_ROOTS)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		unsigned int domain, number;
		char node[16];
		int err;

		snprintf(node, sizeof(node), "root-%u", i);
		err = xenbus_scanf(XBT_NIL, pf->xdev->otherend, node, "%x:%x", &domain, &number);
		if (err != 2 || domain > 0xffff || number > 0xff) {
			dev_err(&pf->xdev->dev, "the back end's node %s is not a bus address\n", node);
			return err < 0 ? err : -EINVAL;
		}
		err = scan_root(pf, domain, number);
		if (err)
			return err;
	}
	return 0;
}

static void remove_function(unsigned int domain, unsigned int number, unsigned int slot,
			    unsigned int func)
{
	struct pci_dev *dev;

	if (domain > 0xffff || number > 0xff || slot > 31 || func > 7)
		return;
	dev = pci_get_domain_bus_and_slot(domain, number, PCI_DEVFN(slot, func));
	if (!dev)
		return;
	pci_lock_rescan_remove();
	pci_stop_and_remove_bus_device(dev);
	pci_unlock_rescan_remove();
	pci_dev_put(dev);
}

/* Removes the functions that the back end withdraws: state-N is Closing. */
int pf_remove_closing(struct pf_dev *pf)
{
	const char *back = pf->xdev->otherend;
	unsigned int i, count = xenbus_read_unsigned(back, "num_devs", 0);

	if (count > MAX_DEVICES)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		unsigned int domain, number, slot, func;
		char node[16];

		snprintf(node, sizeof(node), "state-%u", i);
		if (xenbus_read_unsigned(back, node, XenbusStateUnknown) != XenbusStateClosing)
			continue;
		snprintf(node, sizeof(node), "vdev-%u", i);
		if (xenbus_scanf(XBT_NIL, back, node, "%x:%x:%x.%x", &domain, &number, &slot,
				 &func) != 4) {
			dev_err(&pf->xdev->dev, "the back end's node %s is not a function's address\n",
				node);
			continue;
		}
		remove_function(domain, number, slot, func);
	}
	return 0;
}

static int mark_failed(struct pci_dev *dev, void *unused)
{
	dev->error_state = pci_channel_io_perm_failure;
	return 0;
}

/* Drivers of a dead back end are told first, so that they do not wait for registers. */
void pf_free_roots(struct pf_dev *pf)
{
	struct pf_root *root, *next;

	pci_lock_rescan_remove();
	list_for_each_entry_safe(root, next, &pf->roots, node) {
		if (pf->dead)
			pci_walk_bus(root->bus, mark_failed, NULL);
		list_del(&root->node);
		pci_stop_root_bus(root->bus);
		pci_remove_root_bus(root->bus);
		kfree(root);
	}
	pci_unlock_rescan_remove();
}
