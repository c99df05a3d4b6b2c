// SPDX-License-Identifier: GPL-2.0-only
/*
 * The xenbus state machine of one attachment. Level-triggered: whatever happens only asks
 * ctl_work() to compare both ends' states. The front end writes its state at will: a step
 * depends on our own state first, costs no more than it has to, and what a front end can
 * repeat (closing and coming back) gets slower. Holds no lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "../compat/compat.h"
#include "pciback.h"

#define RETRY_DELAY	(HZ / 10)

/*
 * A return costs resets and messages: the first few are a second apart, then twice as long
 * each time, up to half a minute. A connection that lasted so long starts it anew.
 */
#define FREE_RETURNS	3
#define MAX_DOUBLINGS	5
#define LASTED		(30 * HZ)

static void again(struct pb_attach *a, unsigned long delay)
{
	queue_delayed_work(pb_wq, &a->ctl_work, delay);
}

static void show_first(struct pb_attach *a)
{
	int err;

	if (!pb_nodes_count(a))
		return;		/* the toolstack is not done yet */
	err = pb_export_new(a);
	if (err == -EAGAIN) {
		again(a, RETRY_DELAY);
		return;
	}
	if (!err)
		err = pb_roots_write(a);
	if (err) {
		pb_nodes_fail(a, err, "a device cannot be given to the domain");
		return;
	}
	a->exported = true;
	xenbus_switch_state(a->xdev, XenbusStateInitialised);
}

static void connect(struct pb_attach *a)
{
	const char *what = NULL;
	int err;

	if (!READ_ONCE(a->page))
		what = pb_channel_open(a, &err);
	if (what) {
		pb_nodes_fail(a, err, what);
		return;
	}
	a->opened = jiffies;
	xenbus_switch_state(a->xdev, XenbusStateConnected);
}

/* Both ends agreed to change the set: take away first, then add. */
static void reconfigure(struct pb_attach *a)
{
	pb_export_closing(a);
	if (pb_export_new(a) == -EAGAIN) {
		again(a, RETRY_DELAY);
		return;
	}
	/* A device that cannot be added says so in its own state; the others work on. */
	pb_roots_write(a);
	xenbus_switch_state(a->xdev, XenbusStateReconfigured);
}

static void front_went(struct pb_attach *a, enum xenbus_state front)
{
	pb_channel_close(a);
	if (front == XenbusStateClosing) {
		xenbus_switch_state(a->xdev, XenbusStateClosing);
		return;
	}
	if (front == XenbusStateUnknown) {
		/*
		 * Its directory is gone, as when the domain is: xl may leave ours behind, and the
		 * devices would be a dead domain's. Should it come back, they are taken anew.
		 */
		pb_export_release(a);
		a->exported = false;
	} else if (!a->front_closed) {
		pb_export_quiesce(a);
	}
	a->front_closed = true;
	xenbus_switch_state(a->xdev, XenbusStateClosed);
}

/* A front end that closed comes back, loaded anew or after a kexec. */
static void front_returned(struct pb_attach *a)
{
	unsigned int doublings;
	unsigned long end;

	if (!xenbus_dev_is_online(a->xdev))
		return;
	if (a->opened && time_after(jiffies, a->opened + LASTED))
		a->returns = 0;
	doublings = a->returns > FREE_RETURNS ? a->returns - FREE_RETURNS : 0;
	end = a->returned + (HZ << min_t(unsigned int, doublings, MAX_DOUBLINGS));
	if (a->returns && time_before(jiffies, end)) {
		again(a, end - jiffies);
		return;
	}
	a->returned = jiffies;
	a->returns++;
	a->opened = 0;
	a->front_closed = false;
	if (pb_roots_write(a))
		return;
	xenbus_switch_state(a->xdev, a->exported ? XenbusStateInitialised : XenbusStateInitWait);
}

static void ctl_work(struct work_struct *work)
{
	struct pb_attach *a = container_of(to_delayed_work(work), struct pb_attach, ctl_work);
	enum xenbus_state own, front;

	if (READ_ONCE(a->dying))
		return;

	/* The toolstack writes our state too, so the store knows better than xdev. */
	own = compat_read_driver_state(a->xdev, a->xdev->nodename);
	front = compat_read_driver_state(a->xdev, a->otherend);
	/* xenbus_switch_state() writes nothing where its copy says that it has. */
	if (own != XenbusStateUnknown)
		a->xdev->state = own;

	switch (front) {
	case XenbusStateUnknown:
	case XenbusStateClosing:
	case XenbusStateClosed:
		if (own >= XenbusStateInitialised)
			front_went(a, front);
		else if (own == XenbusStateInitWait)
			show_first(a);
		return;
	default:
		break;
	}

	switch (own) {
	case XenbusStateInitWait:
		show_first(a);
		break;
	case XenbusStateInitialised:
		if (pb_export_new(a) == -EAGAIN)
			again(a, RETRY_DELAY);
		if (front == XenbusStateInitialised)
			connect(a);
		break;
	case XenbusStateReconfiguring:
		if (front == XenbusStateReconfiguring)
			reconfigure(a);
		break;
	case XenbusStateReconfigured:
		if (front == XenbusStateConnected)
			xenbus_switch_state(a->xdev, XenbusStateConnected);
		break;
	case XenbusStateConnected:
		if (front == XenbusStateConnected)
			pb_export_tell_lost(a);
		break;
	case XenbusStateClosing:
	case XenbusStateClosed:
		if (a->front_closed &&
		    (front == XenbusStateInitialising || front == XenbusStateInitialised))
			front_returned(a);
		break;
	default:
		break;
	}
}

/*
 * The attachment's end, of which there must be one: ctl_work() may have been queued
 * before dying was set and may find it set, so it is not ctl_work() that drops the
 * reference. Whoever kicks it from now on finds dying set under a->lock.
 */
static void end_work(struct work_struct *work)
{
	struct pb_attach *a = container_of(work, struct pb_attach, end_work);

	pb_channel_close(a);
	cancel_delayed_work_sync(&a->ctl_work);
	cancel_work_sync(&a->op_work);
	pb_export_release(a);
	pb_attach_put(a);
}

void pb_control_init(struct pb_attach *a)
{
	INIT_DELAYED_WORK(&a->ctl_work, ctl_work);
	INIT_WORK(&a->end_work, end_work);
}

void pb_control_kick(struct pb_attach *a)
{
	mod_delayed_work(pb_wq, &a->ctl_work, 0);
}

void pb_control_end(struct pb_attach *a)
{
	WRITE_ONCE(a->dying, true);
	wake_up_all(&a->aer_wait);
	queue_work(pb_wq, &a->end_work);
}
