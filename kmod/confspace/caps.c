// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of standard capabilities, PCI r3.0 section 6.7. It is cached here; hardware
 * is not asked again (XSA-337), and no list leaves a protected register open.
 */
#include "layout.h"

static unsigned int msi_len(u16 flags)
{
	/* Rounded up: the last word is the extended message data, PCIe r5.0 7.7.1.5. */
	unsigned int len = flags & R_MSI_64BIT ? 16 : 12;

	return flags & R_MSI_MASKBIT ? len + 8 : len;
}

/* A version 1 without a link may end before it, PCIe r1.1 7.8; some have one all the same. */
#define PCIE_LEAST	0x0c

static unsigned int pcie_len(u16 flags)
{
	return (flags & R_EXP_FLAGS_VERSION) >= 2 ? 0x3c : 0x14;
}

/* How far it is from pos to the next capability of the list, or to the end. */
static unsigned int room(const u8 *snap, unsigned int pos)
{
	unsigned int p = snap[R_CAP_PTR] & ~3u, end = CS_SIZE_STD, ttl = 48;

	for (; p >= R_STD_END && ttl--; p = snap[p + 1] & ~3u)
		if (p > pos && p < end)
			end = p;
	return end - pos;
}

/* What the capability would have; the next one may begin earlier. 0: not known. */
static unsigned int cap_len(const struct cs_cap *cap, const u8 *snap, unsigned int pos)
{
	switch (cap->id) {
	case R_CAP_MSI:
		return msi_len(cs_get(snap, pos + R_MSI_FLAGS, 2));
	case R_CAP_PCIX:
		return cs_get(snap, pos + R_PCIX_COMMAND, 2) & R_PCIX_VERSION ? 24 : 8;
	case R_CAP_PCIE:
		return pcie_len(cs_get(snap, pos + R_EXP_FLAGS, 2));
	case R_CAP_VENDOR:
		return snap[pos + 2] < 4 ? 4 : snap[pos + 2];
	default:
		return cap->len;
	}
}

/* Address, data, mask and pending are the guest's scratch: never the hardware's. */
static void init_msi(struct cs_space *cs, unsigned int pos, unsigned int len)
{
	cs->msi = pos;
	for (pos += 4, len -= 4; len; pos++, len--)
		cs_put_shadow(cs, pos, 1, 0);
}

static void init_pcie(struct cs_space *cs, const u8 *snap, unsigned int pos)
{
	struct cs_byte *high = &cs->b[pos + R_EXP_DEVCTL + 1];

	cs->pcie = pos;
	cs->flr = cs_get(snap, pos + R_EXP_DEVCAP, 4) & R_EXP_DEVCAP_FLR;
	if (!cs->flr)
		high->ignore &= 0x7f;
	/* FLR reads as zero, PCIe r5.0 7.5.3.4. */
	high->shadow &= 0x7f;
}

static void init_cap(struct cs_space *cs, const u8 *snap, const struct cs_cap *cap,
		     unsigned int pos, unsigned int len)
{
	cs_apply_cap(cs, snap, cap, pos, len);
	switch (cap->id) {
	case R_CAP_PM:
		cs->pm = pos;
		/* No PME, bits 15:11; its enable and status are zero too. D1 and D2 stay. */
		cs->b[pos + R_PM_PMC + 1].shadow &= 0x07;
		cs_put_shadow(cs, pos + R_PM_CSR, 2, 0);
		break;
	case R_CAP_VPD:
		cs->vpd = pos;
		cs_put_shadow(cs, pos + R_VPD_ADDR, 2, 0);
		cs_put_shadow(cs, pos + R_VPD_DATA, 4, 0);
		break;
	case R_CAP_MSI:
		init_msi(cs, pos, len);
		break;
	case R_CAP_MSIX:
		cs->msix = pos;
		break;
	case R_CAP_PCIE:
		init_pcie(cs, snap, pos);
		break;
	case R_CAP_AF:
		cs->af = pos;
		cs_put_shadow(cs, pos + R_AF_CTRL, 1, 0);
		break;
	}
}

static bool have_already(const struct cs_space *cs, u16 id)
{
	switch (id) {
	case R_CAP_PM:
		return cs->pm;
	case R_CAP_VPD:
		return cs->vpd;
	case R_CAP_MSI:
		return cs->msi;
	case R_CAP_MSIX:
		return cs->msix;
	case R_CAP_PCIE:
		return cs->pcie;
	case R_CAP_AF:
		return cs->af;
	default:
		return false;
	}
}

void cs_walk_std(struct cs_space *cs, const u8 *snap)
{
	bool seen[CS_SIZE_STD / 4] = { false };
	unsigned int link = R_CAP_PTR;	/* byte that points at the next visible one */
	bool listed = cs_get(snap, R_STATUS, 2) & R_STATUS_CAPS;
	unsigned int pos = listed ? snap[R_CAP_PTR] & ~3u : 0;

	cs_put_shadow(cs, R_CAP_PTR, 4, 0);
	while (pos >= R_STD_END && !seen[pos / 4]) {
		const struct cs_cap *cap = cs_find_cap(snap[pos]);
		unsigned int len = cap_len(cap, snap, pos), max = room(snap, pos);

		seen[pos / 4] = true;
		/*
		 * An open one's length is the device's word, and not every device has all
		 * of PCI Express: they do not reach into the next.
		 */
		if ((cap->vis == CS_OPEN || (cap->id == R_CAP_PCIE && max >= PCIE_LEAST)) &&
		    len > max)
			len = max;
		/*
		 * Hidden, a second one, or no room for its rows: not shown. Where its length
		 * is not known it reaches to the next one, lest permissive mode open its
		 * registers as a gap.
		 */
		if (cap->vis == CS_HIDDEN || have_already(cs, cap->id) || len > max) {
			if (cap->vis != CS_HIDDEN || !len || len > max)
				len = max;
			cs_hide(cs, pos, len, cap);
		} else {
			init_cap(cs, snap, cap, pos, len);
			cs_set_fixed(cs, pos, 1, snap[pos]);
			cs_set_fixed(cs, pos + 1, 1, 0);
			cs_put_shadow(cs, link, 1, pos);
			link = pos + 1;
		}
		pos = snap[pos + 1] & ~3u;
	}
	/* A list that loops, or leads into the header, may have lost some. */
	cs_gaps(cs, R_STD_END, CS_SIZE_STD, pos == 0);
}
