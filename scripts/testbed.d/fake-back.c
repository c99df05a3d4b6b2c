// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fake-back DOMID: runs in the testbed's dom0, without pciback. The back end of guest DOMID's PCI front end, with
 * one function at 0000:00:00.0 that no driver wants, as far as the shared page goes; states are its caller's.
 * It can fall silent, answer late and report errors, which no real back end does when told.
 *
 * It says "ready", then one line for each line that it reads:
 *   silent        answers nothing from now on                     ok
 *   answer        answers again, what waits as well               ok
 *   count         how many ops it has seen                        a number
 *   aer CMD ERR   error recovery: asks the front end              what it answered, or "none" after 20 s
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenctrl.h> /* first: it makes the headers of Xen define what tools may see */
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "wire/pciif.h"

static struct wire_page *page;
static xenevtchn_handle *events;
static evtchn_port_t port;
static bool silent;
static unsigned long ops;

static void need(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "fake-back: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static unsigned int node(struct xs_handle *store, unsigned int domid, const char *name)
{
	char path[80], *text;
	unsigned int value;

	snprintf(path, sizeof(path), "/local/domain/%u/device/pci/0/%s", domid, name);
	text = xs_read(store, XBT_NULL, path, NULL);
	need(text, path);
	value = strtoul(text, NULL, 10);
	free(text);
	return value;
}

static bool flag(unsigned int bit)
{
	return __atomic_load_n(&page->flags, __ATOMIC_SEQ_CST) & (1u << bit);
}

/* An identity, nothing behind it, and a number of its own in each dword from 0x40 on. */
static uint32_t dword(unsigned int offset)
{
	switch (offset) {
	case 0:
		return 0x11e91234;
	case 8:
		return 0xff000001;
	default:
		return offset < 0x40 ? 0 : 0xc0de0000 | offset;
	}
}

static void answer(void)
{
	struct wire_op op;

	if (silent || !flag(WIRE_FLAG_OP))
		return;
	memcpy(&op, &page->op, sizeof(op));
	ops++;
	op.err = WIRE_OK;
	if (op.domain || op.bus || op.devfn)
		op.err = WIRE_ERR_NO_DEVICE;
	else if (op.cmd == WIRE_CONF_READ)
		op.value = dword(op.offset & 0xfc) >> 8 * (op.offset & 3);
	else if (op.cmd != WIRE_CONF_WRITE)
		op.err = WIRE_ERR_FAILED;
	page->op.value = op.value;
	page->op.err = op.err;
	__atomic_and_fetch(&page->flags, ~(1u << WIRE_FLAG_OP), __ATOMIC_SEQ_CST);
	xenevtchn_notify(events, port);
}

/* Takes an event if there is one; what counts are the flags. */
static void on_event(void)
{
	struct pollfd one = { .fd = xenevtchn_fd(events), .events = POLLIN };

	if (poll(&one, 1, 0) > 0)
		need(xenevtchn_unmask(events, xenevtchn_pending(events)) == 0, "event");
	answer();
}

static void report_error(unsigned int cmd, int state)
{
	struct pollfd one = { .fd = xenevtchn_fd(events), .events = POLLIN };
	unsigned int tries;

	if (!flag(WIRE_FLAG_AER_HANDLER)) {
		puts("no handler");
		return;
	}
	page->aer = (struct wire_aer_op){ .cmd = cmd, .err = state };
	__atomic_or_fetch(&page->flags, 1u << WIRE_FLAG_AER, __ATOMIC_SEQ_CST);
	xenevtchn_notify(events, port);
	for (tries = 0; tries < 20 && flag(WIRE_FLAG_AER); tries++) {
		poll(&one, 1, 1000);
		on_event();
	}
	if (flag(WIRE_FLAG_AER))
		puts("none");
	else
		printf("%d\n", page->aer.err);
}

int main(int argc, char **argv)
{
	unsigned int domid = argc == 2 ? strtoul(argv[1], NULL, 10) : 0, cmd;
	struct xs_handle *store = xs_open(0);
	xengnttab_handle *grants = xengnttab_open(NULL, 0);
	char line[80];
	int state;

	need(domid, "usage: fake-back DOMID");
	need(store && grants, "xenstore, gntdev");
	events = xenevtchn_open(NULL, 0);
	need(events, "evtchn");
	page = xengnttab_map_grant_ref(grants, domid, node(store, domid, "pci-op-ref"), PROT_READ | PROT_WRITE);
	need(page, "the front end's page");
	state = xenevtchn_bind_interdomain(events, domid, node(store, domid, "event-channel"));
	need(state >= 0, "the front end's event channel");
	port = state;

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	for (;;) {
		struct pollfd both[] = { { .fd = 0, .events = POLLIN },
					 { .fd = xenevtchn_fd(events), .events = POLLIN } };

		need(poll(both, 2, -1) > 0, "poll");
		on_event();
		if (!both[0].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return 0;
		if (sscanf(line, "aer %u %d", &cmd, &state) == 2) {
			report_error(cmd, state);
		} else if (!strcmp(line, "count\n")) {
			printf("%lu\n", ops);
		} else {
			silent = !strcmp(line, "silent\n");
			answer();
			puts("ok");
		}
	}
}
