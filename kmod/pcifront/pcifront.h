/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of pcifront share. One pf_dev is one channel to a back end, with the
 * root buses that it shows. Lock order: pci_lock_rescan_remove (roots) or device_lock ->
 * pf_dev.lock (a leaf, taken with interrupts off by every config access).
 */
#ifndef PCIASSIGN_PCIFRONT_H
#define PCIASSIGN_PCIFRONT_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/pm.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/xenbus.h>

#include "../wire/pciif.h"

#define PF_NAME "pcifront"

struct pf_dev {
	struct xenbus_device *xdev;
	struct work_struct work;	/* the state machine */
	struct work_struct aer_work;	/* the back end reports an error of a device */
	struct work_struct lost_work;	/* tells drivers whether their devices answer */
	struct dev_pm_domain pm;
	struct list_head roots;
	bool announced;			/* a channel was published at least once */
	bool back_alive;		/* the back end was seen since we published */
	bool told_lost;			/* what lost_work said last */

	/* Raw, as the lock of the PCI core that is held around it. */
	raw_spinlock_t lock;		/* page and everything below */
	struct wire_page *page;		/* NULL: closed */
	bool dead;			/* nobody is there to answer; also read without the lock */
	bool unanswered;		/* an op timed out: the page still belongs to it */
	grant_ref_t gref;
	evtchn_port_t port;
	int irq;
};

/* Lives in the private part of its host bridge: as long as anybody holds a device. */
struct pf_root {
	struct pci_sysdata sd;		/* first: the architecture looks at it */
	struct list_head node;
	struct pf_dev __rcu *pf;	/* NULL: removed, or not yet to be asked */
	struct pci_bus *bus;
	struct resource busn;
	DECLARE_BITMAP(msix, 256);	/* by devfn: MSI-X is on, as far as the back end knows */
};

extern struct workqueue_struct *pf_wq;

/* channel.c */
int pf_channel_open(struct pf_dev *pf);
void pf_channel_close(struct pf_dev *pf);
/* The back end is gone: each op fails at once, the one that waits too. */
void pf_channel_kill(struct pf_dev *pf);
/* True while the back end is gone or owes an answer. */
bool pf_channel_lost(struct pf_dev *pf);
/* Any context. Returns op->err, or WIRE_ERR_NO_DEVICE when the back end is silent. */
int pf_op(struct pf_dev *pf, struct wire_op *op);
/* False where no request waits. */
bool pf_aer_take(struct pf_dev *pf, struct wire_aer_op *request);
void pf_aer_answer(struct pf_dev *pf, pci_ers_result_t result);

/* bus.c: process context */
bool pf_bus_is_ours(struct pci_bus *bus);
/* Like pf_op(), by bus; WIRE_ERR_NO_DEVICE once the bus was removed. */
int pf_bus_op(struct pci_bus *bus, struct wire_op *op);
int pf_bus_scan(struct pf_dev *pf);
void pf_bus_remove_closing(struct pf_dev *pf);
void pf_bus_remove_all(struct pf_dev *pf);
bool pf_bus_has_devices(struct pf_dev *pf);
/* With a reference, or NULL. */
struct pci_dev *pf_bus_find(struct pf_dev *pf, u32 domain, u32 busnr, u32 devfn);
/* Their drivers and the PCI core ask no more, or ask again. */
void pf_bus_set_lost(struct pf_dev *pf, bool lost);

/* aer.c */
void pf_aer_work(struct work_struct *work);

/* power.c */
void pf_power_init(struct pf_dev *pf);
void pf_power_exit(struct pf_dev *pf);

/* msi.c */
int pf_msi_register(void);
void pf_msi_reclaim(void);
void pf_msi_unregister(void);

static inline struct pf_root *root_of(struct pci_bus *bus)
{
	return container_of((struct pci_sysdata *)bus->sysdata, struct pf_root, sd);
}

#endif /* PCIASSIGN_PCIFRONT_H */
