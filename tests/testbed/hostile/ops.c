// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ops, random and crafted, and the thread that changes the page while they are handled.
 * Knows where the capabilities are, since random offsets rarely hit what matters.
 */
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/pci_regs.h>
#include <linux/string.h>
#include <asm/sync_bitops.h>

#include "hostile.h"

#define FUNCS	3
#define CAPS	16

static u8 caps[FUNCS][CAPS];		/* offsets of capabilities, 0: none */

static u32 extreme(struct dice *d)
{
	static const u32 values[] = {
		0, 1, 2, 3, 4, 7, 8, 31, 32, 127, 128, 129, 254, 255, 256, 257, 4092, 4095, 4096,
		4097, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x80000001,
		0xfffffffe, 0xffffffff,
	};

	return dice_percent(d, 70) ? values[dice_pick(d, ARRAY_SIZE(values))] : dice_u32(d);
}

static u32 mostly(struct dice *d, u32 percent, u32 value)
{
	return dice_percent(d, percent) ? value : extreme(d);
}

/* False when no answer came, or when it could not be told from the scribbler's. */
static bool submit(const struct wire_op *op, unsigned int us)
{
	struct wire_page *page = READ_ONCE(hostile.page);
	u64 now = ktime_get_ns(), nap = now + 300000, end = now + us * 1000ull;

	memcpy(&page->op, op, sizeof(*op));
	wmb();			/* the op before its flag */
	sync_set_bit(WIRE_FLAG_OP, (unsigned long *)&page->flags);
	mb();			/* the flag before the event */
	channel_notify();
	hostile_count(HC_ops);
	while (sync_test_bit(WIRE_FLAG_OP, (unsigned long *)&page->flags)) {
		now = ktime_get_ns();
		if (now > end || hostile_over()) {
			hostile_count(HC_timeouts);
			return false;
		}
		if (now > nap)
			usleep_range(50, 100);
		else
			cpu_relax();
	}
	rmb();			/* the flag before the answer */
	if (READ_ONCE(hostile.scribble) == SCRIBBLE_ALL)
		return false;
	hostile_count(HC_answers);
	return true;
}

static bool read_config(u32 devfn, u32 offset, u32 size, u32 *value)
{
	struct wire_op op = { .cmd = WIRE_CONF_READ, .devfn = devfn, .offset = offset, .size = size };

	if (!submit(&op, 500000) || READ_ONCE(hostile.page->op.err))
		return false;
	*value = READ_ONCE(hostile.page->op.value);
	hostile_count(HC_reads);
	return true;
}

/* A well-behaved start: it tells that the connection works at all. */
void ops_learn(struct dice *d)
{
	unsigned int f, i;

	memset(caps, 0, sizeof(caps));
	for (f = 0; f < FUNCS; f++) {
		u32 id, at;

		if (!read_config(f * 8, PCI_VENDOR_ID, 4, &id) || id == ~0u ||
		    !read_config(f * 8, PCI_CAPABILITY_LIST, 1, &at))
			continue;
		for (i = 0; i < CAPS && at >= 0x40 && at < 0x100; i++) {
			caps[f][i] = at;
			if (!read_config(f * 8, at + 1, 1, &at))
				break;
		}
	}
}

static u32 offset(struct dice *d, unsigned int f)
{
	unsigned int i = dice_pick(d, CAPS);

	if (dice_percent(d, 45) && f < FUNCS && caps[f][i])
		return caps[f][i] + dice_pick(d, 0x18);
	if (dice_percent(d, 40))
		return dice_pick(d, 0x40);
	if (dice_percent(d, 60))
		return dice_pick(d, 0x1000);
	return extreme(d);
}

/* Command register, bars, power state, reset: what a guest gains most from. */
static void craft_write(struct dice *d, struct wire_op *op)
{
	static const struct {
		u16 off, size;
		u32 value;
	} evil[] = {
		{ PCI_COMMAND, 2, 0 },
		{ PCI_COMMAND, 2, PCI_COMMAND_MASTER },
		{ PCI_COMMAND, 2, 0xffff },
		{ PCI_COMMAND, 4, 0 },
		{ PCI_COMMAND + 1, 1, 0xff },
		{ PCI_BASE_ADDRESS_0, 4, 0xffffffff },
		{ PCI_BASE_ADDRESS_0, 4, 0 },
		{ PCI_BASE_ADDRESS_2, 2, 0x1234 },
		{ PCI_BASE_ADDRESS_0 + 3, 1, 0 },
		{ PCI_ROM_ADDRESS, 4, 0xffffffff },
		{ PCI_BIST, 1, PCI_BIST_START },
		{ PCI_CACHE_LINE_SIZE, 4, 0xffffffff },
		{ PCI_INTERRUPT_LINE, 1, 9 },
	};
	unsigned int i = dice_pick(d, ARRAY_SIZE(evil));

	op->offset = evil[i].off;
	op->size = evil[i].size;
	op->value = evil[i].value;
}

