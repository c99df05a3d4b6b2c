// SPDX-License-Identifier: GPL-2.0-only
/*
 * Judges a guest's answer to an AER request. Pure; see aervote.h.
 */
#include "aervote.h"

/* What the host alone would say: pciback can bring any of its devices back. */
static enum aer_answer own_vote(wire_u32 cmd, bool reset)
{
	if (cmd == WIRE_AER_DETECTED)
		return reset ? AER_NEED_RESET : AER_CAN_RECOVER;
	return AER_RECOVERED;
}

struct aer_verdict aer_judge(wire_u32 cmd, bool reset, wire_u32 answer)
{
	struct aer_verdict v = { .vote = own_vote(cmd, reset) };

	switch (answer) {
	case AER_NOT_ASKED:
		/* Whoever connects next finds a device as after a reset anyway. */
		v.skip = true;
		break;
	case AER_NONE:
	case AER_NO_AER_DRIVER:
		/*
		 * Without a reset the device works on, as it does on bare metal under a driver
		 * without handlers. After one, a driver that knows of nothing meets a device
		 * without its state. One that took part until here may lack a later handler.
		 */
		if (cmd == WIRE_AER_DETECTED) {
			v.fence = reset;
			v.skip = true;
		}
		break;
	case AER_CAN_RECOVER:
	case AER_RECOVERED:
		break;
	case AER_NEED_RESET:
		if (cmd == WIRE_AER_SLOTRESET)
			v.fence = true;		/* it had its reset */
		else
			v.vote = AER_NEED_RESET;
		break;
	default:
		/* It gave the device up, is silent, or says what no driver can say. */
		v.fence = true;
		v.skip = true;
		break;
	}
	return v;
}
