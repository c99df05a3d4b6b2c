// SPDX-License-Identifier: GPL-2.0-only
/*
 * Builds the byte masks of a function from its snapshot and the tables, once, when
 * the device is seized. The snapshot may be anything: every walk is bounded.
 */
#include "layout.h"

u32 cs_get(const u8 *snap, unsigned int off, unsigned int size)
{
	u32 v = 0;

	while (size--)
		v = (v << 8) | snap[off + size];
	return v;
}

void cs_put_shadow(struct cs_space *cs, unsigned int off, unsigned int size, u32 v)
{
	for (; size--; off++, v >>= 8)
		cs->b[off].shadow = v & 0xff;
}

void cs_set_fixed(struct cs_space *cs, unsigned int off, unsigned int size, u32 v)
{
	unsigned int i;

	for (i = 0; i < size; i++) {
		struct cs_byte *b = &cs->b[off + i];

		b->virt = 0xff;
		b->write = 0;
		b->raw = 0;
		b->open = 0;
	}
	cs_put_shadow(cs, off, size, v);
}

static void apply_rules(struct cs_space *cs, const u8 *snap, unsigned int base,
			unsigned int len, const struct cs_rule *r, unsigned int nr)
{
	for (; nr--; r++) {
		unsigned int i;

		for (i = 0; i < r->size && r->off + i < len; i++) {
			struct cs_byte *b = &cs->b[base + r->off + i];
			unsigned int s = 8 * i;

			b->virt = r->virt >> s;
			b->write = r->write >> s & b->virt;
			b->ignore = r->ignore >> s;
			b->shadow = snap[base + r->off + i];
		}
	}
}

void cs_apply_cap(struct cs_space *cs, const u8 *snap, const struct cs_cap *cap,
		  unsigned int pos, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++) {
		struct cs_byte *b = &cs->b[pos + i];

		memset(b, 0, sizeof(*b));
		b->open = cap->vis == CS_OPEN ? 0xff : 0;
		b->rule = cs_region_of(cap);
	}
	apply_rules(cs, snap, pos, len, cap->rules, cap->nr_rules);
}

void cs_hide(struct cs_space *cs, unsigned int pos, unsigned int len, const struct cs_cap *cap)
{
	cs_set_fixed(cs, pos, len, 0);
	while (len--) {
		cs->b[pos + len].ignore = 0;
		cs->b[pos + len].rule = cs_region_of(cap);
	}
}

void cs_gaps(struct cs_space *cs, unsigned int from, unsigned int end, bool complete)
{
	for (; from < end; from++)
		if (cs->b[from].rule == CS_REGION_GAP)
			cs->b[from].open = complete ? 0xff : 0;
}

static void init_bars(struct cs_space *cs, const struct cs_info *info)
{
	unsigned int i;

	for (i = 0; i < CS_NBARS; i++) {
		const struct cs_bar *bar = &info->bar[i];
		unsigned int off = i == CS_ROM ? R_ROM : R_BAR0 + 4 * i;
		u32 flags = 0;

		cs_put_shadow(cs, off, 4, 0);
		if (!bar->size || (bar->size & (bar->size - 1)))
			continue;
		cs->decode |= bar->io ? R_COMMAND_IO : R_COMMAND_MEM;
		if (i == CS_ROM) {
			cs->bar_mask[i] = ~(u32)(bar->size - 1) & ~0x7ffu;
		} else if (bar->io) {
			flags = 0x1;
			cs->bar_mask[i] = ~(u32)(bar->size - 1) & ~0x3u;
		} else {
			flags = (bar->mem64 ? 0x4 : 0) | (bar->prefetch ? 0x8 : 0);
			cs->bar_mask[i] = ~(u32)(bar->size - 1) & ~0xfu;
		}
		cs_put_shadow(cs, off, 4, ((u32)bar->start & cs->bar_mask[i]) | flags);

		/* The upper half is a register of its own, PCI r3.0 6.2.5.1. */
		if (bar->mem64 && !bar->io && i < 5) {
			i++;
			off += 4;
			cs->bar_mask[i] = ~(u32)((bar->size - 1) >> 32);
			cs_put_shadow(cs, off, 4, (u32)(bar->start >> 32));
		}
	}
}

int cs_init(struct cs_space *cs, const u8 *snap, u16 size, const struct cs_info *info)
{
	unsigned int i;

	if (size != CS_SIZE_STD && size != CS_SIZE_EXT)
		return -EINVAL;
	if ((snap[R_HEADER_TYPE] & 0x7f) != 0)
		return -EINVAL;

	memset(cs, 0, sizeof(*cs));
	cs->size = size;
	for (i = 0; i < R_STD_END; i++)
		cs->b[i].rule = CS_REGION_HEADER;
	apply_rules(cs, snap, 0, R_STD_END, cs_header_rules, cs_nr_header_rules);

	cs_put_shadow(cs, R_VENDOR, 2, info->vendor);
	cs_put_shadow(cs, R_DEVICE, 2, info->device);
	/* A VF has no decode bits: memory reads as enabled, PCIe r5.0 9.3.4.1.3. */
	cs_put_shadow(cs, R_COMMAND, 2, info->is_vf ? R_COMMAND_MEM : 0);
	cs_put_shadow(cs, R_LINE_SIZE, 2, 0);	/* and the latency: scratch */
	cs_put_shadow(cs, R_BIST, 1, 0);
	cs_put_shadow(cs, R_INT_LINE, 1, info->irq_line);
	if (!info->irq_line)
		cs_put_shadow(cs, R_INT_PIN, 1, 0);

	init_bars(cs, info);
	cs_walk_std(cs, snap);
	if (size == CS_SIZE_EXT)
		cs_walk_ext(cs, snap);
	return 0;
}
