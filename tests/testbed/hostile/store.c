// SPDX-License-Identifier: GPL-2.0-only
/*
 * The front end's nodes, told rightly and wrongly. Paths are relative to the domain's
 * own home, where it may write what it likes; the back end's it may only read.
 */
#include <linux/delay.h>
#include <linux/slab.h>
#include <xen/xenbus.h>

#include "hostile.h"

#define HOME	"device/pci/0"

static char *back;		/* the back end's directory */
static char *back_id;

int store_init(void)
{
	back = xenbus_read(XBT_NIL, HOME, "backend", NULL);
	if (IS_ERR(back))
		return PTR_ERR(back);
	back_id = xenbus_read(XBT_NIL, HOME, "backend-id", NULL);
	if (IS_ERR(back_id)) {
		kfree(back);
		return PTR_ERR(back_id);
	}
	return 0;
}

int store_back_state(void)
{
	return xenbus_read_unsigned(back, "state", 0);
}

void store_text(const char *node, const char *text)
{
	xenbus_write(XBT_NIL, HOME, node, text);
	hostile_count(HC_nodes);
}

void store_number(const char *node, u32 value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	store_text(node, text);
}

void store_state(int state)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", state);
	store_text("state", text);
}

void store_remove(const char *node)
{
	xenbus_rm(XBT_NIL, HOME, node);
	hostile_count(HC_removals);
}

/*
 * Every node, but not the directory: its parent is dom0's, and a guest that has deleted
 * the directory cannot make it again, which would be the end of the attack.
 */
void store_remove_all(void)
{
	static const char *const nodes[] = {
		"state", "pci-op-ref", "event-channel", "magic", "backend", "backend-id", "x",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nodes); i++)
		store_remove(nodes[i]);
}

void store_restore(void)
{
	store_text("backend", back);
	store_text("backend-id", back_id);
}

void store_nonsense(struct dice *d, const char *node)
{
	static const char *const texts[] = {
		"", " ", "-1", "4294967296", "18446744073709551616", "0x7", "07", "7 7", "3\n", "%s%n%d",
		"../../../0/backend", "7777777777777777777777777777777777777777", "\xff\xfe",
	};
	char *huge;

	if (dice_percent(d, 80)) {
		store_text(node, texts[dice_pick(d, ARRAY_SIZE(texts))]);
		return;
	}
	/* xenstore takes no more than a page with the path. */
	huge = kmalloc(4096, GFP_KERNEL);
	if (!huge)
		return;
	memset(huge, '0' + dice_pick(d, 64), 1900);
	huge[1900] = '\0';
	store_text(node, huge);
	kfree(huge);
}

void store_vandal_act(struct dice *d)
{
	static const char *const nodes[] = {
		"state", "pci-op-ref", "event-channel", "magic", "backend", "backend-id", "state-0",
		"vdev-0", "dev-0", "num_devs", "root_num", "aer", "online", "x/y/z/state", "frontend",
	};
	static const char *const theirs[] = {
		"state", "num_devs", "dev-0", "state-0", "online", "frontend", "opts-0", "new",
	};

	switch (dice_pick(d, 8)) {
	case 0:
	case 1:
		store_state((int)dice_pick(d, 105) - 5);
		break;
	case 2:
	case 3:
		store_nonsense(d, nodes[dice_pick(d, ARRAY_SIZE(nodes))]);
		break;
	case 4:
		store_remove(nodes[dice_pick(d, ARRAY_SIZE(nodes))]);
		break;
	case 5:
		if (dice_percent(d, 20))
			store_remove_all();
		else
			store_number("pci-op-ref", dice_u32(d));
		break;
	case 6:		/* not allowed, and to stay so */
		if (!xenbus_write(XBT_NIL, back, theirs[dice_pick(d, ARRAY_SIZE(theirs))], "1"))
			hostile_count(HC_backend_writes);
		break;
	case 7:		/* as a toolstack would have made it */
		store_restore();
		break;
	}
}

int vandal_thread(void *unused)
{
	struct dice d = { hostile_seed * 7 + 3 };

	while (!kthread_should_stop()) {
		if (READ_ONCE(hostile.vandalise))
			store_vandal_act(&d);
		usleep_range(1000, 1000 + dice_pick(&d, 20000));
	}
	return 0;
}
