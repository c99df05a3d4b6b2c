// SPDX-License-Identifier: GPL-2.0-only
/*
 * The root buses in the guest: config access, enumeration, removal. What the back end
 * answers is only data here. Lock: pci_lock_rescan_remove() for pf->roots; RCU for the
 * way from a bus to its pf_dev, since whoever holds a device may ask after its removal.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/nodemask.h>
#include <linux/pci.h>

#include "pcifront.h"

static int pcibios_error(int err)
{
	switch (err) {
	case WIRE_OK:
		return PCIBIOS_SUCCESSFUL;
	case WIRE_ERR_NO_DEVICE:
		return PCIBIOS_DEVICE_NOT_FOUND;
	case WIRE_ERR_ACCESS:
		return PCIBIOS_SET_FAILED;
	case WIRE_ERR_NOT_IMPLEMENTED:
		return PCIBIOS_FUNC_NOT_SUPPORTED;
	default:
		return PCIBIOS_BAD_REGISTER_NUMBER;
	}
}

int pf_bus_op(struct pci_bus *bus, struct wire_op *op)
{
	int err = WIRE_ERR_NO_DEVICE;
	struct pf_dev *pf;

	rcu_read_lock();
	pf = rcu_dereference(root_of(bus)->pf);
	if (pf)
		err = pf_op(pf, op);
	rcu_read_unlock();
	return err;
}

/* struct wire_op is too large to clear for each access: the vectors are not sent. */
static int conf_op(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 cmd,
		   u32 *value)
{
	struct wire_op op;
	int err;

	memset(&op, 0, offsetof(struct wire_op, msix));
	op.cmd = cmd;
	op.domain = pci_domain_nr(bus);
	op.bus = bus->number;
	op.devfn = devfn;
	op.offset = where;
	op.size = size;
	op.value = *value;
	err = pf_bus_op(bus, &op);
	*value = op.value;
	return pcibios_error(err);
}

static int bus_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	u32 value = 0, mask = size == 4 ? ~0u : (1u << 8 * size) - 1;
	int err = conf_op(bus, devfn, where, size, WIRE_CONF_READ, &value);

	*val = err ? mask : value & mask;	/* as a bus answers for nobody */
	return err;
}

static int bus_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	return conf_op(bus, devfn, where, size, WIRE_CONF_WRITE, &val);
}

static struct pci_ops bus_ops = {
	.read = bus_read,
	.write = bus_write,
};

bool pf_bus_is_ours(struct pci_bus *bus)
{
	return bus->ops == &bus_ops;
}

/* BARs are where the host put them: take these places in the resource tree. */
static int claim_resources(struct pci_dev *pdev, void *data)
{
	int i;

	for (i = 0; i < PCI_NUM_RESOURCES; i++) {
		struct resource *r = &pdev->resource[i];

		if (r->parent || !r->start || !r->flags)
			continue;
		if (pci_claim_resource(pdev, i))
			pci_err(pdev, "resource %d %pR overlaps this domain's memory: it needs e820_host=1\n",
				i, r);
	}
	return 0;
}

/* Reads entry i's virtual address; false where the back end does not tell it. */
static bool entry_addr(struct pf_dev *pf, unsigned int i, unsigned int *domain,
		       unsigned int *busnr, unsigned int *devfn)
{
	unsigned int slot, func;
	char node[24];

	snprintf(node, sizeof(node), "vdev-%u", i);
	if (xenbus_scanf(XBT_NIL, pf->xdev->otherend, node, "%x:%x:%x.%x", domain, busnr, &slot,
			 &func) != 4 || slot > 31 || func > 7)
		return false;
	*devfn = PCI_DEVFN(slot, func);
	return true;
}

static unsigned int nr_entries(struct pf_dev *pf)
{
	return min(xenbus_read_unsigned(pf->xdev->otherend, "num_devs", 0), 256u);
}

static void scan_function(struct pf_dev *pf, struct pf_root *root, unsigned int devfn)
{
	struct pci_dev *pdev = pci_get_slot(root->bus, devfn);

	if (pdev)
		pci_dev_put(pdev);
	else if (pci_scan_single_device(root->bus, devfn))
		dev_info(&pf->xdev->dev, "new device %04x:%02x:%02x.%u\n", root->sd.domain,
			 root->bus->number, PCI_SLOT(devfn), PCI_FUNC(devfn));
}

/*
 * Only the functions that the back end names are asked, one round trip each; all of
 * them where it does not name every one. A function 0 need not be among them.
 */
static void scan_root(struct pf_dev *pf, struct pf_root *root)
{
	unsigned int i, domain, busnr, devfn, nr = nr_entries(pf);
	bool named = nr > 0;

	for (i = 0; i < nr; i++) {
		if (!entry_addr(pf, i, &domain, &busnr, &devfn))
			named = false;
		else if (domain == root->sd.domain && busnr == root->bus->number)
			scan_function(pf, root, devfn);
	}
	for (devfn = 0; devfn < 256 && !named; devfn++)
		scan_function(pf, root, devfn);
	pci_walk_bus(root->bus, claim_resources, NULL);
	pci_bus_add_devices(root->bus);
}

static struct pf_root *find_root(struct pf_dev *pf, unsigned int domain, unsigned int busnr)
{
	struct pf_root *root;

	list_for_each_entry(root, &pf->roots, node)
		if (root->sd.domain == domain && root->bus->number == busnr)
			return root;
	return NULL;
}

