/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the functions of one attachment appear in the guest. vpci: domain 0, bus 0, a slot
 * for each device. passthrough: at their real addresses. Pure, over opaque pointers; the
 * caller locks.
 */
#ifndef PCIASSIGN_PCIBACK_TOPOLOGY_H
#define PCIASSIGN_PCIBACK_TOPOLOGY_H

#include "../confspace/shim.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TOPO_SLOTS	32
#define TOPO_FUNCS	8
#define TOPO_MAX	(TOPO_SLOTS * TOPO_FUNCS)

struct topo_addr {
	u16 domain;
	u8 bus, slot, func;
};

struct topo_entry {
	void *dev;
	struct topo_addr real, virt;
	bool is_vf;
};

/* All zeros is an empty vpci topology. */
struct topo {
	bool passthrough;
	unsigned int nr;
	struct topo_entry e[TOPO_MAX];	/* the first nr, in no order that means anything */
};

bool topo_same(const struct topo_addr *a, const struct topo_addr *b);

/* 0 and *virt, -ENOSPC, or -EEXIST. */
int topo_add(struct topo *t, void *dev, const struct topo_addr *real, bool is_vf,
	     struct topo_addr *virt);
bool topo_del(struct topo *t, const void *dev);

/* By the guest's address: any numbers. NULL where nothing is. */
void *topo_find(const struct topo *t, u32 domain, u32 bus, u32 devfn);
/* NULL where the function, or the function at this real address, is not in the topology. */
const struct topo_entry *topo_of(const struct topo *t, const void *dev);
const struct topo_entry *topo_at(const struct topo *t, const struct topo_addr *real);

/*
 * The root buses that the guest has to scan: fills roots[], which has place for max, and
 * returns their number. Bridges are never exported, so each bus in use is a root.
 */
unsigned int topo_roots(const struct topo *t, struct topo_addr *roots, unsigned int max);

#ifdef __cplusplus
}
#endif

#endif /* PCIASSIGN_PCIBACK_TOPOLOGY_H */
