// SPDX-License-Identifier: GPL-2.0-only
/*
 * A test module for a driver domain: the key y of SysRq (`xl sysrq DOMAIN y`) hangs it: interrupts off, for ever.
 */
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/processor.h>
#include <linux/sysrq.h>

static void hang(int key)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
}

static const struct sysrq_key_op hang_op = {
	.handler = hang,
	.help_msg = "hang(y)",
	.action_msg = "Hang",
	.enable_mask = SYSRQ_ENABLE_DUMP,
};

static int __init hang_init(void)
{
	return register_sysrq_key('y', &hang_op);
}

static void __exit hang_exit(void)
{
	unregister_sysrq_key('y', &hang_op);
}

module_init(hang_init);
module_exit(hang_exit);
MODULE_DESCRIPTION("Hangs the kernel at an administrator's key");
MODULE_LICENSE("GPL");
