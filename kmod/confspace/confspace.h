/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual configuration space of one function: (state, access, hardware value)
 * -> (value, new state, effects). Owns no hardware, takes no lock (the caller
 * serialises), trusts neither the guest nor, after cs_init(), the device's layout.
 */
#ifndef PCIASSIGN_CONFSPACE_H
#define PCIASSIGN_CONFSPACE_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CS_SIZE_STD	256
#define CS_SIZE_EXT	4096
#define CS_NBARS	7	/* BAR 0-5, then the expansion ROM */
#define CS_ROM		6
#define CS_MAX_EFFECTS	12

/* BAR sizes are not in a snapshot of config space: the caller knows them. */
struct cs_bar {
	u64 start;	/* bus address */
	u64 size;	/* 0: not implemented; else a power of two */
	bool io;
	bool mem64;	/* the next BAR holds the upper half */
	bool prefetch;
};

struct cs_info {
	u16 vendor, device;	/* a VF's own registers read as ones */
	u8 irq_line;		/* what the guest binds as its pirq; 0: no INTx */
	bool is_vf;
	struct cs_bar bar[CS_NBARS];
};

enum cs_effect_type {
	CS_EFF_HW_WRITE,	/* write value, size bytes at off */
	CS_EFF_DECODE_ON,	/* value: PCI_COMMAND bits 0-1 to enable; there is no "off" */
	CS_EFF_BUS_MASTER,	/* value: 0 or 1 */
	CS_EFF_MWI,		/* value: 0 or 1 */
	CS_EFF_INTX,		/* value: 1 disables INTx; asked only under interrupt control */
	CS_EFF_POWER,		/* value: the D-state that the guest sees by now, 0-3 */
	CS_EFF_FLR,		/* reset the function */
	CS_EFF_READRQ,		/* value: maximum read request in bytes; in permissive mode */
	CS_EFF_VPD,		/* read the dword of VPD at value, answer by cs_vpd_done() */
	CS_EFF_DENIED,		/* a write at off was dropped, or part of it */
};

struct cs_effect {
	enum cs_effect_type type;
	u16 off;
	u8 size;
	u32 value;
};

struct cs_effects {
	unsigned int nr;
	struct cs_effect e[CS_MAX_EFFECTS];
};

/*
 * Masks for each byte. A bit that is in neither virt nor raw reads from the hardware
 * and cannot be written: denial is what is left when nothing is said.
 */
struct cs_byte {
	u8 virt;	/* served from shadow */
	u8 write;	/* within virt: the guest may change the shadow */
	u8 raw;		/* outside virt: a quirk made it writable through to the hardware */
	u8 ignore;	/* writes are dropped without counting: done another way */
	u8 open;	/* permissive mode and quirks may turn these bits into raw */
	u8 shadow;
	u8 rule;	/* index of the region that owns the byte, for messages */
};

struct cs_space {
	u16 size;		/* CS_SIZE_STD or CS_SIZE_EXT */
	bool permissive;
	bool interrupt_control;
	u8 pm, vpd, msi, msix, pcie, af;	/* offsets, 0: absent */
	bool flr;			/* function-level reset is offered */
	u8 decode;			/* PCI_COMMAND bits 0-1 for which there is a BAR */
	u8 sizing[CS_NBARS];		/* bit n: byte n shows the size mask */
	u32 bar_mask[CS_NBARS];		/* writable address bits */
	struct cs_byte b[CS_SIZE_EXT];
};

/*
 * snapshot: size bytes read from the device. 0, or -EINVAL for a header or a size
 * that this code does not know.
 */
int cs_init(struct cs_space *cs, const u8 *snapshot, u16 size, const struct cs_info *info);

/* 0, or -EINVAL when the access is not 1, 2 or 4 bytes, aligned and within the space. */
int cs_check(const struct cs_space *cs, int off, int size);

/* True when the answer depends on hardware: read it and pass it as hw. */
bool cs_wants_hw(const struct cs_space *cs, int off, int size, bool write);

/* Both return cs_check()'s answer; off and size are the guest's and not trusted. */
int cs_read(const struct cs_space *cs, int off, int size, u32 hw, u32 *value);
int cs_write(struct cs_space *cs, int off, int size, u32 value, u32 hw, struct cs_effects *out);

/*
 * The answer to CS_EFF_VPD. Without it the guest's read stays pending, as with a
 * device that does not answer.
 */
void cs_vpd_done(struct cs_space *cs, u32 data);

/*
 * An administrator's exception: bits of mask (0: all) become writable through to
 * the hardware. -EPERM where the register is protected in every mode.
 */
int cs_add_quirk(struct cs_space *cs, int off, int size, u32 mask);

/* Name of the region that owns the byte, and the reason for its policy. */
const char *cs_region_name(const struct cs_space *cs, int off);
const char *cs_region_reason(const struct cs_space *cs, int off);

#ifdef __cplusplus
}
#endif

#endif /* PCIASSIGN_CONFSPACE_H */
