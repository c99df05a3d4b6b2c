// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy: what a guest may see and change, register by register. Const data, no
 * code that decides. What no row allows is denied.
 */
#include "regs.h"
#include "tables.h"

/* Every row: offset, size, virt, write, raw, w1c, ignore, section, reason. */

#define COMMAND_GUEST (R_COMMAND_IO | R_COMMAND_MEM | R_COMMAND_MASTER | R_COMMAND_MWI | \
		       R_COMMAND_PARITY | R_COMMAND_SERR | R_COMMAND_INTX_OFF)

const struct cs_rule cs_header_rules[] = {
	{ 0x00, 4, 0xffffffff, 0, 0, 0, 0, "PCI 6.2.1",
	  "identity as seized: a device cannot change what the guest bound to" },
	{ 0x04, 2, 0xffff, COMMAND_GUEST, 0, 0, 0, "PCI 6.2.2",
	  "shadow; decode is only ever enabled, mastering goes through the core, parity and SERR stay the host's" },
	{ 0x06, 2, 0, 0, 0, 0xf900, 0, "PCI 6.2.3",
	  "error bits may be cleared, they govern nothing" },
	{ 0x08, 4, 0xffffffff, 0, 0, 0, 0, "PCI 6.2.1",
	  "revision and class as seized" },
	{ 0x0c, 1, 0xff, 0xff, 0, 0, 0, "PCI 6.2.4",
	  "line size belongs to the host's bus: shadow" },
	{ 0x0d, 1, 0xff, 0xff, 0, 0, 0, "PCI 6.2.4",
	  "latency belongs to the host's bus: shadow" },
	{ 0x0e, 1, 0xff, 0, 0, 0, 0, "PCI 6.2.1", "header type as seized" },
	{ 0x0f, 1, 0xff, 0, 0, 0, 0, "PCI 6.2.4",
	  "a self-test may hang the bus: none is offered" },
	/* 0x10-0x27 and 0x30 are BARs: emulated by cs_init() and cs_write(). */
	{ 0x28, 4, 0xffffffff, 0, 0, 0, 0, "PCI 6.2.5", "CIS pointer as seized" },
	{ 0x2c, 4, 0xffffffff, 0, 0, 0, 0, "PCI 6.2.4", "subsystem identity as seized" },
	{ 0x34, 4, 0xffffffff, 0, 0, 0, 0, "PCI 6.7", "points at visible capabilities only" },
	{ 0x38, 4, 0xffffffff, 0, 0, 0, 0, "PCI 6.1", "reserved" },
	{ 0x3c, 1, 0xff, 0, 0, 0, 0xff, "PCI 6.2.4",
	  "holds the pirq that the guest binds, so it cannot be scratch" },
	{ 0x3d, 1, 0xff, 0, 0, 0, 0, "PCI 6.2.4", "pin as seized; none without an interrupt" },
	{ 0x3e, 2, 0xffff, 0, 0, 0, 0, "PCI 6.2.4", "grant and latency hints as seized" },
};
const unsigned int cs_nr_header_rules = ARRAY_SIZE(cs_header_rules);

static const struct cs_rule pm_rules[] = {
	{ 0x02, 2, 0xf800, 0, 0, 0, 0, "PM 3.2.3",
	  "no PME support is shown: its pin is the host's" },
	{ 0x04, 2, 0x8103, 0x0003, 0, 0, 0x8100, "PM 3.2.4",
	  "D-state through the PCI core; PME enable and status read as zero" },
};

static const struct cs_rule msi_rules[] = {
	{ 0x02, 2, 0, 0, 0, 0, 0xffff, "PCI 6.8.1.3",
	  "enabled by an op alone, which lets Xen route the message" },
	/* Address, data, mask and pending: cs_init(), their place depends on flags. */
};

static const struct cs_rule msix_rules[] = {
	{ 0x02, 2, 0, 0, 0, 0, 0xffff, "PCI 6.8.2.3",
	  "enable and function mask by an op alone" },
	{ 0x04, 4, 0xffffffff, 0, 0, 0, 0, "PCI 6.8.2.4", "table place as seized" },
	{ 0x08, 4, 0xffffffff, 0, 0, 0, 0, "PCI 6.8.2.5", "pending bits' place as seized" },
};

static const struct cs_rule pcie_rules[] = {
	{ 0x02, 2, 0xffff, 0, 0, 0, 0, "PCIe 7.5.3.2", "port type as seized" },
	{ 0x04, 4, 0xffffffff, 0, 0, 0, 0, "PCIe 7.5.3.3", "capabilities as seized" },
	/*
	 * Error reporting, relaxed order, extended tag, aux power, no snoop: shadow.
	 * Read request size by effect. Payload size and phantom functions: the host's.
	 */
	{ 0x08, 2, 0xfd1f, 0x7d1f, 0, 0, 0x82e0, "PCIe 7.5.3.4",
	  "shadow; read request size and FLR by effect; payload and phantom functions stay" },
	{ 0x0a, 2, 0, 0, 0, 0, 0xffff, "PCIe 7.5.3.5",
	  "error bits are the host's to clear; drivers clear them as a matter of course" },
	{ 0x10, 2, 0, 0, 0, 0, 0, "PCIe 7.5.3.7", "the link is shared with the host" },
	{ 0x18, 2, 0, 0, 0, 0, 0, "PCIe 7.5.3.10", "slots are the host's" },
	{ 0x28, 2, 0, 0, 0, 0, 0, "PCIe 7.5.3.16",
	  "time-outs, ARI, atomics, LTR and OBFF reach beyond the function" },
	{ 0x30, 2, 0, 0, 0, 0, 0, "PCIe 7.5.3.19", "link speed is the host's" },
};

