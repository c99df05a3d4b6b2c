// SPDX-License-Identifier: GPL-2.0-only
/*
 * Save, migration and restore of the guest. A device stays with its host, and a driver's
 * mappings of it cannot be saved, so saving is refused while there is a device. xenbus
 * ignores what its drivers' suspend() says; what counts is a power domain's prepare(),
 * before anything is suspended.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pm_domain.h>

#include "pcifront.h"

static int prepare(struct device *dev)
{
	struct pf_dev *pf = dev_get_drvdata(dev);

	if (!pf)
		return 0;
	/* Nothing queues it again before the guest runs on: xenwatch is what suspends. */
	flush_work(&pf->work);
	if (!pf_bus_has_devices(pf))
		return 0;
	dev_err(dev, "this guest has PCI devices: detach them before it is saved or migrated\n");
	return -EBUSY;
}

/* Called while the device is probed: a power domain cannot be set later. */
void pf_power_init(struct pf_dev *pf)
{
	struct device *dev = &pf->xdev->dev;

	if (dev->bus->pm)
		pf->pm.ops = *dev->bus->pm;	/* a domain's operations replace the bus's */
	pf->pm.ops.prepare = prepare;
	dev_pm_domain_set(dev, &pf->pm);
}

void pf_power_exit(struct pf_dev *pf)
{
	dev_pm_domain_set(&pf->xdev->dev, NULL);
}
