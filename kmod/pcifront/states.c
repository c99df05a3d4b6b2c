// SPDX-License-Identifier: GPL-2.0-only
/*
 * The front end's half of the xenbus handshake; pure, see states.h. The back end's state
 * is only a number here.
 */
#include "states.h"

bool pf_may_announce(int back)
{
	return back != PF_CONNECTED && back != PF_CLOSING && back != PF_RECONFIGURING &&
	       back != PF_RECONFIGURED;
}

enum pf_action pf_next(int back, int front, bool seen)
{
	bool bound = front == PF_CONNECTED || front == PF_RECONFIGURING;

	switch (back) {
	case PF_INITIALISING:
	case PF_INIT_WAIT:
	case PF_INITIALISED:
		if (front == PF_CLOSED)
			return PF_ANNOUNCE;
		/* No back end that we were connected to goes back there. */
		return bound ? PF_RESTART : PF_NOTHING;
	case PF_CONNECTED:
	case PF_RECONFIGURED:
		if (back == PF_CONNECTED ? front == PF_INITIALISED : front == PF_RECONFIGURING)
			return PF_CONNECT;
		return PF_NOTHING;
	case PF_RECONFIGURING:
		/* Connected passed by unseen: what is there already has to be found first. */
		if (front == PF_INITIALISED)
			return PF_CONNECT_AND_DETACH;
		return front == PF_CONNECTED ? PF_DETACH : PF_NOTHING;
	case PF_CLOSING:
	case PF_CLOSED:
	case PF_UNKNOWN:
		/* The leftover of an earlier connection says nothing about this one. */
		if (!seen || front == PF_CLOSED)
			return PF_NOTHING;
		return back == PF_CLOSING ? PF_CLOSE : PF_CLOSE_DEAD;
	default:
		return PF_NOTHING;
	}
}
