/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the front end does next, out of both ends' states alone. Pure: each event only
 * asks again, so that a missed state is made up for at the next.
 */
#ifndef PCIASSIGN_PCIFRONT_STATES_H
#define PCIASSIGN_PCIFRONT_STATES_H

#include "../confspace/shim.h"

#ifdef __cplusplus
extern "C" {
#endif

/* XenbusState of xen/include/public/io/xenbus.h. */
enum pf_state {
	PF_UNKNOWN = 0,
	PF_INITIALISING = 1,
	PF_INIT_WAIT = 2,
	PF_INITIALISED = 3,
	PF_CONNECTED = 4,
	PF_CLOSING = 5,
	PF_CLOSED = 6,
	PF_RECONFIGURING = 7,
	PF_RECONFIGURED = 8,
};

enum pf_action {
	PF_NOTHING,
	PF_ANNOUNCE,		/* open a channel and publish it */
	PF_CONNECT,		/* scan the buses; connected */
	PF_DETACH,		/* remove what the toolstack takes away; reconfiguring */
	PF_CONNECT_AND_DETACH,	/* both, in this order */
	PF_CLOSE,		/* remove the buses while the back end may still answer */
	PF_CLOSE_DEAD,		/* remove them without a question */
	PF_RESTART,		/* the same, then announce: another back end took its place */
};

/* Before anything was published: false while the back end still serves a predecessor. */
bool pf_may_announce(int back);

/* seen: the back end was in another state than closed since the channel was published. */
enum pf_action pf_next(int back, int front, bool seen);

#ifdef __cplusplus
}
#endif

#endif /* PCIASSIGN_PCIFRONT_STATES_H */
