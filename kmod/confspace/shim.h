/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the pure parts (confspace, spec parser, op checks) need from their
 * surroundings, in the kernel and in userspace. Nothing else may be included there.
 */
#ifndef PCIASSIGN_SHIM_H
#define PCIASSIGN_SHIM_H

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif
#endif

#endif /* PCIASSIGN_SHIM_H */