static const struct cs_rule af_rules[] = {
	{ 0x03, 1, 0xff, 0, 0, 0, 0, "AF ECN", "capabilities as seized" },
	{ 0x04, 1, 0xff, 0, 0, 0, 0x01, "AF ECN", "a reset request becomes the host's reset" },
};

#define RULES(t) (t), ARRAY_SIZE(t)

/* The last row of each table is for what is not listed. */
static const struct cs_cap std_caps[] = {
	{ 0x00, CS_HIDDEN, 4, NULL, 0, "null", "a header without registers" },
	{ R_CAP_PM, CS_READ_ONLY, 8, RULES(pm_rules), "power management", "rows" },
	{ 0x02, CS_HIDDEN, 0, NULL, 0, "AGP", "programs a host bridge's aperture" },
	{ 0x03, CS_HIDDEN, 8, NULL, 0, "vital product data", "reads need writes; not emulated yet" },
	{ 0x04, CS_HIDDEN, 4, NULL, 0, "slot id", "names the host's chassis" },
	{ R_CAP_MSI, CS_READ_ONLY, 0, RULES(msi_rules), "MSI", "rows" },
	{ 0x06, CS_HIDDEN, 4, NULL, 0, "CompactPCI hot swap", "powers the host's slot" },
	{ 0x07, CS_READ_ONLY, 8, NULL, 0, "PCI-X", "drivers read its status" },
	{ 0x08, CS_HIDDEN, 0, NULL, 0, "HyperTransport", "routes the host's interrupts" },
	{ R_CAP_VENDOR, CS_OPEN, 0, NULL, 0, "vendor",
	  "readable; its registers may do anything, virtio's reaches every BAR" },
	{ 0x0a, CS_READ_ONLY, 4, NULL, 0, "debug port", "a pointer, nothing to write" },
	{ 0x0b, CS_HIDDEN, 0, NULL, 0, "CompactPCI control", "resources of the chassis" },
	{ 0x0c, CS_HIDDEN, 0, NULL, 0, "hot-plug", "powers the host's slot" },
	{ 0x0d, CS_READ_ONLY, 8, NULL, 0, "subsystem id", "identity" },
	{ 0x0e, CS_HIDDEN, 0, NULL, 0, "AGP 8x", "programs a host bridge's aperture" },
	{ 0x0f, CS_HIDDEN, 0, NULL, 0, "secure device", "an IOMMU's registers" },
	{ R_CAP_PCIE, CS_READ_ONLY, 0, RULES(pcie_rules), "PCI Express", "rows" },
	{ R_CAP_MSIX, CS_READ_ONLY, 12, RULES(msix_rules), "MSI-X", "rows" },
	{ 0x12, CS_READ_ONLY, 8, NULL, 0, "SATA", "index and data windows are for I/O space" },
	{ R_CAP_AF, CS_READ_ONLY, 6, RULES(af_rules), "advanced features", "rows" },
	{ 0x14, CS_HIDDEN, 0, NULL, 0, "enhanced allocation", "replaces BARs behind the tables" },
	{ 0, CS_HIDDEN, 0, NULL, 0, "unknown", "what is not understood is not shown" },
};

static const struct cs_cap ext_caps[] = {
	{ 0x0001, CS_READ_ONLY, 0, NULL, 0, "advanced error reporting", "errors are the host's to handle" },
	{ 0x0003, CS_READ_ONLY, 0, NULL, 0, "serial number", "identity" },
	{ 0x0004, CS_READ_ONLY, 0, NULL, 0, "power budgeting", "facts" },
	{ 0x000b, CS_OPEN, 0, NULL, 0, "vendor", "readable; its registers may do anything" },
	{ 0, CS_HIDDEN, 0, NULL, 0, "unknown", "what is not understood is not shown" },
};

static const struct cs_cap gap = {
	0, CS_OPEN, 0, NULL, 0, "device-specific", "no capability names it (XSA-124)"
};

static const struct cs_cap header = {
	0, CS_READ_ONLY, 0, NULL, 0, "header", "rows"
};

static const struct cs_cap *find(const struct cs_cap *t, unsigned int nr, u16 id)
{
	unsigned int i;

	for (i = 0; i < nr - 1; i++)
		if (t[i].id == id)
			break;
	return &t[i];
}

const struct cs_cap *cs_find_cap(u8 id)
{
	return find(std_caps, ARRAY_SIZE(std_caps), id);
}

const struct cs_cap *cs_find_ext_cap(u16 id)
{
	return find(ext_caps, ARRAY_SIZE(ext_caps), id);
}

u8 cs_region_of(const struct cs_cap *cap)
{
	if (cap >= std_caps && cap < std_caps + ARRAY_SIZE(std_caps))
		return CS_REGION_CAPS + (cap - std_caps);
	if (cap >= ext_caps && cap < ext_caps + ARRAY_SIZE(ext_caps))
		return CS_REGION_CAPS + ARRAY_SIZE(std_caps) + (cap - ext_caps);
	return CS_REGION_GAP;
}

const struct cs_cap *cs_region(u8 index)
{
	if (index == CS_REGION_HEADER)
		return &header;
	if (index < CS_REGION_CAPS)
		return &gap;
	index -= CS_REGION_CAPS;
	if (index < ARRAY_SIZE(std_caps))
		return &std_caps[index];
	index -= ARRAY_SIZE(std_caps);
	return index < ARRAY_SIZE(ext_caps) ? &ext_caps[index] : &gap;
}
