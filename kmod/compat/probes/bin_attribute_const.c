// SPDX-License-Identifier: GPL-2.0-only
/* bin_attribute's read() and write() take a const one: by 7.2; before, they do not. */
#include <linux/sysfs.h>

ssize_t probe(struct file *file, struct kobject *kobj, const struct bin_attribute *attr, char *buf,
	      loff_t off, size_t count);
struct bin_attribute probed = { .read = probe };
