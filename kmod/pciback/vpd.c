// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vital product data for a guest, a dword at a time, by the core's code: functions of
 * one device may share the registers, and the core's lock is what keeps them apart.
 * Distrusts the device too, whose VPD a guest may have broken. Under dev->lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pci.h>

#include "pciback.h"

/*
 * The core waits up to 125 ms for a device that does not answer, and says so each time
 * without a limit. A guest may go on asking: it is then not answered either.
 */
#define VPD_FAILURES	3
#define VPD_WINDOW	(60 * HZ)

void pb_vpd_prepare(struct pb_dev *dev)
{
	u8 first;

	/* The core finds the length out now, before a guest has any say in it. */
	pci_read_vpd(dev->pdev, 0, 1, &first);
}

void pb_vpd_read(struct pb_dev *dev, u32 addr)
{
	u8 data[4] = { 0 };

	if (!dev->vpd_failures || time_after(jiffies, dev->vpd_since + VPD_WINDOW)) {
		dev->vpd_since = jiffies;
		dev->vpd_failures = 0;
	}
	if (dev->vpd_failures >= VPD_FAILURES)
		return;
	/* Past its end there is nothing: zeros. */
	if (pci_read_vpd(dev->pdev, addr, sizeof(data), data) < 0)
		dev->vpd_failures++;
	else
		cs_vpd_done(dev->cs, data[0] | data[1] << 8 | data[2] << 16 | (u32)data[3] << 24);
}
