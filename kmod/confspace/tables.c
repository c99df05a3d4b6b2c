// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy for the header and the standard capabilities: what a guest may see and
 * change, register by register. Const data, no code that decides. What no row allows is denied.
 */
#include "regs.h"
#include "tables.h"

/* Every row: offset, size, virt, write, ignore, section, reason. */

#define COMMAND_GUEST (R_COMMAND_IO | R_COMMAND_MEM | R_COMMAND_MASTER | R_COMMAND_MWI | \
		       R_COMMAND_PARITY | R_COMMAND_SERR | R_COMMAND_INTX_OFF)

const struct cs_rule cs_header_rules[] = {
	{ 0x00, 4, 0xffffffff, 0, 0, "PCI 6.2.1",
	  "identity as seized: a device cannot change what the guest bound to" },
	{ 0x04, 2, 0xffff, COMMAND_GUEST, 0, "PCI 6.2.2",
	  "shadow; decode is only ever enabled, mastering and MWI go through the core, INTx under interrupt control, parity and SERR stay the host's" },
	{ 0x06, 2, 0, 0, 0xffff, "PCI 6.2.3",
	  "error bits are the host's to clear, it may count them" },
	{ 0x08, 4, 0xffffffff, 0, 0, "PCI 6.2.1",
	  "revision and class as seized" },
	{ 0x0c, 1, 0xff, 0xff, 0, "PCI 6.2.4",
	  "line size belongs to the host's bus: shadow" },
	{ 0x0d, 1, 0xff, 0xff, 0, "PCI 6.2.4",
	  "latency belongs to the host's bus: shadow" },
	{ 0x0e, 1, 0xff, 0, 0, "PCI 6.2.1", "header type as seized" },
	{ 0x0f, 1, 0xff, 0, 0, "PCI 6.2.4",
	  "a self-test may hang the bus: none is offered" },
	/* Where a BAR is implemented, init_bars() adds the sizing. */
	{ 0x10, 4, 0xffffffff, 0, 0xffffffff, "PCI 6.2.5.1",
	  "address as the host gave it; all ones show the size, nothing reaches the hardware" },
	{ 0x14, 4, 0xffffffff, 0, 0xffffffff, "PCI 6.2.5.1", "as BAR 0" },
	{ 0x18, 4, 0xffffffff, 0, 0xffffffff, "PCI 6.2.5.1", "as BAR 0" },
	{ 0x1c, 4, 0xffffffff, 0, 0xffffffff, "PCI 6.2.5.1", "as BAR 0" },
	{ 0x20, 4, 0xffffffff, 0, 0xffffffff, "PCI 6.2.5.1", "as BAR 0" },
	{ 0x24, 4, 0xffffffff, 0, 0xffffffff, "PCI 6.2.5.1", "as BAR 0" },
	{ 0x28, 4, 0xffffffff, 0, 0, "PCI 6.2.5", "CIS pointer as seized" },
	{ 0x2c, 4, 0xffffffff, 0, 0, "PCI 6.2.4", "subsystem identity as seized" },
	{ 0x30, 4, 0xffffffff, 0, 0xffffffff, "PCI 6.2.5.2",
	  "as BAR 0; enable is scratch, the decoder stays as the host left it" },
	{ 0x34, 4, 0xffffffff, 0, 0, "PCI 6.7", "points at visible capabilities only" },
	{ 0x38, 4, 0xffffffff, 0, 0, "PCI 6.1", "reserved" },
	{ 0x3c, 1, 0xff, 0, 0xff, "PCI 6.2.4",
	  "holds the pirq that the guest binds, so it cannot be scratch" },
	{ 0x3d, 1, 0xff, 0, 0, "PCI 6.2.4", "pin as seized; none without an interrupt" },
	{ 0x3e, 2, 0xffff, 0, 0, "PCI 6.2.4", "grant and latency hints as seized" },
};
const unsigned int cs_nr_header_rules = ARRAY_SIZE(cs_header_rules);

static const struct cs_rule pm_rules[] = {
	{ 0x02, 2, 0xffff, 0, 0, "PM 3.2.3",
	  "as seized, but no PME support is shown: its pin is the host's" },
	/*
	 * A sleeping function answers no memory access, and the guest's mappings would
	 * still be there: on some hosts that is an NMI (XSA-120, 126).
	 */
	{ 0x04, 2, 0x8103, 0x0003, 0xe1fc, "PM 3.2.4",
	  "D-state is the guest's view: it stops mastering, and waking resets as the device would; the hardware stays in D0. PME reads as zero" },
	{ 0x06, 2, 0, 0, 0, "PM 3.2.5", "bridge support and data: facts" },
};

