// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * guest-exec [-i] [-t SECONDS] DOMID COMMAND: runs in the testbed's dom0. Has the agent in guest DOMID
 * run COMMAND with sh -c, copies its output and exits with its status.
 * -i forwards standard input. Without COMMAND it only waits until the agent answers.
 *
 * Statuses of its own: 253 the time is over, 254 there is no such guest or it died.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <xenctrl.h> /* first: it makes the headers of Xen define what tools may see */
#include <libxenvchan.h>
#include <xenstore.h>

#include "channel.h"

enum { TIME_OVER = 253, GUEST_GONE = 254 };

static int domid;
static xc_interface *xc;
static struct xs_handle *store;
static struct timespec deadline;

static void give_up(int status, const char *why)
{
	fprintf(stderr, "guest-exec: domain %d: %s\n", domid, why);
	exit(status);
}

static int milliseconds_left(void)
{
	struct timespec now;
	long left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = (deadline.tv_sec - now.tv_sec) * 1000 + (deadline.tv_nsec - now.tv_nsec) / 1000000;
	return left > 0 ? (int)left : 0;
}

static void require_guest(void)
{
	xc_domaininfo_t info;

	if (xc_domain_getinfolist(xc, (uint32_t)domid, 1, &info) != 1 || info.domain != domid)
		give_up(GUEST_GONE, "there is no such guest");
	if (info.flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown))
		give_up(GUEST_GONE, "the guest has died");
}

static void drain_watches(void)
{
	char **event;

	while ((event = xs_check_watch(store)))
		free(event);
}

/* Waits for a change in xenstore (a watch), for the channel, and for input if there is a channel. */
static void wait_event(struct libxenvchan *channel, int input)
{
	struct pollfd wait[] = {
		{ .fd = xs_fileno(store), .events = POLLIN },
		{ .fd = channel ? libxenvchan_fd_for_select(channel) : -1, .events = POLLIN },
		{ .fd = input, .events = POLLIN },
	};
	int ready = poll(wait, 3, milliseconds_left());

	if (ready == 0)
		give_up(TIME_OVER, "the time limit is over");
	if (wait[0].revents) {
		drain_watches();
		require_guest();
	}
	if (wait[1].revents)
		libxenvchan_wait(channel);
}

/*
 * One command runs on a slot at a time: the lock says whose it is. Locks are on files, so the
 * first free slot is tried, then the first is waited for.
 */
static int take_slot(void)
{
	char path[64];
	int slot, fd = -1;

	for (slot = 0; slot < CHANNEL_SLOTS; slot++) {
		snprintf(path, sizeof(path), "/run/guest-exec.%d.%d", domid, slot);
		fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			return slot;
		if (fd >= 0)
			close(fd);
	}
	snprintf(path, sizeof(path), "/run/guest-exec.%d.%d", domid, 0);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX))
		give_up(GUEST_GONE, strerror(errno));
	return 0;
}

static struct libxenvchan *connect_agent(int slot)
{
	char path[96], node[128];
	struct libxenvchan *channel;

	snprintf(path, sizeof(path), "/local/domain/%d/data/agent%d", domid, slot);
	snprintf(node, sizeof(node), "%s/event-channel", path);
	if (!xs_watch(store, node, "agent") || !xs_watch(store, "@releaseDomain", "release"))
		give_up(GUEST_GONE, "no watch in xenstore");
	for (;;) {
		char *value = xs_read(store, XBT_NULL, node, NULL);

		if (value) {
			free(value);
			/* NULL: the ring of an agent that has just closed it; it will offer another. */
			channel = libxenvchan_client_init(NULL, domid, path);
			if (channel && libxenvchan_is_open(channel)) {
				channel->blocking = 0;
				return channel;
			}
			if (channel)
				libxenvchan_close(channel);
		}
		wait_event(NULL, -1);
	}
}

static void transfer(struct libxenvchan *channel, char *data, size_t size, int sending)
{
	while (size) {
		int done = sending ? libxenvchan_write(channel, data, size) :
				     libxenvchan_read(channel, data, size);

		if (done < 0) {
			/* It may have sent the rest and closed after the library had looked for data. */
			if (sending || !libxenvchan_data_ready(channel))
				give_up(GUEST_GONE, "the agent closed the channel");
			continue;
		}
		data += done;
		size -= (size_t)done;
		if (size) {
			if (!libxenvchan_is_open(channel) && (sending || !libxenvchan_data_ready(channel)))
				give_up(GUEST_GONE, "the agent closed the channel");
			wait_event(channel, -1);
		}
	}
}

static void send_frame(struct libxenvchan *channel, uint32_t type, char *payload, size_t length)
{
	struct channel_header header = { type, (uint32_t)length };

	transfer(channel, (char *)&header, sizeof(header), 1);
	transfer(channel, payload, length, 1);
}

static int converse(struct libxenvchan *channel, int input)
{
	char payload[CHANNEL_MAX];
	struct channel_header header;

	for (;;) {
		while (!libxenvchan_data_ready(channel)) {
			struct pollfd ready = { .fd = input, .events = POLLIN };

			/* In this order: what it sent before it closed is still to be read. */
			if (!libxenvchan_is_open(channel)) {
				if (libxenvchan_data_ready(channel))
					break;
				give_up(GUEST_GONE, "the agent closed the channel");
			}
			wait_event(channel, input);
			if (input >= 0 && poll(&ready, 1, 0) > 0) {
				ssize_t got = read(input, payload, sizeof(payload));

				send_frame(channel, CHANNEL_INPUT, payload, got > 0 ? (size_t)got : 0);
				if (got <= 0)
					input = -1;
			}
		}
		transfer(channel, (char *)&header, sizeof(header), 0);
		if (header.length > sizeof(payload))
			give_up(GUEST_GONE, "the agent sent nonsense");
		transfer(channel, payload, header.length, 0);
		if (header.type == CHANNEL_EXIT && header.length == 1)
			return (unsigned char)payload[0];
		if (header.type == CHANNEL_OUTPUT && fwrite(payload, 1, header.length, stdout) != header.length)
			return 1;
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	int input = -1, seconds = 300, option, status;
	struct libxenvchan *channel;

	while ((option = getopt(argc, argv, "+it:")) != -1)
		switch (option) {
		case 'i':
			input = 0;
			break;
		case 't':
			seconds = atoi(optarg);
			break;
		default:
			return 2;
		}
	if (argc - optind < 1 || argc - optind > 2 || (argc - optind == 2 && strlen(argv[optind + 1]) > CHANNEL_MAX)) {
		fprintf(stderr, "usage: guest-exec [-i] [-t SECONDS] DOMID [COMMAND of at most %d bytes]\n", CHANNEL_MAX);
		return 2;
	}
	domid = atoi(argv[optind]);
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += seconds;
	xc = xc_interface_open(NULL, NULL, 0);
	store = xs_open(0);
	if (!xc || !store)
		give_up(GUEST_GONE, "no way to Xen: is this dom0, and root?");
	require_guest();
	channel = connect_agent(take_slot());
	if (argc - optind == 1)
		send_frame(channel, CHANNEL_COMMAND, "true", 4);
	else
		send_frame(channel, CHANNEL_COMMAND, argv[optind + 1], strlen(argv[optind + 1]));
	if (input < 0)
		send_frame(channel, CHANNEL_INPUT, "", 0);
	status = converse(channel, input);
	/* The agent closes first, so that the next command finds no ring that is about to go. */
	while (libxenvchan_is_open(channel))
		wait_event(channel, -1);
	libxenvchan_close(channel);
	return status;
}
