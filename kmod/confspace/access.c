// SPDX-License-Identifier: GPL-2.0-only
/*
 * One access: masks decide byte by byte; then registers with a meaning, see
 * registers.c. The guest chooses offset, size and value; none is trusted.
 */
#include "access.h"
#include "regs.h"
#include "tables.h"

int cs_check(const struct cs_space *cs, int off, int size)
{
	if (size != 1 && size != 2 && size != 4)
		return -EINVAL;
	if (off < 0 || off > cs->size - size || off % size)
		return -EINVAL;
	return 0;
}

bool cs_wants_hw(const struct cs_space *cs, int off, int size, bool write)
{
	int i;

	if (cs_check(cs, off, size))
		return false;
	for (i = 0; i < size; i++) {
		const struct cs_byte *b = &cs->b[off + i];

		if (b->virt != 0xff && !(write && b->ignore == 0xff))
			return true;
	}
	return false;
}

static int bar_of(int off)
{
	if (off >= R_BAR0 && off < R_BAR0 + 24)
		return (off - R_BAR0) / 4;
	if (off >= R_ROM && off < R_ROM + 4)
		return CS_ROM;
	return -1;
}

static u8 read_byte(const struct cs_space *cs, int off, u8 hw)
{
	const struct cs_byte *b = &cs->b[off];
	int bar = bar_of(off);

	if (bar >= 0 && cs->sizing[bar] & 1u << off % 4) {
		u8 mask = cs->bar_mask[bar] >> 8 * (off % 4);

		return mask | (b->shadow & ~mask);
	}
	return (b->shadow & b->virt) | (hw & ~b->virt);
}

int cs_read(const struct cs_space *cs, int off, int size, u32 hw, u32 *value)
{
	int i, err = cs_check(cs, off, size);

	*value = 0;
	if (err)
		return err;
	for (i = 0; i < size; i++)
		*value |= (u32)read_byte(cs, off + i, hw >> 8 * i) << 8 * i;
	return 0;
}

void cs_add_effect(struct cs_effects *out, enum cs_effect_type type, int off, int size, u32 value)
{
	struct cs_effect *e;

	if (out->nr >= CS_MAX_EFFECTS)
		return;
	e = &out->e[out->nr++];
	e->type = type;
	e->off = off;
	e->size = size;
	e->value = value;
}

/*
 * Sizing, PCI r3.0 6.2.5.1: all ones in the address bits of a byte make this byte
 * show the size; anything else shows the true address again. The hardware keeps
 * its address throughout.
 */
static void write_bar(struct cs_space *cs, int bar, int off, u8 value)
{
	u8 mask = cs->bar_mask[bar] >> 8 * (off % 4);
	u8 bit = 1u << off % 4;

	if (mask && (value & mask) == mask)
		cs->sizing[bar] |= bit;
	else
		cs->sizing[bar] &= ~bit;
	/* The ROM's enable bit is scratch: its decoder stays as the host left it. */
	if (bar == CS_ROM && off % 4 == 0 && cs->bar_mask[bar])
		cs->b[off].shadow = (cs->b[off].shadow & ~1u) | (value & 1);
}

/* Returns true when a change was refused. */
static bool write_byte(struct cs_space *cs, int off, u8 value, u8 hw, u8 *through, u8 *touch)
{
	struct cs_byte *b = &cs->b[off];
	u8 raw = b->raw;
	int bar = bar_of(off);

	if (bar >= 0) {
		write_bar(cs, bar, off, value);
		return false;
	}
	if (cs->permissive)
		raw |= b->open & ~b->virt;

	b->shadow = (b->shadow & ~b->write) | (value & b->write);
	*through = (hw & ~raw) | (value & raw);
	*touch = raw;
	return ((value ^ read_byte(cs, off, hw)) & ~(b->write | raw | b->ignore)) != 0;
}

/* Only bytes with a writable bit are driven, at the widest size that they fill. */
static void hw_effects(int off, int size, const u8 *through, const u8 *touch,
		       struct cs_effects *out)
{
	int i;

	if (size == 4 && touch[0] && touch[1] && touch[2] && touch[3]) {
		cs_add_effect(out, CS_EFF_HW_WRITE, off, 4, through[0] | (u32)through[1] << 8 |
			      (u32)through[2] << 16 | (u32)through[3] << 24);
		return;
	}
	for (i = 0; i < size; i++) {
		if (!touch[i])
			continue;
		if ((off + i) % 2 == 0 && i + 1 < size && touch[i + 1]) {
			cs_add_effect(out, CS_EFF_HW_WRITE, off + i, 2,
				      through[i] | (u32)through[i + 1] << 8);
			i++;
		} else {
			cs_add_effect(out, CS_EFF_HW_WRITE, off + i, 1, through[i]);
		}
	}
}

int cs_write(struct cs_space *cs, int off, int size, u32 value, u32 hw, struct cs_effects *out)
{
	const struct cs_before old = cs_before(cs);
	bool denied = false;
	u8 through[4] = { 0 }, touch[4] = { 0 };
	int i, err = cs_check(cs, off, size);

	out->nr = 0;
	if (err)
		return err;

	for (i = 0; i < size; i++)
		denied |= write_byte(cs, off + i, value >> 8 * i, hw >> 8 * i,
				     &through[i], &touch[i]);
	hw_effects(off, size, through, touch, out);
	denied |= cs_register_effects(cs, &old, off, size, value, out);
	if (denied)
		cs_add_effect(out, CS_EFF_DENIED, off, size, 0);
	return 0;
}

int cs_add_quirk(struct cs_space *cs, int off, int size, u32 mask)
{
	int i, err = cs_check(cs, off, size);

	if (err)
		return err;
	if (!mask)
		mask = 0xffffffff;
	for (i = 0; i < size; i++)
		if (mask >> 8 * i & 0xff & ~(cs->b[off + i].open & ~cs->b[off + i].virt))
			return -EPERM;
	for (i = 0; i < size; i++)
		cs->b[off + i].raw |= mask >> 8 * i;
	return 0;
}

static const struct cs_cap *region_at(const struct cs_space *cs, int off)
{
	return cs_region(off >= 0 && off < cs->size ? cs->b[off].rule : CS_REGION_GAP);
}

const char *cs_region_name(const struct cs_space *cs, int off)
{
	return region_at(cs, off)->name;
}

const char *cs_region_reason(const struct cs_space *cs, int off)
{
	const struct cs_cap *cap = region_at(cs, off);
	unsigned int i;
	int base = 0;

	/* Only one capability of a kind is shown, so the region begins where it begins. */
	if (cap->nr_rules && off >= R_STD_END)
		for (base = off; base > R_STD_END && cs->b[base - 1].rule == cs->b[off].rule;)
			base--;
	for (i = 0; i < cap->nr_rules; i++)
		if (off - base >= cap->rules[i].off &&
		    off - base < cap->rules[i].off + cap->rules[i].size)
			return cap->rules[i].reason;
	return cap->reason;
}
