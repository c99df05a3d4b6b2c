/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the files that build the masks from a snapshot: header and BARs (layout.c),
 * the two capability lists (caps.c, caps_ext.c). The snapshot may be anything.
 */
#ifndef PCIASSIGN_CONFSPACE_LAYOUT_H
#define PCIASSIGN_CONFSPACE_LAYOUT_H

#include "confspace.h"
#include "regs.h"
#include "tables.h"

u32 cs_get(const u8 *snap, unsigned int off, unsigned int size);
void cs_put_shadow(struct cs_space *cs, unsigned int off, unsigned int size, u32 v);

/* Fixed bytes: from shadow, never written, in any mode. */
void cs_set_fixed(struct cs_space *cs, unsigned int off, unsigned int size, u32 v);

/* The capability's policy over len bytes; what its rules do not name can only be read. */
void cs_apply_cap(struct cs_space *cs, const u8 *snap, const struct cs_cap *cap,
		  unsigned int pos, unsigned int len);

/* Blank, in every mode. */
void cs_hide(struct cs_space *cs, unsigned int pos, unsigned int len, const struct cs_cap *cap);

/* Bytes of no capability, from..end: readable; open where the list was read to its end. */
void cs_gaps(struct cs_space *cs, unsigned int from, unsigned int end, bool complete);

void cs_walk_std(struct cs_space *cs, const u8 *snap);
void cs_walk_ext(struct cs_space *cs, const u8 *snap);

#endif /* PCIASSIGN_CONFSPACE_LAYOUT_H */
