/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Register numbers that the pure code needs, named after the specification. Kept
 * apart from the kernel's so that the same file builds everywhere.
 */
#ifndef PCIASSIGN_CONFSPACE_REGS_H
#define PCIASSIGN_CONFSPACE_REGS_H

/* Header, PCI r3.0 section 6.1 */
#define R_VENDOR		0x00
#define R_DEVICE		0x02
#define R_COMMAND		0x04
#define  R_COMMAND_IO		0x0001
#define  R_COMMAND_MEM		0x0002
#define  R_COMMAND_MASTER	0x0004
#define  R_COMMAND_MWI		0x0010
#define  R_COMMAND_PARITY	0x0040
#define  R_COMMAND_SERR		0x0100
#define  R_COMMAND_INTX_OFF	0x0400
#define R_STATUS		0x06
#define  R_STATUS_CAPS		0x10
#define R_LINE_SIZE		0x0c
#define R_HEADER_TYPE		0x0e
#define R_BIST			0x0f
#define R_BAR0			0x10
#define R_ROM			0x30
#define R_CAP_PTR		0x34
#define R_INT_LINE		0x3c
#define R_INT_PIN		0x3d
#define R_STD_END		0x40

/* Capability ids */
#define R_CAP_PM		0x01
#define R_CAP_VPD		0x03
#define R_CAP_MSI		0x05
#define R_CAP_PCIX		0x07
#define R_CAP_VENDOR		0x09
#define R_CAP_PCIE		0x10
#define R_CAP_MSIX		0x11
#define R_CAP_AF		0x13

/* Power management, PCI PM r1.2 section 3.2 */
#define R_PM_PMC		2
#define  R_PM_PMC_D1		0x0200
#define  R_PM_PMC_D2		0x0400
#define R_PM_CSR		4
#define  R_PM_CSR_STATE		0x0003

/* Vital product data, PCI r3.0 appendix I */
#define R_VPD_ADDR		2
#define  R_VPD_ADDR_MASK	0x7ffcu
#define  R_VPD_FLAG		0x80	/* of the upper byte */
#define R_VPD_DATA		4

/* MSI, PCI r3.0 section 6.8.1 */
#define R_MSI_FLAGS		2
#define  R_MSI_64BIT		0x0080
#define  R_MSI_MASKBIT		0x0100

/* PCI-X addendum 2.0 section 7.2.3 */
#define R_PCIX_COMMAND		2
#define  R_PCIX_VERSION		0x3000	/* not 0: with ECC registers */

/* PCI Express, PCIe r5.0 section 7.5.3 */
#define R_EXP_FLAGS		2
#define  R_EXP_FLAGS_VERSION	0x000f
#define R_EXP_DEVCAP		4
#define  R_EXP_DEVCAP_FLR	0x10000000u
#define R_EXP_DEVCTL		8
#define  R_EXP_DEVCTL_READRQ	0x7000
#define  R_EXP_DEVCTL_FLR	0x8000

/* Extended capabilities, PCIe r5.0 sections 7.6.3, 7.9.5, 7.9.6 */
#define R_EXT_ID(head)		((head) & 0xffff)
#define R_EXT_VER(head)		((head) >> 16 & 0xf)
#define R_EXT_NEXT(head)	((head) >> 20 & ~3u)
#define R_EXT_VENDOR		0x000b
#define R_EXT_DVSEC		0x0023
#define R_EXT_VENDOR_HDR	4	/* of both: length in bits 31:20 */

/* Advanced features, PCI ECN "Advanced Capabilities for Conventional PCI" */
#define R_AF_CAP		3
#define  R_AF_CAP_TP		0x01
#define  R_AF_CAP_FLR		0x02
#define R_AF_CTRL		4
#define  R_AF_CTRL_FLR		0x01

#endif /* PCIASSIGN_CONFSPACE_REGS_H */