static const struct cs_rule vpd_rules[] = {
	{ 0x02, 2, 0xffff, 0x7fff, 0x8000, "PCI I",
	  "reads go through the host's VPD code; a write would outlive the guest, so it never completes" },
	{ 0x04, 4, 0xffffffff, 0xffffffff, 0, "PCI I", "the dword that was read; scratch" },
};

static const struct cs_rule msi_rules[] = {
	{ 0x02, 2, 0, 0, 0xffff, "PCI 6.8.1.3",
	  "enabled by an op alone, which lets Xen route the message" },
	{ 0x04, 4, 0xffffffff, 0xffffffff, 0, "PCI 6.8.1.4",
	  "address, data, mask and pending are scratch: the real ones are Xen's (XSA-128, 129, 131)" },
	{ 0x08, 4, 0xffffffff, 0xffffffff, 0, "PCI 6.8.1.5", "scratch, as the address" },
	{ 0x0c, 4, 0xffffffff, 0xffffffff, 0, "PCI 6.8.1.6", "scratch, as the address" },
	{ 0x10, 4, 0xffffffff, 0xffffffff, 0, "PCI 6.8.1.7", "scratch, as the address" },
	{ 0x14, 4, 0xffffffff, 0xffffffff, 0, "PCI 6.8.1.8", "scratch, as the address" },
};

static const struct cs_rule msix_rules[] = {
	{ 0x02, 2, 0, 0, 0xffff, "PCI 6.8.2.3",
	  "enable and function mask by an op alone" },
	{ 0x04, 4, 0xffffffff, 0, 0, "PCI 6.8.2.4", "table place as seized" },
	{ 0x08, 4, 0xffffffff, 0, 0, "PCI 6.8.2.5", "pending bits' place as seized" },
};

static const struct cs_rule pcie_rules[] = {
	{ 0x02, 2, 0xffff, 0, 0, "PCIe 7.5.3.2", "port type as seized" },
	{ 0x04, 4, 0xffffffff, 0, 0, "PCIe 7.5.3.3", "capabilities as seized" },
	{ 0x08, 2, 0xfd1f, 0x7d1f, 0x82e0, "PCIe 7.5.3.4",
	  "shadow; FLR becomes the host's reset; read request size only in permissive mode, through the core; payload and phantom functions stay the host's" },
	{ 0x0a, 2, 0, 0, 0xffff, "PCIe 7.5.3.5",
	  "error bits are the host's to clear; drivers clear them as a matter of course" },
	{ 0x0c, 4, 0xffffffff, 0, 0, "PCIe 7.5.3.6", "link capabilities as seized" },
	{ 0x10, 2, 0, 0, 0, "PCIe 7.5.3.7", "the link is shared with the host" },
	{ 0x12, 2, 0, 0, 0, "PCIe 7.5.3.8", "the link is shared with the host" },
	{ 0x14, 4, 0, 0, 0, "PCIe 7.5.3.9", "slots are the host's" },
	{ 0x18, 4, 0, 0, 0, "PCIe 7.5.3.10", "slots are the host's" },
	{ 0x1c, 4, 0, 0, 0, "PCIe 7.5.3.12", "a root port's" },
	{ 0x20, 4, 0, 0, 0, "PCIe 7.5.3.14", "a root port's" },
	{ 0x24, 4, 0xffffffff, 0, 0, "PCIe 7.5.3.15", "capabilities as seized" },
	{ 0x28, 4, 0, 0, 0, "PCIe 7.5.3.16",
	  "time-outs, ARI, atomics, LTR and OBFF reach beyond the function" },
	{ 0x2c, 4, 0xffffffff, 0, 0, "PCIe 7.5.3.18", "link capabilities as seized" },
	{ 0x30, 4, 0, 0, 0, "PCIe 7.5.3.19", "link speed is the host's" },
	{ 0x34, 4, 0, 0, 0, "PCIe 7.5.3.21", "slots are the host's" },
	{ 0x38, 4, 0, 0, 0, "PCIe 7.5.3.22", "slots are the host's" },
};

static const struct cs_rule af_rules[] = {
	{ 0x03, 1, 0xff, 0, 0, "AF ECN", "capabilities as seized" },
	{ 0x04, 1, 0xff, 0, 0x01, "AF ECN", "a reset request becomes the host's reset" },
};

