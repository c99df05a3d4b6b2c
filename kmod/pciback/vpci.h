/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where an exported function appears in the guest: domain 0, bus 0, a slot for each
 * device. Pure arithmetic over opaque pointers; the caller locks.
 */
#ifndef PCIASSIGN_PCIBACK_VPCI_H
#define PCIASSIGN_PCIBACK_VPCI_H

#include "../confspace/shim.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VPCI_SLOTS	32
#define VPCI_FUNCS	8

struct vpci_addr {
	unsigned int domain, bus, slot, func;
};

struct vpci_entry {
	void *dev;		/* NULL: free */
	struct vpci_addr real;
	bool is_vf;
};

struct vpci {
	struct vpci_entry at[VPCI_SLOTS][VPCI_FUNCS];
};

/* The passthrough topology will be a second implementation of these. */

/* 0 and *virt, -ENOSPC, or -EEXIST. */
int vpci_add(struct vpci *v, void *dev, const struct vpci_addr *real, bool is_vf,
	     struct vpci_addr *virt);
bool vpci_del(struct vpci *v, const void *dev);
/* Where dev appears; false where it does not. */
bool vpci_where(const struct vpci *v, const void *dev, struct vpci_addr *virt);
void *vpci_find(const struct vpci *v, unsigned int domain, unsigned int bus, unsigned int devfn);

#ifdef __cplusplus
}
#endif

#endif /* PCIASSIGN_PCIBACK_VPCI_H */
