/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Validation of an op after it was copied out of the shared page, and of where its
 * answer goes. Pure; the op is the guest's, every field may be anything.
 */
#ifndef PCIASSIGN_PCIBACK_OPCHECK_H
#define PCIASSIGN_PCIBACK_OPCHECK_H

#include "../confspace/shim.h"
#include "../wire/pciif.h"

#ifdef __cplusplus
extern "C" {
#endif

/* WIRE_OK, or the error to answer with; nothing else may be done with the op then. */
int op_check(const struct wire_op *op);

/* MSI-X entries: distinct and inside the table. 0 or -EINVAL. */
int op_check_msix(const struct wire_op *op, unsigned int table_size);

#ifdef __cplusplus
}
#endif

#endif /* PCIASSIGN_PCIBACK_OPCHECK_H */
