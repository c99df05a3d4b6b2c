// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's life: parameters, threads, the report in /proc/hostile. Loaded by hand
 * (no alias), where no other front end is loaded.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/random.h>
#include <linux/seq_file.h>
#include <xen/xen.h>

#include "hostile.h"

u64 hostile_seed;
module_param_named(seed, hostile_seed, ullong, 0444);
MODULE_PARM_DESC(seed, "where every choice comes from (0: a new one, which the report names)");

static unsigned int seconds = 60;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "how long");

static unsigned int connections, answers;
module_param(connections, uint, 0444);
MODULE_PARM_DESC(connections, "goes on until there were so many, for four times as long at most");
module_param(answers, uint, 0444);
MODULE_PARM_DESC(answers, "the same, of answers");

struct hostile hostile;
atomic_long_t hostile_counts[HC_NR];

static struct task_struct *session, *scribbler, *vandal, *director;
static bool done;

#define AS_NAME(name) #name,
static const char *const names[] = { COUNTS(AS_NAME) };

static int report(struct seq_file *seq, void *v)
{
	unsigned int i;

	seq_printf(seq, "seed %llu\ndone %d\nheld %u\n", hostile_seed, READ_ONCE(done),
		   channel_held());
	for (i = 0; i < HC_NR; i++)
		seq_printf(seq, "%s %ld\n", names[i], atomic_long_read(&hostile_counts[i]));
	return 0;
}

void hostile_tell(void)
{
	kobject_uevent(&THIS_MODULE->mkobj.kobj, KOBJ_CHANGE);
}

static void end_thread(struct task_struct **thread)
{
	if (!IS_ERR_OR_NULL(*thread))
		kthread_stop(*thread);
	*thread = NULL;
}

/*
 * Closes as a front end does, once: a back end that compares states needs no second word.
 * Grants that it keeps after that are a leak, and reported as held.
 */
static void leave(void)
{
	unsigned int i;

	end_thread(&vandal);
	end_thread(&scribbler);
	end_thread(&session);
	store_restore();
	store_state(6);
	for (i = 0; i < 2000 && (channel_take_back() || store_back_state() != 6); i++)
		msleep(50);
}

/* The back end makes one wait that comes back often, and chance and a slow machine do the rest. */
static bool enough(void)
{
	return atomic_long_read(&hostile_counts[HC_connected]) >= connections &&
	       atomic_long_read(&hostile_counts[HC_answers]) >= answers;
}

/* Ends the attack in time. */
static int direct(void *unused)
{
	unsigned long end = jiffies + seconds * HZ, last = jiffies + 4UL * seconds * HZ;

	while (!kthread_should_stop() && time_before(jiffies, enough() ? end : last))
		msleep(50);
	WRITE_ONCE(hostile.stop, true);
	leave();
	pr_info("over: %ld ops, %ld answers, %ld connections, seed %llu\n",
		atomic_long_read(&hostile_counts[HC_ops]),
		atomic_long_read(&hostile_counts[HC_answers]),
		atomic_long_read(&hostile_counts[HC_connected]), hostile_seed);
	WRITE_ONCE(done, true);
	hostile_tell();
	while (!kthread_should_stop())
		msleep(50);
	return 0;
}

static int __init hostile_init(void)
{
	int err;

	if (!xen_pv_domain() || xen_initial_domain())
		return -ENODEV;
	while (!hostile_seed)
		hostile_seed = get_random_u32();
	pr_info("seed %llu, %u s\n", hostile_seed, seconds);
	err = store_init();
	if (!err)
		err = channel_init();
	if (err)
		return err;
	if (!proc_create_single("hostile", 0444, NULL, report)) {
		channel_exit();
		return -ENOMEM;
	}
	session = kthread_run(session_thread, NULL, "hostile/session");
	scribbler = kthread_run(scribble_thread, NULL, "hostile/page");
	vandal = kthread_run(vandal_thread, NULL, "hostile/nodes");
	director = kthread_run(direct, NULL, "hostile/time");
	return 0;
}
module_init(hostile_init);

static void __exit hostile_exit(void)
{
	end_thread(&director);	/* which ends the others */
	remove_proc_entry("hostile", NULL);
	channel_exit();
}
module_exit(hostile_exit);

MODULE_DESCRIPTION("A front end that attacks pciback, for tests (pciassign)");
MODULE_LICENSE("GPL");
