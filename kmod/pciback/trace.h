/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events: each op of a guest, attach, detach, reset, denied write. See
 * /sys/kernel/tracing/events/pciback. Numbers only: they owe nobody a string.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pciback

#if !defined(PCIASSIGN_PCIBACK_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define PCIASSIGN_PCIBACK_TRACE_H

#include <linux/pci.h>
#include <linux/tracepoint.h>

#include "../wire/pciif.h"

#define PB_BDF_FIELDS				\
	__field(u16, domain)			\
	__field(u8, bus)			\
	__field(u8, devfn)

#define PB_BDF_ASSIGN(pdev) do {		\
	__entry->domain = pci_domain_nr((pdev)->bus); \
	__entry->bus = (pdev)->bus->number;	\
	__entry->devfn = (pdev)->devfn;		\
} while (0)

#define PB_BDF_FMT "%04x:%02x:%02x.%x"
#define PB_BDF_ARGS				\
	__entry->domain, __entry->bus, PCI_SLOT(__entry->devfn), PCI_FUNC(__entry->devfn)

/* After an op was carried out; the address is the guest's, in its topology. */
TRACE_EVENT(pciback_op,
	TP_PROTO(unsigned int domid, const struct wire_op *op),
	TP_ARGS(domid, op),
	TP_STRUCT__entry(
		__field(u16, domid)
		__field(u32, cmd)
		__field(s32, err)
		__field(u32, domain)
		__field(u32, bus)
		__field(u32, devfn)
		__field(s32, offset)
		__field(s32, size)
		__field(u32, value)
	),
	TP_fast_assign(
		__entry->domid = domid;
		__entry->cmd = op->cmd;
		__entry->err = op->err;
		__entry->domain = op->domain;
		__entry->bus = op->bus;
		__entry->devfn = op->devfn;
		__entry->offset = op->offset;
		__entry->size = op->size;
		__entry->value = op->value;
	),
	TP_printk("domid=%u cmd=%u at=%x:%x:%x offset=%#x size=%d value=%#x err=%d",
		  __entry->domid, __entry->cmd, __entry->domain, __entry->bus,
		  __entry->devfn, __entry->offset, __entry->size, __entry->value,
		  __entry->err)
);

DECLARE_EVENT_CLASS(pciback_owner,
	TP_PROTO(struct pci_dev *pdev, unsigned int domid),
	TP_ARGS(pdev, domid),
	TP_STRUCT__entry(
		PB_BDF_FIELDS
		__field(u16, domid)
	),
	TP_fast_assign(
		PB_BDF_ASSIGN(pdev);
		__entry->domid = domid;
	),
	TP_printk(PB_BDF_FMT " domid=%u", PB_BDF_ARGS, __entry->domid)
);

DEFINE_EVENT(pciback_owner, pciback_attach,
	TP_PROTO(struct pci_dev *pdev, unsigned int domid),
	TP_ARGS(pdev, domid));

DEFINE_EVENT(pciback_owner, pciback_detach,
	TP_PROTO(struct pci_dev *pdev, unsigned int domid),
	TP_ARGS(pdev, domid));

TRACE_EVENT(pciback_reset,
	TP_PROTO(struct pci_dev *pdev, int err),
	TP_ARGS(pdev, err),
	TP_STRUCT__entry(
		PB_BDF_FIELDS
		__field(int, err)
	),
	TP_fast_assign(
		PB_BDF_ASSIGN(pdev);
		__entry->err = err;
	),
	TP_printk(PB_BDF_FMT " err=%d", PB_BDF_ARGS, __entry->err)
);

TRACE_EVENT(pciback_denied,
	TP_PROTO(struct pci_dev *pdev, unsigned int reg, unsigned int size),
	TP_ARGS(pdev, reg, size),
	TP_STRUCT__entry(
		PB_BDF_FIELDS
		__field(u16, reg)
		__field(u8, size)
	),
	TP_fast_assign(
		PB_BDF_ASSIGN(pdev);
		__entry->reg = reg;
		__entry->size = size;
	),
	TP_printk(PB_BDF_FMT " reg=%#x size=%u", PB_BDF_ARGS, __entry->reg, __entry->size)
);

#endif /* PCIASSIGN_PCIBACK_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
