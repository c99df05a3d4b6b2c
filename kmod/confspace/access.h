/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between access.c, which applies the masks, and registers.c, which turns the change
 * of a register with a meaning into effects.
 */
#ifndef PCIASSIGN_CONFSPACE_ACCESS_H
#define PCIASSIGN_CONFSPACE_ACCESS_H

#include "confspace.h"

/* What a write may change and the effects are made from. */
struct cs_before {
	u32 command, devctl;
	u8 dstate;
};

void cs_add_effect(struct cs_effects *out, enum cs_effect_type type, int off, int size, u32 value);
struct cs_before cs_before(const struct cs_space *cs);

/* True when a register refused the write, which then counts as denied. */
bool cs_register_effects(struct cs_space *cs, const struct cs_before *old, int off, int size,
			 u32 value, struct cs_effects *out);

#endif /* PCIASSIGN_CONFSPACE_ACCESS_H */
