/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of pciback share: a seized function (pb_dev) and one domain's
 * attachment (pb_attach).
 *
 * Lock order: device_lock(pdev) -> pb_attach.lock -> pb_dev.lock -> pb_lock.
 * Nothing waits for a guest but the PCI core's error recovery (aer.c), for a bounded
 * time and under device_lock of the function alone.
 */
#ifndef PCIASSIGN_PCIBACK_H
#define PCIASSIGN_PCIBACK_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/ratelimit.h>
#include <linux/workqueue.h>
#include <xen/xenbus.h>

#include "../confspace/confspace.h"
#include "../wire/pciif.h"
#include "attach.h"
#include "spec.h"

#define PB_NAME "pciback"

struct pb_quirk {
	struct list_head node;
	unsigned int reg, size;
	u32 mask;
};

struct pb_dev {
	struct kref ref;
	struct pci_dev *pdev;		/* a reference of our own */
	struct cs_info info;
	u8 *snapshot;			/* config space as seized */
	struct pci_saved_state *saved;
	unsigned int irq;		/* the line's irq; pdev->irq is the MSI's under MSI */

	struct mutex lock;		/* cs, the hardware's registers, the fields below */
	struct cs_space *cs;
	u32 *denied;			/* dropped writes for each dword, of the last attachment */
	struct ratelimit_state denied_log;
	bool asleep;			/* dom0 suspends; changes under device_lock too */
	bool flr_wanted;		/* a reset is to follow the op */
	bool wake_wanted;		/* and it is the one that waking up means */
	u8 dstate;			/* what the guest asked for; the hardware is in D0 */
	const char *failed;		/* what the last reset left undone, NULL: nothing */
	bool fenced;			/* not recovered from an error: its guest's use is over */
	unsigned long msi_since;	/* jiffies: msi_failures counts from here */
	unsigned int msi_failures;
	unsigned long vpd_since;	/* the same for reads of VPD */
	unsigned int vpd_failures;
	bool isr_on;			/* our handler sits on the shared line */
	bool isr_manual;		/* the administrator said so, or said not */
	bool ack_intr;			/* read by the handler without a lock, as are the next */
	bool line_shared;
	bool line_held;			/* INTx is off in the hardware until the guest takes it */
	unsigned int hold;		/* milliseconds until the guest is looked at again */
	struct delayed_work hold_work;
	unsigned int seen;
	unsigned long handled;
	char irq_name[40];

	/* Under device_lock: the recovery that is under way. */
	bool aer_reset;			/* it resets, or has reset, the device */
	bool aer_skip;			/* the guest has no part in it */
	unsigned long aer_since;	/* jiffies: aer_errors counts from here */
	unsigned int aer_errors;

	/* Under pb_lock. */
	struct list_head node;		/* in pb_devs */
	struct list_head quirks;
	bool permissive;
	bool interrupt_control;
	bool gone;			/* unbound: not to be claimed any more */
	bool releasing;			/* owner is letting go, reset under way */
	struct pb_attach *owner;	/* holds a reference */
};

extern struct mutex pb_lock;
extern struct list_head pb_devs;
extern struct workqueue_struct *pb_wq;
extern bool pb_passthrough;

/* slots.c */
struct pb_text;
int pb_hide_append(const char *list);
int pb_hide_parse(void);
int pb_slot_add(const struct spec_bdf *spec);
int pb_slot_del(const struct spec_bdf *spec);
bool pb_slot_wanted(struct pci_dev *pdev);
void pb_slots_list(struct pb_text *out);
void pb_slots_free(void);

/* device.c */
struct pb_dev *pb_dev_get(unsigned int domain, unsigned int bus, unsigned int slot,
			  unsigned int func);
/* The one after prev (NULL: the first), by address; prev's reference is dropped. */
struct pb_dev *pb_dev_next(struct pb_dev *prev);
void pb_dev_put(struct pb_dev *dev);
bool pb_dev_in_use(struct pb_dev *dev);
/*
 * Under attach->lock. -ENODEV, -EBUSY (another domain's), -EAGAIN (being reset), -EIO
 * (its last reset failed).
 */
struct pb_dev *pb_dev_claim(struct pb_attach *a, const struct topo_addr *at);
/* Without attach->lock; does nothing where the device is not (any more) a's. */
void pb_dev_release(struct pb_dev *dev, struct pb_attach *a);
/* The same under device_lock. */
void pb_dev_let_go(struct pb_dev *dev, struct pb_attach *a);
/* dev->lock, and device_lock, when dom0 is not suspending: the hardware may be touched. */
void pb_dev_lock(struct pb_dev *dev);
void pb_dev_lock_device(struct pb_dev *dev);
/* Under device_lock: whoever waits in these two waits, or goes on. */
void pb_dev_set_asleep(struct pb_dev *dev, bool asleep);
/* device_lock and dev->lock; false, with neither held, where the device is not a's. */
bool pb_dev_lock_owned(struct pb_dev *dev, struct pb_attach *a);
void pb_dev_unlock_owned(struct pb_dev *dev);
/* Under dev->lock: apply permissive, interrupt control and quirks to cs. */
void pb_dev_apply_options(struct pb_dev *dev);
/* Under dev->lock: the guest's view as after a reset; it lets go of the D-state too. */
void pb_dev_fresh_view(struct pb_dev *dev);

/* driver.c */
int pb_driver_register(void);
void pb_driver_unregister(void);

/* reset.c; the first three under device_lock and dev->lock */
/* Reads the registers that a reset has to bring back. */
int pb_snapshot(struct pb_dev *dev);
/* Leaves nothing of a guest in the device: no interrupt, no mastering, no register. */
void pb_scrub(struct pb_dev *dev);
/* NULL, or what is not as it was when the device was seized. */
const char *pb_verify(struct pb_dev *dev);
/* Under dev->lock: puts what pb_verify() says, or NULL, on record. */
void pb_set_failed(struct pb_dev *dev, const char *what, int err);
/* Without attach->lock; both do nothing where the device is not (any more) a's. */
void pb_dev_quiesce(struct pb_dev *dev, struct pb_attach *a);
void pb_dev_flr(struct pb_dev *dev, struct pb_attach *a);
/* An administrator's reset, whoever owns the device. */
int pb_dev_reset(struct pb_dev *dev);

/* intx.c, all but prepare, init and exit under dev->lock */
void pb_intx_prepare(struct pb_dev *dev);
int pb_intx_hook(struct pb_dev *dev);
/* A line that was held stays off: whoever keeps the device for its guest calls pb_follow_view(). */
void pb_intx_unhook(struct pb_dev *dev);
/* Hooked where dom0 uses the line, unhooked where it does not. */
void pb_intx_review(struct pb_dev *dev);
int pb_intx_init(void);
void pb_intx_exit(void);

/* effects.c, under dev->lock */
/* The hardware's mastering and INTx as the guest's view has them. */
void pb_follow_view(struct pb_dev *dev);
void pb_effects(struct pb_dev *dev, const struct cs_effects *fx);

/* vpd.c, under dev->lock */
void pb_vpd_prepare(struct pb_dev *dev);
void pb_vpd_read(struct pb_dev *dev, u32 addr);

/* aer.c */
/* Whether dom0 is told of its uncorrectable errors. Under device_lock. */
void pb_aer_report(struct pb_dev *dev, bool on);
extern const struct pci_error_handlers pb_error_handlers;

/* sysfs.c */
extern const struct attribute_group *pb_groups[];
/* A line of an attribute that may be longer than a page. */
__printf(2, 3) void pb_put(struct pb_text *out, const char *fmt, ...);

#endif /* PCIASSIGN_PCIBACK_H */