static void craft(struct dice *d, struct wire_op *op)
{
	static const u32 counts[] = { 0, 1, 2, 3, 5, 64, 65, 66, 127, 128, 129, 2048, 0xffffffff };
	unsigned int f = dice_pick(d, FUNCS), i, style;

	memset(op, 0, offsetof(struct wire_op, msix));
	op->cmd = dice_percent(d, 70) ? dice_pick(d, 2) : mostly(d, 80, dice_pick(d, 11));
	op->domain = mostly(d, 96, 0);
	op->bus = mostly(d, 96, 0);
	op->devfn = mostly(d, 92, f * 8);
	op->offset = offset(d, f);
	op->size = mostly(d, 90, 1 << dice_pick(d, 3));
	if (dice_percent(d, 70))
		op->offset &= ~(op->size - 1);
	op->value = dice_percent(d, 50) ? dice_u32(d) : extreme(d);
	op->err = extreme(d);
	op->info = extreme(d);
	if (op->cmd == WIRE_CONF_WRITE && dice_percent(d, 25))
		craft_write(d, op);
	if (op->cmd != WIRE_ENABLE_MSIX)
		return;
	op->value = mostly(d, 90, counts[dice_pick(d, ARRAY_SIZE(counts))]);
	style = dice_pick(d, 4);
	for (i = 0; i < WIRE_MAX_VECTORS; i++) {
		op->msix[i].vector = dice_u32(d);
		op->msix[i].entry = style == 0 ? i : style == 1 ? dice_pick(d, 6) :
				    style == 2 ? extreme(d) : dice_u32(d);
	}
}

static bool accepted(const struct wire_op *op, unsigned int us)
{
	return submit(op, us) && !READ_ONCE(hostile.page->op.err);
}

/*
 * As a driver would turn vectors on, which chance alone hardly ever does: the other kind
 * off, power and decode on. What comes next finds them on.
 */
static void vectors_on(struct dice *d)
{
	u32 devfn = dice_pick(d, FUNCS) * 8;
	struct wire_op op = { .devfn = devfn, .cmd = WIRE_DISABLE_MSI };
	unsigned int i;

	submit(&op, 300000);
	op.cmd = WIRE_CONF_WRITE;
	op.offset = PCI_COMMAND;
	op.size = 2;
	op.value = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	submit(&op, 300000);
	op.cmd = dice_percent(d, 30) ? WIRE_ENABLE_MSI : WIRE_ENABLE_MSIX;
	op.value = op.cmd == WIRE_ENABLE_MSI ? 0 : 1 + dice_pick(d, 4);
	for (i = 0; i < op.value; i++)
		op.msix[i].entry = i;
	if (accepted(&op, 300000))
		hostile_count(op.cmd == WIRE_ENABLE_MSI ? HC_msi_on : HC_msix_on);
}

/* AER requests that arrive are ignored or answered with nonsense. */
static void look_at_aer(struct dice *d)
{
	struct wire_page *page = READ_ONCE(hostile.page);

	if (dice_percent(d, 50))
		sync_set_bit(WIRE_FLAG_AER_HANDLER, (unsigned long *)&page->flags);
	if (READ_ONCE(hostile.scribble) == SCRIBBLE_ALL ||
	    !sync_test_bit(WIRE_FLAG_AER, (unsigned long *)&page->flags))
		return;
	hostile_count(HC_aer_seen);
	if (dice_percent(d, 95))
		return;
	page->aer.cmd = extreme(d);
	page->aer.err = extreme(d);
	page->aer.devfn = extreme(d);
	sync_clear_bit(WIRE_FLAG_AER, (unsigned long *)&page->flags);
	channel_notify();
	hostile_count(HC_aer_nonsense);
}

void ops_run(struct dice *d, unsigned int ms)
{
	u64 end = ktime_get_ns() + ms * 1000000ull;
	struct wire_op op;

	while (ktime_get_ns() < end && !hostile_over()) {
		if (dice_percent(d, 4))
			vectors_on(d);
		craft(d, &op);
		if (accepted(&op, 20000 + dice_pick(d, 2) * 300000)) {
			if (op.cmd == WIRE_ENABLE_MSI)
				hostile_count(HC_msi_on);
			else if (op.cmd == WIRE_ENABLE_MSIX)
				hostile_count(HC_msix_on);
		}
		look_at_aer(d);
	}
}

static void scribble(struct dice *d, enum scribble how)
{
	struct wire_page *page = READ_ONCE(hostile.page);
	u32 *words = (u32 *)&page->op;

	switch (dice_pick(d, how == SCRIBBLE_ALL ? 6 : 4)) {
	case 0:
		WRITE_ONCE(page->op.cmd, dice_pick(d, 11));
		break;
	case 1:
		WRITE_ONCE(page->op.size, extreme(d));
		WRITE_ONCE(page->op.offset, extreme(d));
		break;
	case 2:
		WRITE_ONCE(page->op.value, extreme(d));
		break;
	case 3:
		WRITE_ONCE(words[dice_pick(d, sizeof(page->op) / 4)], extreme(d));
		break;
	case 4:
		WRITE_ONCE(page->flags, dice_u32(d));
		break;
	case 5:		/* beyond what the protocol uses, too */
		WRITE_ONCE(((u32 *)page)[dice_pick(d, PAGE_SIZE / 4)], dice_u32(d));
		break;
	}
	hostile_count(HC_scribbles);
}

/* Runs beside the session's thread, on the guest's other CPU. */
int scribble_thread(void *unused)
{
	struct dice d = { hostile_seed * 5 + 2 };

	while (!kthread_should_stop()) {
		enum scribble how = READ_ONCE(hostile.scribble);
		bool flood = READ_ONCE(hostile.flood);
		unsigned int i;

		if (how == SCRIBBLE_NOT && !flood) {
			usleep_range(1000, 2000);
			continue;
		}
		for (i = 0; i < 64; i++) {
			if (how != SCRIBBLE_NOT)
				scribble(&d, how);
			if (flood)
				channel_notify();
		}
		cond_resched();
		if (dice_percent(&d, 50))
			usleep_range(20, 200);
	}
	return 0;
}
