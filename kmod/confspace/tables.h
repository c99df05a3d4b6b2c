/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shape of the policy tables: data only. A register that no row names can be read
 * (if its capability is visible) and never written.
 */
#ifndef PCIASSIGN_CONFSPACE_TABLES_H
#define PCIASSIGN_CONFSPACE_TABLES_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

/* No mask lets a write through to the hardware: what a guest may cause is an effect. */
struct cs_rule {
	u8 off;			/* from the start of the header or capability */
	u8 size;		/* 1, 2 or 4 */
	u32 virt;		/* see struct cs_byte */
	u32 write;
	u32 ignore;
	const char *spec;	/* section: PCI r3.0, PCI PM r1.2, PCIe r5.0 */
	const char *reason;
};

enum cs_visibility {
	CS_HIDDEN,		/* unlinked, its bytes read as zero */
	CS_READ_ONLY,		/* raw reads, no writes in any mode */
	CS_OPEN,		/* raw reads; permissive mode and quirks may write */
};

struct cs_cap {
	u16 id;
	enum cs_visibility vis;
	u8 len;			/* 0: the capability tells, or it reaches to the next one */
	u8 ver;			/* extended: the highest version that len is good for */
	u8 nr_rules;
	const struct cs_rule *rules;
	const char *name;
	const char *reason;
};

extern const struct cs_rule cs_header_rules[];
extern const unsigned int cs_nr_header_rules;

/* The last row of each is for what is not listed. */
extern const struct cs_cap cs_std_caps[];
extern const unsigned int cs_nr_std_caps;
extern const struct cs_cap cs_ext_caps[];
extern const unsigned int cs_nr_ext_caps;

/* Never NULL: an id that the tables do not know gives the row for unknown ones. */
const struct cs_cap *cs_find_cap(u8 id);
const struct cs_cap *cs_find_ext_cap(u16 id);

/* Regions by index, as kept in struct cs_byte.rule. */
enum { CS_REGION_GAP = 0, CS_REGION_HEADER = 1, CS_REGION_CAPS = 2 };
u8 cs_region_of(const struct cs_cap *cap);
const struct cs_cap *cs_region(u8 index);

#ifdef __cplusplus
}
#endif

#endif /* PCIASSIGN_CONFSPACE_TABLES_H */
