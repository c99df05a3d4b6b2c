/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pcifront: a PCI bus over the channel to pciback. The back end is trusted with the
 * hardware, not with this kernel's memory: every answer is checked before it is used.
 *
 * Lock order: pci_lock_rescan_remove, then pf_dev.lock (a leaf, taken with the PCI
 * core's own spin lock held and interrupts off).
 */
#ifndef PCIFRONT_H
#define PCIFRONT_H

#include <linux/list.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <xen/grant_table.h>
#include <xen/xenbus.h>

#include "../wire/pciif.h"

/* The connection to one back end. */
struct pf_dev {
	struct xenbus_device *xdev;
	struct list_head roots;		/* pf_root; under pci_lock_rescan_remove */

	spinlock_t lock;		/* one op at a time */
	struct wire_page *page;
	bool dead;			/* the back end is gone: no op is sent any more */
	grant_ref_t gref;
	evtchn_port_t evtchn;
	int irq;

	struct work_struct aer_work;
};

/* What bus->sysdata points to. */
struct pf_root {
	struct pci_sysdata sd;		/* first: x86 reads it through bus->sysdata */
	struct list_head node;
	struct pci_bus *bus;
	struct resource numbers;	/* of this bus and those below it */
	struct pf_dev *pf;
};

static inline struct pf_dev *pf_of_bus(struct pci_bus *bus)
{
	struct pf_root *root = container_of((struct pci_sysdata *)bus->sysdata, struct pf_root, sd);

	return root->pf;
}

/* channel.c */
int pf_channel_open(struct pf_dev *pf);
void pf_channel_close(struct pf_dev *pf);
void pf_channel_kill(struct pf_dev *pf);
int pf_do_op(struct pf_dev *pf, struct wire_op *op);

/* aer.c */
void pf_aer_work(struct work_struct *work);

/* bus.c */
int pf_scan_roots(struct pf_dev *pf);
int pf_remove_closing(struct pf_dev *pf);
void pf_free_roots(struct pf_dev *pf);

/* msi.c */
extern struct xen_pci_frontend_ops pf_msi_ops;

/* xenbus.c */
int pf_xenbus_register(void);
void pf_xenbus_unregister(void);

#endif /* PCIFRONT_H */
