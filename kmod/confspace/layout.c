// SPDX-License-Identifier: GPL-2.0-only
/*
 * Builds the byte masks of a function from its snapshot and the tables, once, when
 * the device is seized. The snapshot may be anything: every walk is bounded.
 */
#include "confspace.h"
#include "regs.h"
#include "tables.h"

static u32 get(const u8 *snap, unsigned int off, unsigned int size)
{
	u32 v = 0;

	while (size--)
		v = (v << 8) | snap[off + size];
	return v;
}

static void put_shadow(struct cs_space *cs, unsigned int off, unsigned int size, u32 v)
{
	for (; size--; off++, v >>= 8)
		cs->b[off].shadow = v & 0xff;
}

/* Fixed bytes: from shadow, never written, in any mode. */
static void set_fixed(struct cs_space *cs, unsigned int off, unsigned int size, u32 v)
{
	unsigned int i;

	for (i = 0; i < size; i++) {
		struct cs_byte *b = &cs->b[off + i];

		b->virt = 0xff;
		b->write = 0;
		b->raw = 0;
		b->w1c = 0;
		b->open = 0;
	}
	put_shadow(cs, off, size, v);
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
			b->raw = r->raw >> s & ~b->virt;
			b->w1c = r->w1c >> s & ~b->virt;
			b->ignore = r->ignore >> s;
			b->shadow = snap[base + r->off + i];
		}
	}
}

static void init_bars(struct cs_space *cs, const struct cs_info *info)
{
	unsigned int i;

	for (i = 0; i < CS_NBARS; i++) {
		const struct cs_bar *bar = &info->bar[i];
		unsigned int off = i == CS_ROM ? R_ROM : R_BAR0 + 4 * i;
		u32 flags = 0;

		set_fixed(cs, off, 4, 0);
		if (!bar->size || (bar->size & (bar->size - 1)))
			continue;
		if (i == CS_ROM) {
			cs->bar_mask[i] = ~(u32)(bar->size - 1) & ~0x7ffu;
		} else if (bar->io) {
			flags = 0x1;
			cs->bar_mask[i] = ~(u32)(bar->size - 1) & ~0x3u;
		} else {
			flags = (bar->mem64 ? 0x4 : 0) | (bar->prefetch ? 0x8 : 0);
			cs->bar_mask[i] = ~(u32)(bar->size - 1) & ~0xfu;
		}
		put_shadow(cs, off, 4, ((u32)bar->start & cs->bar_mask[i]) | flags);

		/* The upper half is a register of its own, PCI r3.0 6.2.5.1. */
		if (bar->mem64 && !bar->io && i < 5) {
			i++;
			off += 4;
			cs->bar_mask[i] = ~(u32)((bar->size - 1) >> 32);
			set_fixed(cs, off, 4, (u32)(bar->start >> 32));
		}
	}
}

static unsigned int msi_len(u16 flags)
{
	unsigned int len = flags & R_MSI_64BIT ? 14 : 10;

	return flags & R_MSI_MASKBIT ? len + 10 : len;
}

static unsigned int pcie_len(u16 flags)
{
	unsigned int type = flags >> 4 & 0xf;

	if ((flags & 0xf) >= 2)
		return 0x3c;
	/* Version 1: root complex integrated endpoints have no link, PCIe r1.1 7.8. */
	return type == 9 || type == 10 ? 0x0c : 0x14;
}

/* How far it is from pos to the next capability of the list, or to the end. */
static unsigned int room(const u8 *snap, unsigned int pos)
{
	unsigned int p = snap[R_CAP_PTR] & ~3u, end = CS_SIZE_STD, ttl = 48;

	for (; p >= R_STD_END && ttl--; p = snap[p + 1] & ~3u)
		if (p > pos && p < end)
			end = p;
	return end - pos;
}

/* What the capability would have; the next one may begin earlier. */
static unsigned int cap_len(const struct cs_cap *cap, const u8 *snap, unsigned int pos)
{
	unsigned int len = cap->len;

	switch (cap->id) {
	case R_CAP_MSI:
		len = msi_len(get(snap, pos + R_MSI_FLAGS, 2));
		break;
	case R_CAP_PCIE:
		len = pcie_len(get(snap, pos + R_EXP_FLAGS, 2));
		break;
	case R_CAP_VENDOR:
		len = snap[pos + 2];
		break;
	}
	return len < 4 ? 4 : len;
}