static struct pf_root *add_root(struct pf_dev *pf, unsigned int domain, unsigned int busnr)
{
	struct pci_host_bridge *bridge = pci_alloc_host_bridge(sizeof(struct pf_root));
	struct pf_root *root;

	if (!bridge)
		return NULL;
	root = pci_host_bridge_priv(bridge);
	root->sd.domain = domain;
	root->sd.node = first_online_node;
	root->busn.name = "PCI busn";
	root->busn.start = busnr;
	root->busn.end = 255;
	root->busn.flags = IORESOURCE_BUS;
	pci_add_resource(&bridge->windows, &ioport_resource);
	pci_add_resource(&bridge->windows, &iomem_resource);
	pci_add_resource(&bridge->windows, &root->busn);
	bridge->dev.parent = &pf->xdev->dev;
	bridge->sysdata = &root->sd;
	bridge->busnr = busnr;
	bridge->ops = &bus_ops;
	/* Nobody answers this scan: root->pf is NULL. We know better what to look at. */
	if (pci_scan_root_bus_bridge(bridge)) {
		pci_free_host_bridge(bridge);
		return NULL;
	}
	root->bus = bridge->bus;
	rcu_assign_pointer(root->pf, pf);
	list_add_tail(&root->node, &pf->roots);
	return root;
}

static int scan_one(struct pf_dev *pf, unsigned int domain, unsigned int busnr)
{
	struct pf_root *root;

	if (domain > 0xffff || busnr > 0xff)
		return -EINVAL;
	root = find_root(pf, domain, busnr) ?: add_root(pf, domain, busnr);
	if (!root)
		return -ENOMEM;
	scan_root(pf, root);
	return 0;
}

int pf_bus_scan(struct pf_dev *pf)
{
	unsigned int i, nr = xenbus_read_unsigned(pf->xdev->otherend, "root_num", 0);
	unsigned int domain, busnr;
	char node[16];
	int err = 0;

	pci_lock_rescan_remove();
	/* A back end from before root_num shows one bus. */
	if (!nr)
		err = scan_one(pf, 0, 0);
	for (i = 0; i < nr && i < 256 && !err; i++) {
		snprintf(node, sizeof(node), "root-%u", i);
		err = xenbus_scanf(XBT_NIL, pf->xdev->otherend, node, "%x:%x", &domain, &busnr);
		if (err == 2)
			err = scan_one(pf, domain, busnr);
		else
			err = err < 0 ? err : -EINVAL;
	}
	pci_unlock_rescan_remove();
	return err;
}

/* Functions whose entry the toolstack has put to Closing. */
void pf_bus_remove_closing(struct pf_dev *pf)
{
	unsigned int i, nr = nr_entries(pf);
	unsigned int domain, busnr, devfn;
	char node[24];
	int state;

	for (i = 0; i < nr; i++) {
		struct pci_dev *pdev = NULL;
		struct pf_root *root;

		snprintf(node, sizeof(node), "state-%u", i);
		if (xenbus_scanf(XBT_NIL, pf->xdev->otherend, node, "%d", &state) != 1 ||
		    state != XenbusStateClosing ||
		    !entry_addr(pf, i, &domain, &busnr, &devfn))
			continue;

		pci_lock_rescan_remove();
		root = find_root(pf, domain, busnr);
		if (root)
			pdev = pci_get_slot(root->bus, devfn);
		if (pdev) {
			pci_stop_and_remove_bus_device(pdev);
			pci_dev_put(pdev);
		}
		pci_unlock_rescan_remove();
	}
}

static int set_state(struct pci_dev *pdev, void *state)
{
	pdev->error_state = *(pci_channel_state_t *)state;
	return 0;
}

void pf_bus_set_lost(struct pf_dev *pf, bool lost)
{
	pci_channel_state_t state = lost ? pci_channel_io_perm_failure : pci_channel_io_normal;
	struct pf_root *root;

	pci_lock_rescan_remove();
	list_for_each_entry(root, &pf->roots, node)
		pci_walk_bus(root->bus, set_state, &state);
	pci_unlock_rescan_remove();
}

bool pf_bus_has_devices(struct pf_dev *pf)
{
	struct pf_root *root;
	bool has = false;

	pci_lock_rescan_remove();
	list_for_each_entry(root, &pf->roots, node)
		has = has || !list_empty(&root->bus->devices);
	pci_unlock_rescan_remove();
	return has;
}

struct pci_dev *pf_bus_find(struct pf_dev *pf, u32 domain, u32 busnr, u32 devfn)
{
	struct pci_dev *pdev = NULL;
	struct pf_root *root;

	pci_lock_rescan_remove();
	root = find_root(pf, domain, busnr);
	if (root && devfn < 256)
		pdev = pci_get_slot(root->bus, devfn);
	pci_unlock_rescan_remove();
	return pdev;
}

void pf_bus_remove_all(struct pf_dev *pf)
{
	pci_channel_state_t gone = pci_channel_io_perm_failure;
	struct pf_root *root, *next;

	pci_lock_rescan_remove();
	list_for_each_entry_safe(root, next, &pf->roots, node) {
		struct pci_host_bridge *bridge = to_pci_host_bridge(root->bus->bridge);

		list_del(&root->node);
		pci_stop_root_bus(root->bus);
		/* For whoever holds a device: the core and then we answer that it is gone. */
		pci_walk_bus(root->bus, set_state, &gone);
		RCU_INIT_POINTER(root->pf, NULL);
		pci_remove_root_bus(root->bus);
		pci_free_host_bridge(bridge);
	}
	pci_unlock_rescan_remove();
	synchronize_rcu();
}
