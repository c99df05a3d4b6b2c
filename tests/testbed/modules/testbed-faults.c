// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loaded into a guest that runs the debug kernel, it makes each of the mistakes that this kernel is to
 * find: reads freed memory, loses memory, may sleep with a spinlock held, takes two locks in both orders.
 * Does no lasting harm. Locks: first before second, and the other way round.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(atomic);

static noinline void read_freed(void)
{
	char *memory = kmalloc(64, GFP_KERNEL);

	if (!memory)
		return;
	/* The compiler is not to see that it is the same. */
	OPTIMIZER_HIDE_VAR(memory);
	memory[5] = 1;
	kfree(memory);
	(void)READ_ONCE(memory[5]);
}

/*
 * Not inlined into what is freed after loading, to be told by name. Some of them: what happens to be left in a
 * register or on a stack would count as a pointer.
 */
static noinline void lose(void)
{
	unsigned int i;

	for (i = 0; i < 10; i++) {
		void *memory = kmalloc(777, GFP_KERNEL);

		OPTIMIZER_HIDE_VAR(memory);
	}
}

static noinline void sleep_in_atomic(void)
{
	spin_lock(&atomic);
	kfree(kmalloc(64, GFP_KERNEL));
	spin_unlock(&atomic);
}

static noinline void invert(struct mutex *outer, struct mutex *inner)
{
	mutex_lock(outer);
	mutex_lock(inner);
	mutex_unlock(inner);
	mutex_unlock(outer);
}

static int __init faults_init(void)
{
	/* First: lockdep is off after anybody's first report. */
	invert(&first, &second);
	invert(&second, &first);
	read_freed();
	lose();
	sleep_in_atomic();
	return 0;
}
module_init(faults_init);

static void __exit faults_exit(void)
{
}
module_exit(faults_exit);

MODULE_DESCRIPTION("Mistakes that a debug kernel has to find");
MODULE_LICENSE("GPL");
