/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A front end that attacks its back end, for the testbed's guests only. It speaks to
 * Xen and xenstore itself, without a xenbus driver: what it does to its own nodes must
 * not end it. Every choice comes from the seed; what was done is counted in
 * /proc/hostile, so that a test can tell an attack from a module that slept.
 *
 * Threads: the session's (channel.c, ops.c; the only one that opens and closes), the
 * scribbler's and the vandal's. The page is shared between them without a lock, as it
 * is with the back end: that is the point.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <linux/atomic.h>
#include <linux/kthread.h>
#include <linux/types.h>

#include "pciif.h"

#define COUNTS(X) \
	X(sessions) X(connected) X(ops) X(answers) X(timeouts) X(reads) X(msi_on) X(msix_on) \
	X(scribbles) X(events) X(wild_setups) X(regrants) X(reuses) X(ports_closed) \
	X(aer_seen) X(aer_nonsense) X(nodes) X(removals) X(backend_writes)

#define AS_ENUM(name) HC_##name,
enum hostile_count { COUNTS(AS_ENUM) HC_NR };
#undef AS_ENUM

extern atomic_long_t hostile_counts[HC_NR];

static inline void hostile_count(enum hostile_count what)
{
	atomic_long_inc(&hostile_counts[what]);
}

/* ---- choices: one sequence for each thread ---- */

struct dice {
	u64 s;
};

static inline u32 dice_u32(struct dice *d)
{
	d->s ^= d->s >> 12;
	d->s ^= d->s << 25;
	d->s ^= d->s >> 27;
	return (d->s * 0x2545f4914f6cdd1dull) >> 32;
}

/* 0 to n - 1 */
static inline u32 dice_pick(struct dice *d, u32 n)
{
	return dice_u32(d) % n;
}

static inline bool dice_percent(struct dice *d, u32 percent)
{
	return dice_pick(d, 100) < percent;
}

/* ---- what the threads share ---- */

enum scribble {
	SCRIBBLE_NOT,
	SCRIBBLE_OP,	/* the op's fields, while it is handled */
	SCRIBBLE_ALL,	/* the flags too: an answer cannot be told any more */
};

struct hostile {
	struct wire_page *page;		/* of the present session; never freed before the threads end */
	u32 port;			/* 0: none */
	enum scribble scribble;
	bool flood;
	bool vandalise;
	bool stop;
};

extern struct hostile hostile;

static inline bool hostile_over(void)
{
	return READ_ONCE(hostile.stop) || kthread_should_stop();
}

/* channel.c */
int channel_init(void);
void channel_exit(void);
int session_thread(void *unused);
/* Grants that were not taken back yet. */
unsigned int channel_held(void);
/* Takes back those that the back end does not map; how many are left. */
unsigned int channel_take_back(void);
void channel_notify(void);

/* ops.c */
void ops_learn(struct dice *d);
void ops_run(struct dice *d, unsigned int ms);
int scribble_thread(void *unused);

/* store.c */
int store_init(void);
int store_back_state(void);
void store_state(int state);
void store_number(const char *node, u32 value);
void store_text(const char *node, const char *text);
void store_remove(const char *node);
void store_remove_all(void);
/* The nodes that the toolstack wrote. */
void store_restore(void);
/* Nonsense for a node that says something else. */
void store_nonsense(struct dice *d, const char *node);
void store_vandal_act(struct dice *d);
int vandal_thread(void *unused);

/* main.c */
extern u64 hostile_seed;
/* An event for whoever waits in user space until the report says something. */
void hostile_tell(void);

#endif /* HOSTILE_H */
