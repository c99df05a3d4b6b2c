// SPDX-License-Identifier: GPL-2.0-only
/*
 * Validation of one copied op. Pure; see opcheck.h.
 */
#include "opcheck.h"

int op_check(const struct wire_op *op)
{
	switch (op->cmd) {
	case WIRE_CONF_READ:
	case WIRE_CONF_WRITE:
		if (op->size != 1 && op->size != 2 && op->size != 4)
			return WIRE_ERR_OFFSET;
		if (op->offset < 0 || op->offset > 4096 - op->size || op->offset % op->size)
			return WIRE_ERR_OFFSET;
		break;
	case WIRE_ENABLE_MSI:
	case WIRE_DISABLE_MSI:
	case WIRE_DISABLE_MSIX:
		break;
	case WIRE_ENABLE_MSIX:
		if (op->value == 0 || op->value > WIRE_MAX_VECTORS)
			return -EINVAL;
		break;
	default:
		return WIRE_ERR_NOT_IMPLEMENTED;
	}
	if (op->domain > 0xffff || op->bus > 0xff || op->devfn > 0xff)
		return WIRE_ERR_NO_DEVICE;
	return WIRE_OK;
}

int op_check_msix(const struct wire_op *op, unsigned int table_size)
{
	u8 seen[2048 / 8] = { 0 };
	u32 i;

	if (op->value == 0 || op->value > WIRE_MAX_VECTORS || op->value > table_size)
		return -EINVAL;
	for (i = 0; i < op->value; i++) {
		unsigned int entry = op->msix[i].entry;

		if (entry >= table_size || entry >= 2048 || seen[entry / 8] & 1u << entry % 8)
			return -EINVAL;
		seen[entry / 8] |= 1u << entry % 8;
	}
	return 0;
}
