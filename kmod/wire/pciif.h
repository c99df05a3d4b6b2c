/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shared page between a PCI front end and its back end, protocol "7"
 * (xen/include/public/io/pciif.h). Owns the layout and the numbers, no state.
 * Both ends distrust each other: copy an op out once, validate the copy.
 */
#ifndef PCIASSIGN_WIRE_PCIIF_H
#define PCIASSIGN_WIRE_PCIIF_H

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>
typedef u8 wire_u8;
typedef u16 wire_u16;
typedef u32 wire_u32;
typedef s32 wire_s32;
#else
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
typedef uint8_t wire_u8;
typedef uint16_t wire_u16;
typedef uint32_t wire_u32;
typedef int32_t wire_s32;
#endif

/* Value of the front end's node "magic". */
#define WIRE_MAGIC		"7"

/*
 * Front end's node, "1": it takes WIRE_AER_MMIO for a driver without that handler too. Linux's own
 * front end calls the handler without looking, so it is not asked.
 */
#define WIRE_FEATURE_AER_MMIO	"feature-aer-mmio"

/* Bits of wire_page.flags. */
#define WIRE_FLAG_OP		0	/* front end: an op waits; cleared by the back end */
#define WIRE_FLAG_AER_HANDLER	1	/* front end: I answer AER requests */
#define WIRE_FLAG_AER		2	/* back end: an AER request waits */

/* 10 is taken by Xen's header (enable_multi_msi); no known driver uses it. */
enum wire_cmd {
	WIRE_CONF_READ		= 0,
	WIRE_CONF_WRITE		= 1,
	WIRE_ENABLE_MSI		= 2,
	WIRE_DISABLE_MSI	= 3,
	WIRE_ENABLE_MSIX	= 4,
	WIRE_DISABLE_MSIX	= 5,
	WIRE_AER_DETECTED	= 6,
	WIRE_AER_RESUME		= 7,
	WIRE_AER_MMIO		= 8,
	WIRE_AER_SLOTRESET	= 9,
};

enum wire_err {
	WIRE_OK			= 0,
	WIRE_ERR_NO_DEVICE	= -1,
	WIRE_ERR_OFFSET		= -2,
	WIRE_ERR_ACCESS		= -3,
	WIRE_ERR_NOT_IMPLEMENTED = -4,
	WIRE_ERR_FAILED		= -5,
};

#define WIRE_MAX_VECTORS	128

struct wire_msix_entry {
	wire_u16 vector;	/* out: the pirq */
	wire_u16 entry;		/* in: index in the device's table */
};

struct wire_op {
	wire_u32 cmd;
	wire_s32 err;		/* out */
	wire_u32 domain;	/* virtual address of the function */
	wire_u32 bus;
	wire_u32 devfn;
	wire_s32 offset;	/* signed on the wire, and the guest's choice */
	wire_s32 size;
	wire_u32 value;		/* in and out */
	wire_u32 info;
	struct wire_msix_entry msix[WIRE_MAX_VECTORS];
};

struct wire_aer_op {
	wire_u32 cmd;
	wire_s32 err;
	wire_u32 domain;
	wire_u32 bus;
	wire_u32 devfn;
};

struct wire_page {
	wire_u32 flags;
	struct wire_op op;
	struct wire_aer_op aer;
};

#ifdef __cplusplus
#define WIRE_ASSERT(cond) static_assert(cond, #cond)
#else
#define WIRE_ASSERT(cond) _Static_assert(cond, #cond)
#endif

WIRE_ASSERT(sizeof(struct wire_op) == 548);
WIRE_ASSERT(offsetof(struct wire_op, info) == 32);
WIRE_ASSERT(offsetof(struct wire_op, msix) == 36);
WIRE_ASSERT(offsetof(struct wire_page, op) == 4);
WIRE_ASSERT(offsetof(struct wire_page, op.info) == 36);
WIRE_ASSERT(offsetof(struct wire_page, op.msix) == 40);
WIRE_ASSERT(offsetof(struct wire_page, aer) == 552);
WIRE_ASSERT(sizeof(struct wire_page) == 572);

#endif /* PCIASSIGN_WIRE_PCIIF_H */
