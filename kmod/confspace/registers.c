// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers with a meaning: the change that a write made in the shadow becomes
 * effects. Nothing here reaches the hardware; the guest chose every value.
 */
#include "access.h"
#include "regs.h"

static u32 shadow16(const struct cs_space *cs, int off)
{
	return cs->b[off].shadow | (u32)cs->b[off + 1].shadow << 8;
}

static u8 dstate(const struct cs_space *cs)
{
	return cs->pm ? cs->b[cs->pm + R_PM_CSR].shadow & R_PM_CSR_STATE : 0;
}

struct cs_before cs_before(const struct cs_space *cs)
{
	struct cs_before old = {
		.command = shadow16(cs, R_COMMAND),
		.devctl = cs->pcie ? shadow16(cs, cs->pcie + R_EXP_DEVCTL) : 0,
		.dstate = dstate(cs),
	};
	return old;
}

static bool reaches(int off, int size, int reg)
{
	return reg >= off && reg < off + size;
}

/* The byte of value that lands at reg, or 0 when the access does not reach it. */
static u8 byte_at(int off, int size, u32 value, int reg)
{
	return reaches(off, size, reg) ? value >> 8 * (reg - off) : 0;
}

static void command_effects(const struct cs_space *cs, u32 old, struct cs_effects *out)
{
	u32 now = shadow16(cs, R_COMMAND), diff = old ^ now;

	/* A BAR that the host has not placed would decode wherever it points. */
	if (diff & now & cs->decode)
		cs_add_effect(out, CS_EFF_DECODE_ON, R_COMMAND, 2, now & cs->decode);
	if (diff & R_COMMAND_MWI)
		cs_add_effect(out, CS_EFF_MWI, R_COMMAND, 2, !!(now & R_COMMAND_MWI));
	if (diff & R_COMMAND_INTX_OFF && cs->interrupt_control)
		cs_add_effect(out, CS_EFF_INTX, R_COMMAND, 2, !!(now & R_COMMAND_INTX_OFF));
	if (diff & R_COMMAND_MASTER)
		cs_add_effect(out, CS_EFF_BUS_MASTER, R_COMMAND, 2, !!(now & R_COMMAND_MASTER));
}

/*
 * PCI PM r1.2 3.2.4: a write of an unsupported state is discarded; a deeper state is
 * left for D0 only, 5.4.
 */
static void power_effects(struct cs_space *cs, u8 old, struct cs_effects *out)
{
	struct cs_byte *csr = &cs->b[cs->pm + R_PM_CSR];
	u32 pmc = shadow16(cs, cs->pm + R_PM_PMC);
	u8 now = dstate(cs);

	if ((now == 1 && (!(pmc & R_PM_PMC_D1) || old > 1)) ||
	    (now == 2 && (!(pmc & R_PM_PMC_D2) || old > 2)))
		csr->shadow = (csr->shadow & ~R_PM_CSR_STATE) | old;
	else if (now != old)
		cs_add_effect(out, CS_EFF_POWER, cs->pm + R_PM_CSR, 2, now);
}

static void devctl_effects(struct cs_space *cs, u32 old, struct cs_effects *out)
{
	int off = cs->pcie + R_EXP_DEVCTL;
	u32 now = shadow16(cs, off), rq = (now & R_EXP_DEVCTL_READRQ) >> 12;

	if (((old ^ now) & R_EXP_DEVCTL_READRQ) == 0)
		return;
	if (rq > 5)	/* 128 << 5 = 4096; higher codes are reserved */
		cs->b[off + 1].shadow = (cs->b[off + 1].shadow & ~0x70u) | (old >> 8 & 0x70);
	else if (cs->permissive)
		cs_add_effect(out, CS_EFF_READRQ, off, 2, 128u << rq);
}

/*
 * PCI r3.0 appendix I: whoever writes the flag starts a transfer. One to the device
 * stays unfinished for ever, which is what a driver takes for a failure.
 */
static bool vpd_refuses(struct cs_space *cs, int off, int size, u32 value, struct cs_effects *out)
{
	int flag = cs->vpd + R_VPD_ADDR + 1;

	if (!reaches(off, size, flag))
		return false;
	if (byte_at(off, size, value, flag) & R_VPD_FLAG) {
		cs->b[flag].shadow |= R_VPD_FLAG;
		return true;
	}
	cs->b[flag].shadow &= ~R_VPD_FLAG;
	cs_add_effect(out, CS_EFF_VPD, cs->vpd + R_VPD_DATA, 4,
		      shadow16(cs, flag - 1) & R_VPD_ADDR_MASK);
	return false;
}

bool cs_register_effects(struct cs_space *cs, const struct cs_before *old, int off, int size,
			 u32 value, struct cs_effects *out)
{
	bool flr = false, refused = false;

	command_effects(cs, old->command, out);
	if (cs->pm)
		power_effects(cs, old->dstate, out);
	if (cs->pcie) {
		devctl_effects(cs, old->devctl, out);
		if (cs->flr)
			flr |= byte_at(off, size, value, cs->pcie + R_EXP_DEVCTL + 1) & 0x80;
	}
	if (cs->af && (cs->b[cs->af + R_AF_CAP].shadow & R_AF_CAP_FLR))
		flr |= byte_at(off, size, value, cs->af + R_AF_CTRL) & R_AF_CTRL_FLR;
	if (cs->vpd)
		refused = vpd_refuses(cs, off, size, value, out);
	if (flr)
		cs_add_effect(out, CS_EFF_FLR, off, size, 1);
	return refused;
}

void cs_vpd_done(struct cs_space *cs, u32 data)
{
	int i;

	if (!cs->vpd)
		return;
	for (i = 0; i < 4; i++)
		cs->b[cs->vpd + R_VPD_DATA + i].shadow = data >> 8 * i;
	cs->b[cs->vpd + R_VPD_ADDR + 1].shadow |= R_VPD_FLAG;
}
