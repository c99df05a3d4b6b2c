// SPDX-License-Identifier: GPL-2.0-only
/*
 * One access: masks decide byte by byte, then registers with a meaning turn their
 * change into effects. The guest chooses offset, size and value; none is trusted.
 */
#include "confspace.h"
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

static void add(struct cs_effects *out, enum cs_effect_type type, int off, int size, u32 value)
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

static u32 shadow16(const struct cs_space *cs, int off)
{
	return cs->b[off].shadow | (u32)cs->b[off + 1].shadow << 8;
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
	u8 raw = b->raw, w1c = b->w1c, settled;
	int bar = bar_of(off);

	if (bar >= 0) {
		write_bar(cs, bar, off, value);
		*through = hw;
		return false;
	}
	if (cs->permissive)
		raw |= b->open & ~b->virt & ~w1c;

	b->shadow = (b->shadow & ~b->write) | (value & b->write);
	*through = (hw & ~raw & ~w1c) | (value & (raw | w1c));
	*touch = raw | (w1c & value);

	settled = b->write | raw | w1c | b->ignore;
	return ((value ^ read_byte(cs, off, hw)) & ~settled) != 0;
}

static void command_effects(const struct cs_space *cs, u32 old, struct cs_effects *out)
{
	u32 now = shadow16(cs, R_COMMAND), diff = old ^ now;

	if (diff & now & (R_COMMAND_IO | R_COMMAND_MEM))
		add(out, CS_EFF_DECODE_ON, R_COMMAND, 2, now & (R_COMMAND_IO | R_COMMAND_MEM));
	if (diff & R_COMMAND_MWI)
		add(out, CS_EFF_MWI, R_COMMAND, 2, !!(now & R_COMMAND_MWI));
	if (diff & R_COMMAND_INTX_OFF && cs->interrupt_control)
		add(out, CS_EFF_INTX, R_COMMAND, 2, !!(now & R_COMMAND_INTX_OFF));
	if (diff & R_COMMAND_MASTER)
		add(out, CS_EFF_BUS_MASTER, R_COMMAND, 2, !!(now & R_COMMAND_MASTER));
}

/* PCI PM r1.2 3.2.4: a write of an unsupported state is discarded. */
static void power_effects(struct cs_space *cs, u8 old, struct cs_effects *out)
{
	struct cs_byte *b = &cs->b[cs->pm + R_PM_CSR];
	u32 pmc = cs->b[cs->pm + R_PM_PMC].shadow | (u32)cs->b[cs->pm + R_PM_PMC + 1].shadow << 8;
	u8 state = b->shadow & R_PM_CSR_STATE;

	if ((state == 1 && !(pmc & R_PM_PMC_D1)) || (state == 2 && !(pmc & R_PM_PMC_D2))) {
		b->shadow = old;
		return;
	}
	if (state != (old & R_PM_CSR_STATE))
		add(out, CS_EFF_POWER, cs->pm + R_PM_CSR, 2, state);
}

static void devctl_effects(struct cs_space *cs, u32 old, struct cs_effects *out)
{
	u32 now = shadow16(cs, cs->pcie + R_EXP_DEVCTL);
	u32 rq = (now & R_EXP_DEVCTL_READRQ) >> 12;

	if (((old ^ now) & R_EXP_DEVCTL_READRQ) == 0)
		return;
	if (rq <= 5)	/* 128 << 5 = 4096; higher codes are reserved */
		add(out, CS_EFF_READRQ, cs->pcie + R_EXP_DEVCTL, 2, 128u << rq);
	else
		cs->b[cs->pcie + R_EXP_DEVCTL + 1].shadow =
			(cs->b[cs->pcie + R_EXP_DEVCTL + 1].shadow & ~0x70u) | (old >> 8 & 0x70);
}

/* The byte of value that lands at reg, or 0 when the access does not reach it. */
static u8 byte_at(int off, int size, u32 value, int reg)
{
	return reg >= off && reg < off + size ? value >> 8 * (reg - off) : 0;
}

static void flr_effects(struct cs_space *cs, int off, int size, u32 value, struct cs_effects *out)
{
	bool flr = false;

	if (cs->pcie && cs->flr)
		flr = byte_at(off, size, value, cs->pcie + R_EXP_DEVCTL + 1) & 0x80;
	if (cs->af && (cs->b[cs->af + R_AF_CAP].shadow & R_AF_CAP_FLR))
		flr |= byte_at(off, size, value, cs->af + R_AF_CTRL) & R_AF_CTRL_FLR;
	if (flr)
		add(out, CS_EFF_FLR, off, size, 1);
}

int cs_write(struct cs_space *cs, int off, int size, u32 value, u32 hw, struct cs_effects *out)
{
	u32 command = shadow16(cs, R_COMMAND);
	u32 devctl = cs->pcie ? shadow16(cs, cs->pcie + R_EXP_DEVCTL) : 0;
	u8 pmcsr = cs->pm ? cs->b[cs->pm + R_PM_CSR].shadow : 0;
	bool denied = false;
	u8 through[4], touch[4] = { 0 };
	int i, err = cs_check(cs, off, size);

	out->nr = 0;
	if (err)
		return err;

	for (i = 0; i < size; i++)
		denied |= write_byte(cs, off + i, value >> 8 * i, hw >> 8 * i,
				     &through[i], &touch[i]);

	/* Only bytes with a writable bit are driven, at the widest size that they fill. */
	if (size == 4 && touch[0] && touch[1] && touch[2] && touch[3]) {
		add(out, CS_EFF_HW_WRITE, off, 4, through[0] | (u32)through[1] << 8 |
		    (u32)through[2] << 16 | (u32)through[3] << 24);
	} else {
		for (i = 0; i < size; i++) {
			if (!touch[i])
				continue;
			if ((off + i) % 2 == 0 && i + 1 < size && touch[i + 1]) {
				add(out, CS_EFF_HW_WRITE, off + i, 2,
				    through[i] | (u32)through[i + 1] << 8);
				i++;
			} else {
				add(out, CS_EFF_HW_WRITE, off + i, 1, through[i]);
			}
		}
	}

	command_effects(cs, command, out);
	if (cs->pm)
		power_effects(cs, pmcsr, out);
	if (cs->pcie)
		devctl_effects(cs, devctl, out);
	flr_effects(cs, off, size, value, out);
	if (denied) {
		u32 *n = &cs->denied[off / 4];

		if (*n != 0xffffffff)
			++*n;
		add(out, CS_EFF_DENIED, off, size, *n);
	}
	return 0;
}

void cs_note_power(struct cs_space *cs, unsigned int dstate)
{
	struct cs_byte *b;

	if (!cs->pm)
		return;
	b = &cs->b[cs->pm + R_PM_CSR];
	b->shadow = (b->shadow & ~R_PM_CSR_STATE) | (dstate & R_PM_CSR_STATE);
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

const char *cs_region_name(const struct cs_space *cs, int off)
{
	return cs_region(off >= 0 && off < cs->size ? cs->b[off].rule : 0)->name;
}

const char *cs_region_reason(const struct cs_space *cs, int off)
{
	return cs_region(off >= 0 && off < cs->size ? cs->b[off].rule : 0)->reason;
}
