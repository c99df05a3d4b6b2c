/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One domain's attachment: which functions it has, where the guest sees them, and the
 * channel to its front end. Everything that the front end writes is hostile.
 *
 * Locks: device_lock(pdev) -> attach->lock -> pb_dev.lock -> pb_lock. attach->lock is for what
 * the channel, error recovery and hot removal share; nothing waits for a guest or for a
 * device_lock under it. What only the state machine uses needs no lock: ctl_work is never
 * run twice at once.
 */
#ifndef PCIASSIGN_PCIBACK_ATTACH_H
#define PCIASSIGN_PCIBACK_ATTACH_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <xen/xenbus.h>

#include "../wire/pciif.h"
#include "topology.h"

struct pb_dev;

/* The page's AER request. Leaves LATE and ASKED only by the front end's answer or its end. */
enum pb_aer {
	PB_AER_IDLE,
	PB_AER_ASKED,
	PB_AER_ANSWERED,
	PB_AER_LATE,		/* still unanswered, and nobody waits for it */
};

struct pb_attach {
	struct kref ref;
	struct xenbus_device *xdev;	/* a reference of our own */
	char *otherend;
	domid_t domid;
	bool dying;			/* our xenbus device is gone; set once, without the lock */

	struct mutex lock;		/* from here to the works */
	struct topo topo;		/* of struct pb_dev, each claimed by us */
	struct wire_page *page;		/* NULL: not connected; the guest writes it any time */
	unsigned int irq;
	struct wire_op op;		/* the copy that is worked on */
	bool lost;			/* the front end is to be told of a device that is gone */
	enum pb_aer aer;
	u32 aer_answer;
	bool aer_mmio;			/* the front end can take WIRE_AER_MMIO */
	unsigned long aer_penalty;	/* jiffies: not asked until then; 0: none. No lock. */
	wait_queue_head_t aer_wait;	/* for changes of aer and dying */

	unsigned long eoi;		/* bit 0: an event wants its end of interrupt */
	struct work_struct op_work;
	struct delayed_work ctl_work;
	struct work_struct end_work;	/* queued once, by remove(); drops remove()'s reference */
	struct xenbus_watch watch;

	/* ctl_work's own. */
	bool exported;			/* the devices that stood in the nodes at first were taken */
	bool front_closed;		/* the front end closed; it may come back */
	unsigned long retry_until;	/* jiffies: a device is being reset; 0: none */
	unsigned long opened;		/* jiffies of the last connection */
	unsigned long returned;		/* jiffies of the front end's last return; 0: none */
	unsigned int returns;		/* since a connection lasted */
};

/* attach.c: its life */
int pb_xenbus_register(void);
void pb_xenbus_unregister(void);
void pb_attach_get(struct pb_attach *a);
void pb_attach_put(struct pb_attach *a);

/* control.c: the state machine */
void pb_control_init(struct pb_attach *a);
/* Compares both ends' states soon. */
void pb_control_kick(struct pb_attach *a);
/* The attachment's end: after this nothing but references to a is left. Once. */
void pb_control_end(struct pb_attach *a);

/* channel.c: the shared page and the event channel; from the state machine and its end */
void pb_channel_init(struct pb_attach *a);
/* NULL, or what did not work with *err. */
const char *pb_channel_open(struct pb_attach *a, int *err);
void pb_channel_close(struct pb_attach *a);

/* export.c: the functions; from the state machine and its end */
/* Takes and shows what the toolstack added. 0, -EAGAIN (ask again), or the last failure. */
int pb_export_new(struct pb_attach *a);
/* Takes away what the toolstack is detaching. */
void pb_export_closing(struct pb_attach *a);
/* Every function back to what it was when it was taken, and kept. */
void pb_export_quiesce(struct pb_attach *a);
/* All of them let go. */
void pb_export_release(struct pb_attach *a);
/* Tells the front end to remove what it has lost. */
void pb_export_tell_lost(struct pb_attach *a);
/*
 * The guest has lost a device, and will be told; dev is taken out of the topology, if not
 * NULL. From anywhere that holds no more than a device_lock.
 */
void pb_attach_lost(struct pb_attach *a, struct pb_dev *dev);

/*
 * nodes.c: our directory in xenstore. Nothing is written where the directory, or the entry
 * for this device, is not there any more: the toolstack removes and renumbers them.
 */
unsigned int pb_nodes_count(struct pb_attach *a);
enum xenbus_state pb_entry_state(struct pb_attach *a, unsigned int i);
int pb_entry_addr(struct pb_attach *a, unsigned int i, struct topo_addr *real);
/* real NULL: whatever the entry holds; virt NULL: the state alone. */
int pb_entry_write(struct pb_attach *a, unsigned int i, const struct topo_addr *real,
		   const struct topo_addr *virt, enum xenbus_state state);
/* Entries for which lost() is true say Closing, and our end Reconfiguring, if it is Connected. */
int pb_entries_closing(struct pb_attach *a, bool (*lost)(struct pb_attach *a, unsigned int i));
int pb_roots_write(struct pb_attach *a);
/* Every failure that a guest can cause comes through here: limited, and on record. */
void pb_nodes_fail(struct pb_attach *a, int err, const char *what);

/* aer.c, under attach->lock */
/* True when the event was (also) an answer to a request. */
bool pb_aer_event(struct pb_attach *a);
/* The channel is being closed: a request that is under way ends without an answer. */
void pb_aer_gone(struct pb_attach *a);

/* ops.c: under attach->lock. *flr is set, with a reference, when a reset is to follow. */
void pb_op_run(struct pb_attach *a, struct wire_op *op, struct pb_dev **flr);

#endif /* PCIASSIGN_PCIBACK_ATTACH_H */
