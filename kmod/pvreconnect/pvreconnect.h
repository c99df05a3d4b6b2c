/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of pvreconnect share. One pvr_link is one front end on its way to a new
 * back end. Links are made, looked at and freed in xenwatch only (main.c, link.c), so that
 * their list needs no lock; the work item of a link owns its device while `busy` is set.
 */
#ifndef PCIASSIGN_PVRECONNECT_H
#define PCIASSIGN_PVRECONNECT_H

#include <linux/list.h>
#include <linux/workqueue.h>
#include <xen/xenbus.h>

#define PVR_NAME "pvreconnect"
/* Dom0 counts its reconnections there; gone when the toolstack makes the device anew. */
#define PVR_MARK "reconnected"

struct pvr_link {
	struct list_head node;
	struct xenbus_device *xdev;	/* with a reference */
	struct xenbus_watch watch;	/* the new back end's directory; node NULL: none */
	struct work_struct work;	/* freeze and restore */
	bool busy;			/* the work owns device and link */
	unsigned int mark;		/* the reconnection that is looked at */
	bool refused;			/* it came to nothing: the next one may do */
	bool broken;			/* its driver failed in the middle: hands off */
	bool waiting;			/* vbd: restored, and not connected since */
	struct gendisk *stopped;	/* vbd: nothing is dispatched to it; with a reference */
};

/* main.c */
/* Everything is looked at again, in xenwatch. Not from xenwatch, no lock held. */
void pvr_look_again(void);

/* link.c */
int pvr_links_init(void);
void pvr_links_exit(void);
/* In xenwatch. */
void pvr_link_look(struct xenbus_device *xdev);
void pvr_links_tidy(void);

/* disk.c */
int pvr_disk_init(void);
void pvr_disk_exit(void);
/* 0 where there is no disk yet. */
unsigned int pvr_disk_queues(struct xenbus_device *xdev);
/* In the link's work, with device_lock held. */
void pvr_disk_stop(struct pvr_link *link);
void pvr_disk_go(struct pvr_link *link);
/*
 * Turns a front end that waits for a back end which is gone into one that can be restored.
 * An error leaves it as it is, or broken.
 */
int pvr_disk_take_back(struct pvr_link *link);

static inline bool pvr_is_disk(const struct xenbus_device *xdev)
{
	return !strcmp(xdev->devicetype, "vbd");
}

#endif /* PCIASSIGN_PVRECONNECT_H */
