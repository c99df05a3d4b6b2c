/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Addresses as an administrator writes them: hide=, new_slot, quirks and the BDFs of
 * the other attributes. Pure parsing of text that may be anything; owns nothing.
 */
#ifndef PCIASSIGN_PCIBACK_SPEC_H
#define PCIASSIGN_PCIBACK_SPEC_H

#include "../confspace/shim.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPEC_ANY	(-1)

struct spec_bdf {
	unsigned int domain, bus;
	int slot, func;		/* SPEC_ANY: all of them */
};

struct spec_quirk {
	struct spec_bdf bdf;
	unsigned int reg, size;
	u32 mask;		/* 0: all bits */
};

/*
 * [DDDD:]BB:SS.F with F or SS.F as '*' where wild is allowed; white space around it
 * is skipped. 0 or -EINVAL.
 */
int spec_parse_bdf(const char *s, size_t len, bool wild, struct spec_bdf *out);

/* BDF-reg:size:mask, hexadecimal, as the quirks attribute takes it. */
int spec_parse_quirk(const char *s, size_t len, struct spec_quirk *out);

/*
 * The next "(BDF)" of a hide list. Returns 1 and moves *pos behind it, 0 at the end,
 * -EINVAL at text that is not a list (*pos then stays at the offending group).
 */
int spec_next_hidden(const char *s, size_t len, size_t *pos, struct spec_bdf *out);

bool spec_matches(const struct spec_bdf *spec, unsigned int domain, unsigned int bus,
		  unsigned int slot, unsigned int func);

#ifdef __cplusplus
}
#endif

#endif /* PCIASSIGN_PCIBACK_SPEC_H */