/* Address, data, mask and pending are the guest's scratch: never the hardware's. */
static void init_msi(struct cs_space *cs, unsigned int pos, unsigned int len)
{
	unsigned int i;

	for (i = 4; i < len; i++) {
		struct cs_byte *b = &cs->b[pos + i];

		b->virt = 0xff;
		b->write = 0xff;
		b->shadow = 0;
	}
}

static void init_cap(struct cs_space *cs, const u8 *snap, const struct cs_cap *cap,
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
	/* Extended capabilities number anew: 1 is error reporting there. */
	if (pos >= CS_SIZE_STD)
		return;

	switch (cap->id) {
	case R_CAP_PM:
		cs->pm = pos;
		/* No PME, bits 15:11; its enable and status are zero too. D1 and D2 stay. */
		cs->b[pos + R_PM_PMC + 1].shadow &= 0x07;
		put_shadow(cs, pos + R_PM_CSR, 2, 0);
		break;
	case R_CAP_MSI:
		cs->msi = pos;
		init_msi(cs, pos, len);
		break;
	case R_CAP_MSIX:
		cs->msix = pos;
		break;
	case R_CAP_PCIE:
		cs->pcie = pos;
		if (get(snap, pos + R_EXP_DEVCAP, 4) & R_EXP_DEVCAP_FLR)
			cs->flr = true;
		else
			cs->b[pos + R_EXP_DEVCTL + 1].ignore &= 0x7f;
		/* FLR reads as zero, PCIe r5.0 7.5.3.4. */
		cs->b[pos + R_EXP_DEVCTL + 1].shadow &= 0x7f;
		break;
	case R_CAP_AF:
		cs->af = pos;
		put_shadow(cs, pos + R_AF_CTRL, 1, 0);
		break;
	}
}

static void hide(struct cs_space *cs, unsigned int pos, unsigned int len, const struct cs_cap *cap)
{
	set_fixed(cs, pos, len, 0);
	while (len--)
		cs->b[pos + len].rule = cs_region_of(cap);
}

/* PCI r3.0 section 6.7. The list is cached here; hardware is not asked again (XSA-337). */
static void walk_std(struct cs_space *cs, const u8 *snap)
{
	bool seen[CS_SIZE_STD / 4] = { false };
	unsigned int link = R_CAP_PTR;	/* byte that points at the next visible one */
	unsigned int pos = snap[R_CAP_PTR] & ~3u;
	unsigned int ttl = 48;

	put_shadow(cs, R_CAP_PTR, 4, 0);
	if (!(get(snap, R_STATUS, 2) & R_STATUS_CAPS))
		return;

	while (pos >= R_STD_END && ttl--) {
		const struct cs_cap *cap = cs_find_cap(snap[pos]);
		unsigned int len = cap_len(cap, snap, pos), max = room(snap, pos);
		bool twice = (cap->id == R_CAP_PM && cs->pm) || (cap->id == R_CAP_MSI && cs->msi) ||
			     (cap->id == R_CAP_MSIX && cs->msix) ||
			     (cap->id == R_CAP_PCIE && cs->pcie) || (cap->id == R_CAP_AF && cs->af);

		if (seen[pos / 4])
			break;	/* a loop */
		seen[pos / 4] = true;
		/*
		 * An open one's length is the device's word, and not every device has all
		 * of version 2 of PCI Express: they do not reach into the next.
		 */
		if ((cap->vis == CS_OPEN || (cap->id == R_CAP_PCIE && max >= 0x14)) && len > max)
			len = max;
		/*
		 * Hidden, a second one, or no room for its rows: not shown. Where its length
		 * is not known it reaches to the next one, lest permissive mode open its
		 * registers as a gap.
		 */
		if (cap->vis == CS_HIDDEN || twice || len > max) {
			if (cap->vis != CS_HIDDEN || !cap->len || len > max)
				len = max;
			hide(cs, pos, len, cap);
		} else {
			init_cap(cs, snap, cap, pos, len);
			set_fixed(cs, pos, 1, snap[pos]);
			set_fixed(cs, pos + 1, 1, 0);
			put_shadow(cs, link, 1, pos);
			link = pos + 1;
		}
		pos = snap[pos + 1] & ~3u;
	}
}

