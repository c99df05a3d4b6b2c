// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: opens the channel rightly or wrongly, lets ops.c attack through it, and ends
 * it in some rude way. Owns the pages, their grants and the event channel. A grant that
 * the back end still maps keeps its page: pages are reused all the same.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/page.h>
#include <xen/interface/event_channel.h>
#include <asm/xen/hypercall.h>

#include "hostile.h"

#define PAGES	8
#define GRANTS	64

static struct wire_page *pages[PAGES];
static int grants[GRANTS];		/* given and not yet taken back; 0: none (0 is reserved) */
static int last_grant;

int channel_init(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		pages[i] = (void *)get_zeroed_page(GFP_KERNEL);
		if (!pages[i]) {
			channel_exit();
			return -ENOMEM;
		}
	}
	hostile.page = pages[0];
	return 0;
}

unsigned int channel_held(void)
{
	unsigned int i, held = 0;

	for (i = 0; i < GRANTS; i++)
		held += READ_ONCE(grants[i]) != 0;
	return held;
}

unsigned int channel_take_back(void)
{
	unsigned int i;

	for (i = 0; i < GRANTS; i++)
		if (grants[i] && gnttab_try_end_foreign_access(grants[i]))
			WRITE_ONCE(grants[i], 0);
	return channel_held();
}

static void close_port(void)
{
	struct evtchn_close close = { .port = hostile.port };

	if (!hostile.port)
		return;
	WRITE_ONCE(hostile.port, 0);
	HYPERVISOR_event_channel_op(EVTCHNOP_close, &close);
	hostile_count(HC_ports_closed);
}

/* A page that is still mapped is never given back to the kernel: it stays this module's loss. */
void channel_exit(void)
{
	unsigned int i;

	close_port();
	if (channel_take_back())
		return;
	for (i = 0; i < PAGES; i++)
		free_page((unsigned long)pages[i]);
}

/* Events go to the back end; a port that was just closed is no harm. */
void channel_notify(void)
{
	u32 port = READ_ONCE(hostile.port);

	if (port) {
		notify_remote_via_evtchn(port);
		hostile_count(HC_events);
	}
}

static void open_port(void)
{
	struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = 0 };

	close_port();
	if (!HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc))
		WRITE_ONCE(hostile.port, alloc.port);
}

/* The same page may be granted twice, and a page that is still mapped is taken again. */
static int grant(struct dice *d, bool readonly)
{
	struct wire_page *page = pages[dice_pick(d, PAGES)];
	unsigned int i;
	int ref;

	channel_take_back();
	for (i = 0; i < GRANTS && grants[i]; i++)
		;
	if (i == GRANTS)
		return -ENOSPC;
	if (page == hostile.page)
		hostile_count(HC_reuses);
	WRITE_ONCE(hostile.page, page);
	ref = gnttab_grant_foreign_access(0, virt_to_gfn(page), readonly);
	if (ref > 0) {
		WRITE_ONCE(grants[i], ref);
		last_grant = ref;
	}
	return ref;
}

static bool await_back(int state, unsigned int ms)
{
	for (; ms > 0 && !hostile_over(); ms -= min(ms, 10u)) {
		if (store_back_state() == state)
			return true;
		usleep_range(9000, 11000);
	}
	return false;
}

/* What a front end publishes, with one thing wrong. */
static void publish_wildly(struct dice *d)
{
	static const char *const needed[] = { "pci-op-ref", "event-channel", "magic" };
	int ref = last_grant;
	u32 port;

	hostile_count(HC_wild_setups);
	open_port();
	/* None, xenstore's and the console's, or far outside; not those that take dom0's commands. */
	port = dice_percent(d, 70) ? hostile.port :
	       dice_percent(d, 50) ? dice_pick(d, 3) : 1000 + dice_u32(d);
	switch (dice_pick(d, 6)) {
	case 0:
		ref = dice_u32(d);
		break;
	case 1:
		ref = grant(d, true);
		break;
	case 2:		/* of an earlier session, perhaps freed */
		break;
	default:
		ref = grant(d, false);
		break;
	}
	store_number("pci-op-ref", ref);
	store_number("event-channel", port);
	store_text("magic", WIRE_MAGIC);
	if (dice_percent(d, 40))
		store_nonsense(d, needed[dice_pick(d, 3)]);
	if (dice_percent(d, 20))
		store_remove(needed[dice_pick(d, 3)]);
}

