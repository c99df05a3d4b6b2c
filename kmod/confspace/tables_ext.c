// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy for the extended capabilities (PCIe r6.0 section 7.9.2 and the PCI-SIG's
 * list of ids). Const data. Shown is only what a driver in a guest reads; nothing here can
 * be written by a guest, except a vendor's own registers in permissive mode.
 */
#include "tables.h"

/* Every row: id, visibility, length, highest version of that length, name, reason. */
#define ROW(i, v, l, n, what, why) \
	{ .id = (i), .vis = (v), .len = (l), .ver = (n), .name = (what), .reason = (why) }
#define HIDE(i, l, n, what, why)	ROW(i, CS_HIDDEN, l, n, what, why)
#define SHOW(i, l, n, what, why)	ROW(i, CS_READ_ONLY, l, n, what, why)

const struct cs_cap cs_ext_caps[] = {
	HIDE(0x0000, 0, 0, "null", "a header without registers"),
	SHOW(0x0001, 0x48, 2, "advanced error reporting",
	     "drivers read it; errors, masks and severities are the host's to handle"),
	HIDE(0x0002, 0, 0, "virtual channel", "arbitrates the host's links"),
	SHOW(0x0003, 12, 1, "serial number", "identity"),
	SHOW(0x0004, 16, 1, "power budgeting", "facts; its index is not writable"),
	HIDE(0x0005, 0, 0, "root complex link declaration", "the host's topology"),
	HIDE(0x0006, 12, 1, "root complex internal link", "controls the host's link"),
	HIDE(0x0007, 12, 2, "event collector association", "the host's topology"),
	HIDE(0x0008, 0, 0, "multi-function virtual channel", "arbitrates other functions' traffic"),
	HIDE(0x0009, 0, 0, "virtual channel with MFVC", "arbitrates the host's links"),
	HIDE(0x000a, 20, 1, "root complex register block", "the host's registers"),
	ROW(0x000b, CS_OPEN, 0, 0, "vendor", "readable; its registers may do anything"),
	HIDE(0x000c, 0, 0, "configuration access correlation", "trusts whoever writes it"),
	HIDE(0x000d, 0, 0, "access control services",
	     "isolates the functions from each other: switched off, DMA bypasses the IOMMU"),
	HIDE(0x000e, 8, 1, "alternative routing id", "names the host's other functions"),
	HIDE(0x000f, 8, 1, "address translation services",
	     "enabled, the device says itself that its addresses are translated"),
	HIDE(0x0010, 64, 1, "SR-IOV", "makes functions that nobody has seized"),
	HIDE(0x0011, 0, 0, "multi-root IOV", "makes functions that nobody has seized"),
	HIDE(0x0012, 48, 1, "multicast", "sends writes to other devices"),
	HIDE(0x0013, 16, 1, "page requests", "floods the host's IOMMU with requests"),
	HIDE(0x0014, 0, 0, "reserved for AMD", "not documented"),
	HIDE(0x0015, 0, 0, "resizable BAR", "moves decode over other devices"),
	HIDE(0x0016, 0, 0, "dynamic power allocation", "the host's power budget"),
	HIDE(0x0017, 0, 0, "TPH requester", "steers writes into the host's caches"),
	HIDE(0x0018, 8, 1, "latency tolerance", "keeps the whole host from power saving"),
	HIDE(0x0019, 0, 0, "secondary PCI Express", "equalises the host's link"),
	HIDE(0x001a, 0, 0, "protocol multiplexing", "another protocol on the host's link"),
	HIDE(0x001b, 8, 1, "PASID", "address spaces are the host's IOMMU's"),
	HIDE(0x001c, 8, 1, "lightweight notification", "a message into the host's caches"),
	HIDE(0x001d, 0, 0, "downstream port containment", "takes the host's link down"),
	HIDE(0x001e, 20, 2, "L1 substates", "both ends of the link have to agree"),
	HIDE(0x001f, 12, 1, "precision time", "a clock of the host"),
	HIDE(0x0020, 0, 0, "PCI Express over M-PHY", "controls the host's link"),
	HIDE(0x0021, 16, 1, "function readiness queue", "the host's messages"),
	HIDE(0x0022, 12, 1, "readiness time", "tells to skip waits that the host's reset makes"),
	SHOW(0x0023, 0, 0, "designated vendor",
	     "drivers read it; CXL's decoders, locks and resets are among them, so no mode writes"),
	HIDE(0x0024, 0, 0, "VF resizable BAR", "moves decode over other devices"),
	HIDE(0x0025, 12, 1, "data link feature", "controls the host's link"),
	HIDE(0x0026, 0, 0, "16 GT/s", "equalises the host's link"),
	HIDE(0x0027, 0, 0, "lane margining", "disturbs the host's link"),
	HIDE(0x0028, 0, 0, "hierarchy id", "names the host"),
	HIDE(0x0029, 16, 1, "enclosure management", "resets and lights the host's slots"),
	HIDE(0x002a, 0, 0, "32 GT/s", "equalises the host's link"),
	HIDE(0x002b, 0, 0, "alternate protocol", "another protocol on the host's link"),
	HIDE(0x002c, 0, 0, "system firmware intermediary", "hot-plug of the host"),
	HIDE(0x002d, 0, 0, "shadow functions", "makes functions that nobody has seized"),
	HIDE(0x002e, 0, 0, "data object exchange", "a mailbox to the device's firmware and keys"),
	HIDE(0x002f, 0, 0, "device 3", "reaches beyond the function"),
	HIDE(0x0030, 0, 0, "integrity and data encryption", "the keys of the host's link"),
	HIDE(0x0031, 0, 0, "64 GT/s", "equalises the host's link"),
	HIDE(0x0032, 0, 0, "flit logging", "the host's link"),
	HIDE(0x0033, 0, 0, "flit performance", "the host's link"),
	HIDE(0x0034, 0, 0, "flit error injection", "breaks the host's link"),
	HIDE(0x0035, 0, 0, "streamlined virtual channel", "arbitrates the host's links"),
	HIDE(0x0036, 0, 0, "register block locator", "leads to registers that have no row"),
	HIDE(0x0000, 0, 0, "unknown", "what is not understood is not shown"),
};
const unsigned int cs_nr_ext_caps = ARRAY_SIZE(cs_ext_caps);