#define RULES(t) .rules = (t), .nr_rules = ARRAY_SIZE(t)
#define ROW(i, v, l, n, ...) \
	{ .id = (i), .vis = (v), .len = (l), .name = (n), .reason = __VA_ARGS__ }

const struct cs_cap cs_std_caps[] = {
	ROW(0x00, CS_HIDDEN, 4, "null", "a header without registers"),
	ROW(R_CAP_PM, CS_READ_ONLY, 8, "power management",
	    "D-states are emulated, PME is not shown", RULES(pm_rules)),
	ROW(0x02, CS_HIDDEN, 0, "AGP", "programs a host bridge's aperture"),
	ROW(R_CAP_VPD, CS_READ_ONLY, 8, "vital product data",
	    "emulated: address and data share one pair of registers", RULES(vpd_rules)),
	ROW(0x04, CS_HIDDEN, 4, "slot id", "names the host's chassis"),
	ROW(R_CAP_MSI, CS_READ_ONLY, 0, "MSI", "a message is a write to the host's memory",
	    RULES(msi_rules)),
	ROW(0x06, CS_HIDDEN, 4, "CompactPCI hot swap", "powers the host's slot"),
	ROW(R_CAP_PCIX, CS_READ_ONLY, 0, "PCI-X",
	    "drivers read its status; its burst and split limits are the bus's"),
	ROW(0x08, CS_HIDDEN, 0, "HyperTransport", "routes and maps the host's interrupts"),
	ROW(R_CAP_VENDOR, CS_OPEN, 0, "vendor",
	    "readable; its registers may do anything, virtio's reaches every BAR"),
	ROW(0x0a, CS_READ_ONLY, 4, "debug port", "a pointer, nothing to write"),
	ROW(0x0b, CS_HIDDEN, 0, "CompactPCI control", "resources of the chassis"),
	ROW(0x0c, CS_HIDDEN, 0, "hot-plug", "powers the host's slot"),
	ROW(0x0d, CS_READ_ONLY, 8, "subsystem id", "identity"),
	ROW(0x0e, CS_HIDDEN, 0, "AGP 8x", "programs a host bridge's aperture"),
	ROW(0x0f, CS_HIDDEN, 0, "secure device", "an IOMMU's registers"),
	ROW(R_CAP_PCIE, CS_READ_ONLY, 0, "PCI Express",
	    "identity and shadow; payload, link and slot are the host's", RULES(pcie_rules)),
	ROW(R_CAP_MSIX, CS_READ_ONLY, 12, "MSI-X", "a message is a write to the host's memory",
	    RULES(msix_rules)),
	ROW(0x12, CS_READ_ONLY, 8, "SATA",
	    "says where the index and data pair lies; the pair itself is not opened"),
	ROW(R_CAP_AF, CS_READ_ONLY, 6, "advanced features", "FLR becomes the host's reset",
	    RULES(af_rules)),
	ROW(0x14, CS_HIDDEN, 0, "enhanced allocation", "replaces BARs behind the tables"),
	ROW(0x15, CS_HIDDEN, 0, "flattening portal bridge", "routes the host's buses"),
	ROW(0x00, CS_HIDDEN, 0, "unknown", "what is not understood is not shown"),
};
const unsigned int cs_nr_std_caps = ARRAY_SIZE(cs_std_caps);

static const struct cs_cap gap = {
	.vis = CS_OPEN, .name = "device-specific",
	.reason = "no capability names it (XSA-124)",
};

static const struct cs_cap header = {
	.vis = CS_READ_ONLY, .rules = cs_header_rules, .nr_rules = ARRAY_SIZE(cs_header_rules),
	.name = "header", .reason = "every register has a row",
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
	return find(cs_std_caps, cs_nr_std_caps, id);
}

const struct cs_cap *cs_find_ext_cap(u16 id)
{
	return find(cs_ext_caps, cs_nr_ext_caps, id);
}

u8 cs_region_of(const struct cs_cap *cap)
{
	if (cap >= cs_std_caps && cap < cs_std_caps + cs_nr_std_caps)
		return CS_REGION_CAPS + (cap - cs_std_caps);
	return CS_REGION_CAPS + cs_nr_std_caps + (cap - cs_ext_caps);
}

const struct cs_cap *cs_region(u8 index)
{
	if (index == CS_REGION_GAP)
		return &gap;
	if (index == CS_REGION_HEADER)
		return &header;
	index -= CS_REGION_CAPS;
	if (index < cs_nr_std_caps)
		return &cs_std_caps[index];
	index -= cs_nr_std_caps;
	return index < cs_nr_ext_caps ? &cs_ext_caps[index] : &gap;
}
