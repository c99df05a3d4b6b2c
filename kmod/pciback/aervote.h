/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest's answer to an AER request means for the host's recovery and for the
 * device. Pure; the answer is the guest's and may be any number.
 */
#ifndef PCIASSIGN_PCIBACK_AERVOTE_H
#define PCIASSIGN_PCIBACK_AERVOTE_H

#include "../confspace/shim.h"
#include "../wire/pciif.h"

#ifdef __cplusplus
extern "C" {
#endif

/* On the wire and in Linux's enum pci_ers_result. */
enum aer_answer {
	AER_NONE		= 1,	/* the driver has no such handler */
	AER_CAN_RECOVER		= 2,
	AER_NEED_RESET		= 3,
	AER_DISCONNECT		= 4,
	AER_RECOVERED		= 5,
	AER_NO_AER_DRIVER	= 6,
	/* Ours, never on the wire. */
	AER_NOT_ASKED		= 0x100,	/* nobody is connected, or not any more */
	AER_SILENT		= 0x101,	/* it does, but did not answer in time */
};

struct aer_verdict {
	/*
	 * For the PCI core. Never "disconnect" for an error that can be recovered from: the
	 * core would leave the other functions below the same port, those of other domains
	 * too, without their own recovery.
	 */
	enum aer_answer vote;
	bool fence;	/* the guest may not use the device any more */
	bool skip;	/* the guest takes no part in the rest of this recovery */
};

/*
 * cmd: the request that was to be answered; reset: the device loses, or lost, its state
 * with this error.
 */
struct aer_verdict aer_judge(wire_u32 cmd, bool reset, wire_u32 answer);

#ifdef __cplusplus
}
#endif

#endif /* PCIASSIGN_PCIBACK_AERVOTE_H */