static bool publish(struct dice *d)
{
	int ref = grant(d, false);

	if (ref <= 0)
		return false;
	open_port();
	store_number("pci-op-ref", ref);
	store_number("event-channel", hostile.port);
	store_text("magic", WIRE_MAGIC);
	return true;
}

/* Something rude in the middle of a connection, which goes on as well as it may. */
static void meddle(struct dice *d)
{
	switch (dice_pick(d, 6)) {
	case 0:
		close_port();
		break;
	case 1:
		open_port();
		store_number("event-channel", hostile.port);
		break;
	case 2:		/* another page behind the node; the mapped one is somebody else's now */
		store_number("pci-op-ref", max(grant(d, false), 0));
		hostile_count(HC_regrants);
		break;
	case 3:		/* take the mapped page's grant away, as far as the hardware lets us */
		channel_take_back();
		memset(hostile.page, dice_u32(d), PAGE_SIZE);
		hostile_count(HC_regrants);
		break;
	case 4:
		store_state(dice_pick(d, 100));
		break;
	case 5:		/* without closing: connect again, over the connection that is there */
		store_state(6);
		store_state(1);
		publish(d);
		store_state(3);
		break;
	}
}

static void attack(struct dice *d)
{
	unsigned int rounds = 1 + dice_pick(d, 6);

	ops_learn(d);
	while (rounds-- && !hostile_over()) {
		/* Events without an op make the back end's kernel slow us down: not always. */
		hostile.scribble = dice_percent(d, 25) ? SCRIBBLE_ALL : dice_pick(d, 2);
		hostile.flood = dice_percent(d, 15);
		hostile.vandalise = dice_percent(d, 25);
		ops_run(d, 200 + dice_pick(d, 800));
		hostile_tell();
		if (dice_percent(d, 40))
			meddle(d);
	}
	hostile.scribble = SCRIBBLE_NOT;
	hostile.flood = false;
	hostile.vandalise = false;
}

/* Nonsense must not be all there is: states that the protocol knows are come back to. */
static void end_session(struct dice *d)
{
	switch (dice_pick(d, 6)) {
	case 0:
		store_state(5);
		await_back(5, 1000);
		break;
	case 1:
		store_remove("state");
		break;
	case 2:
		store_remove_all();
		break;
	case 3:
		store_nonsense(d, "state");
		break;
	case 4:
		close_port();
		break;
	case 5:		/* no warning at all */
		break;
	}
	store_state(6);
	close_port();
	await_back(6, 2000);
	channel_take_back();
}

/* The page stays the session's until the next one: the scribbler may still write it. */
int session_thread(void *unused)
{
	struct dice d = { hostile_seed * 3 + 1 };

	while (!hostile_over()) {
		bool wild = dice_percent(&d, 20);

		hostile_count(HC_sessions);
		store_state(1);
		await_back(3, 3000);
		if (wild)
			publish_wildly(&d);
		else if (!publish(&d))
			continue;
		store_state(dice_percent(&d, 95) ? 3 : 4);
		if (await_back(4, wild ? 500 : 3000)) {
			hostile_count(HC_connected);
			if (dice_percent(&d, 80))
				store_state(4);
			attack(&d);
		} else if (wild) {
			store_vandal_act(&d);
		}
		end_session(&d);
	}
	close_port();
	while (!kthread_should_stop())
		msleep(20);
	return 0;
}