/* PCIe r5.0 section 7.6.3: id 15:0, version 19:16, next 31:20. */
static void walk_ext(struct cs_space *cs, const u8 *snap)
{
	const struct cs_cap *cap;
	unsigned int pos = CS_SIZE_STD, prev = 0, ttl = (CS_SIZE_EXT - CS_SIZE_STD) / 8;
	u8 seen[CS_SIZE_EXT / 32] = { 0 };
	u32 head;
	unsigned int i;

	/* Nothing is shown until a visible capability claims it: gaps hide hidden bodies. */
	for (i = CS_SIZE_STD; i < cs->size; i++)
		set_fixed(cs, i, 1, 0);

	while (pos >= CS_SIZE_STD && pos <= CS_SIZE_EXT - 4 && ttl--) {
		unsigned int next, end, p, n;

		if (seen[pos / 32] & 1u << pos / 4 % 8)
			break;
		seen[pos / 32] |= 1u << pos / 4 % 8;
		head = get(snap, pos, 4);
		if (!head || head == 0xffffffff)
			break;
		next = head >> 20 & ~3u;
		cap = cs_find_ext_cap(head & 0xffff);

		/* It ends where the nearest other one in the list begins. */
		end = CS_SIZE_EXT;
		for (p = CS_SIZE_STD, n = 0; p >= CS_SIZE_STD && p <= CS_SIZE_EXT - 4 && n < 512; n++) {
			if (p > pos && p < end)
				end = p;
			p = get(snap, p, 4) >> 20 & ~3u;
		}
		for (i = pos; i < end; i++)
			cs->b[i].rule = cs_region_of(cap);

		if (cap->vis != CS_HIDDEN) {
			init_cap(cs, snap, cap, pos, end - pos);
			set_fixed(cs, pos, 4, head & 0x000fffff);
			if (prev) {
				u32 h = cs->b[prev + 2].shadow & 0x0f;

				put_shadow(cs, prev + 2, 2, h | pos << 4);
			} else if (pos != CS_SIZE_STD) {
				/* The list starts at 0x100: an empty one leads here. */
				set_fixed(cs, CS_SIZE_STD, 4, pos << 20);
			}
			prev = pos;
		}
		pos = next;
	}
}

int cs_init(struct cs_space *cs, const u8 *snap, u16 size, const struct cs_info *info)
{
	unsigned int i;
	u32 command = 0;

	if (size != CS_SIZE_STD && size != CS_SIZE_EXT)
		return -EINVAL;
	if ((snap[R_HEADER_TYPE] & 0x7f) != 0)
		return -EINVAL;

	memset(cs, 0, sizeof(*cs));
	cs->size = size;
	for (i = R_STD_END; i < CS_SIZE_STD; i++)
		cs->b[i].open = 0xff;
	for (i = 0; i < R_STD_END; i++)
		cs->b[i].rule = CS_REGION_HEADER;
	apply_rules(cs, snap, 0, R_STD_END, cs_header_rules, cs_nr_header_rules);

	put_shadow(cs, R_VENDOR, 2, info->vendor);
	put_shadow(cs, R_DEVICE, 2, info->device);
	/* A VF has no decode bits: memory reads as enabled, PCIe r5.0 9.3.4.1.3. */
	if (info->is_vf)
		command = R_COMMAND_MEM;
	put_shadow(cs, R_COMMAND, 2, command);
	put_shadow(cs, R_COMMAND + 8, 2, 0);	/* line size and latency are scratch */
	cs->b[0x0f].shadow = 0;
	put_shadow(cs, R_INT_LINE, 1, info->irq_line);
	if (!info->irq_line)
		put_shadow(cs, R_INT_PIN, 1, 0);

	init_bars(cs, info);
	walk_std(cs, snap);
	if (size == CS_SIZE_EXT)
		walk_ext(cs, snap);
	return 0;
}
