/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of pcifront share. One pf_dev is one channel to a back end, with the
 * root buses that it shows. Lock order: pci_lock_rescan_remove -> pf_dev.lock (a leaf,
 * taken with interrupts off by every config access).
 */
#ifndef PCIASSIGN_PCIFRONT_H
#define PCIASSIGN_PCIFRONT_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/xenbus.h>

#include "../wire/pciif.h"

#define PF_NAME "pcifront"

struct pf_dev {
	struct xenbus_device *xdev;
	struct work_struct work;	/* the state machine, and the only writer of roots */
	struct list_head roots;
	bool back_alive;		/* the back end was seen since we published */

	spinlock_t lock;		/* page and everything below */
	struct wire_page *page;		/* NULL: closed */
	bool unanswered;		/* an op timed out: the page still belongs to it */
	grant_ref_t gref;
	evtchn_port_t port;
	int irq;
};

struct pf_root {
	struct pci_sysdata sd;		/* first: the architecture looks at it */
	struct list_head node;
	struct pf_dev *pf;
	struct pci_bus *bus;
	struct resource busn;
	DECLARE_BITMAP(msix, 256);	/* by devfn: MSI-X is on, as far as the back end knows */
};

extern struct workqueue_struct *pf_wq;

/* channel.c */
int pf_channel_open(struct pf_dev *pf);
void pf_channel_close(struct pf_dev *pf);
/* Any context. Returns op->err, or WIRE_ERR_NO_DEVICE when the back end is silent. */
int pf_op(struct pf_dev *pf, struct wire_op *op);

/* bus.c: process context, from the work or after it ended */
bool pf_bus_is_ours(struct pci_bus *bus);
int pf_bus_scan(struct pf_dev *pf);
void pf_bus_remove_closing(struct pf_dev *pf);
void pf_bus_remove_all(struct pf_dev *pf);

/* msi.c */
int pf_msi_register(void);
void pf_msi_reclaim(void);
void pf_msi_unregister(void);

static inline struct pf_root *root_of(struct pci_bus *bus)
{
	return container_of((struct pci_sysdata *)bus->sysdata, struct pf_root, sd);
}

static inline struct pf_dev *pf_of(struct pci_bus *bus)
{
	return root_of(bus)->pf;
}

#endif /* PCIASSIGN_PCIFRONT_H */
