// SPDX-License-Identifier: GPL-2.0-only
/* xenbus_read_driver_state(dev, path): by 7.2; before, the path alone. */
#include <xen/xenbus.h>

int probe(struct xenbus_device *dev);
int probe(struct xenbus_device *dev)
{
	return xenbus_read_driver_state(dev, "x");
}
