// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of extended capabilities, PCIe r5.0 section 7.6.3, cached like the standard
 * one. What no visible or known one claims is a gap only if the list came to its end.
 */
#include "layout.h"

#define MAX_CAPS	((CS_SIZE_EXT - CS_SIZE_STD) / 8)

static bool in_list(unsigned int pos)
{
	return pos >= CS_SIZE_STD && pos <= CS_SIZE_EXT - 8;
}

/* How far it is from pos to the nearest other one in the list, or to the end. */
static unsigned int room(const u8 *snap, unsigned int pos)
{
	unsigned int p = CS_SIZE_STD, end = CS_SIZE_EXT, n = MAX_CAPS;

	for (; in_list(p) && n--; p = R_EXT_NEXT(cs_get(snap, p, 4)))
		if (p > pos && p < end)
			end = p;
	return end - pos;
}

/* A later version, or a length that is not known, takes all that there is. */
static unsigned int cap_len(const struct cs_cap *cap, const u8 *snap, unsigned int pos, u32 head)
{
	unsigned int max = room(snap, pos), len = cap->len;

	if (cap->id == R_EXT_VENDOR || cap->id == R_EXT_DVSEC)
		len = cs_get(snap, pos + R_EXT_VENDOR_HDR, 4) >> 20;
	else if (R_EXT_VER(head) > cap->ver)
		len = max;
	if (len && len < 8)
		len = 8;
	return !len || len > max ? max : len;
}

void cs_walk_ext(struct cs_space *cs, const u8 *snap)
{
	unsigned int pos = CS_SIZE_STD, prev = 0;
	bool seen[CS_SIZE_EXT / 4] = { false };
	u32 head = cs_get(snap, pos, 4);

	/* No extended capability at all, PCIe r5.0 7.6.2; all ones: no extended space. */
	if (head == 0) {
		cs_gaps(cs, CS_SIZE_STD, CS_SIZE_EXT, true);
		return;
	}
	while (in_list(pos) && !seen[pos / 4] && head != 0 && head != 0xffffffff) {
		const struct cs_cap *cap = cs_find_ext_cap(R_EXT_ID(head));
		unsigned int len = cap_len(cap, snap, pos, head);

		seen[pos / 4] = true;
		if (cap->vis == CS_HIDDEN) {
			cs_hide(cs, pos, len, cap);
		} else {
			cs_apply_cap(cs, snap, cap, pos, len);
			cs_set_fixed(cs, pos, 4, head & 0x000fffff);
			if (prev)
				cs_put_shadow(cs, prev + 2, 2,
					      (cs->b[prev + 2].shadow & 0x0f) | pos << 4);
			else if (pos != CS_SIZE_STD)
				/* The list starts at 0x100: a null one leads here. */
				cs_put_shadow(cs, CS_SIZE_STD, 4, pos << 20);
			prev = pos;
		}
		pos = R_EXT_NEXT(head);
		head = in_list(pos) ? cs_get(snap, pos, 4) : 0;
	}
	cs_gaps(cs, CS_SIZE_STD, CS_SIZE_EXT, pos == 0);
}
