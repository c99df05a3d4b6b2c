// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * guest-agent: runs in a testbed guest. Executes the commands that guest-exec sends from dom0
 * (channel.h), and loads the modules that kernel events ask for, as udev would.
 *
 * guest-agent --wait SECONDS COMMAND: runs COMMAND with sh -c now, after every event of a
 * device, a link or an address, and each LOOK_MS for what has no event (a line of the kernel's log,
 * a file of another process) until it succeeds; exit status 0, or 124 when the time is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libxenvchan.h>
#include <xenstore.h>

#include "channel.h"

#define LOOK_MS 2000

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int run_and_wait(char *const argv[])
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int open_events(int protocol, unsigned int groups)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int size = 4 << 20;
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, protocol);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die("kernel events");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

static int wait_for(const char *seconds, char *command)
{
	char *const argv[] = { "sh", "-c", command, NULL };
	char event[8192];
	struct timespec now, end;
	struct pollfd wait[] = {
		{ .fd = open_events(NETLINK_KOBJECT_UEVENT, 1), .events = POLLIN },
		{ .fd = open_events(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_IFADDR), .events = POLLIN },
	};
	size_t i;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += atoi(seconds);
	for (;;) {
		long left;

		if (run_and_wait(argv) == 0)
			return 0;
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = (end.tv_sec - now.tv_sec) * 1000 + (end.tv_nsec - now.tv_nsec) / 1000000;
		if (left <= 0)
			return 124;
		poll(wait, 2, (int)(left < LOOK_MS ? left : LOOK_MS));
		for (i = 0; i < 2; i++)
			while (recv(wait[i].fd, event, sizeof(event), MSG_DONTWAIT) > 0)
				;
	}
}

static void load_modules_on_events(void)
{
	int fd = open_events(NETLINK_KOBJECT_UEVENT, 1);
	char event[8192];

	for (;;) {
		ssize_t got = recv(fd, event, sizeof(event) - 1, 0);
		char *field;

		if (got <= 0)
			continue;
		event[got] = '\0';
		if (strncmp(event, "add@", 4))
			continue;
		for (field = event; field < event + got; field += strlen(field) + 1)
			if (!strncmp(field, "MODALIAS=", 9)) {
				char *const argv[] = { "modprobe", "-q", field + 9, NULL };

				run_and_wait(argv);
			}
	}
}

static int send_frame(struct libxenvchan *channel, uint32_t type, const void *payload, uint32_t length)
{
	struct channel_header header = { type, length };

	if (libxenvchan_send(channel, &header, sizeof(header)) != sizeof(header))
		return -1;
	if (length && libxenvchan_send(channel, payload, length) != (int)length)
		return -1;
	return 0;
}

static int receive_frame(struct libxenvchan *channel, struct channel_header *header, char *payload)
{
	if (libxenvchan_recv(channel, header, sizeof(*header)) != sizeof(*header))
		return -1;
	if (header->length > CHANNEL_MAX)
		return -1;
	if (header->length && libxenvchan_recv(channel, payload, header->length) != (int)header->length)
		return -1;
	payload[header->length] = '\0';
	return 0;
}

struct child {
	pid_t pid;
	int pidfd, in, out;
};

static int start(struct child *child, const char *command)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -1;
	child->pid = fork();
	if (child->pid == 0) {
		setsid();
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		signal(SIGPIPE, SIG_DFL);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	child->in = in[1];
	child->out = out[0];
	child->pidfd = pidfd_open(child->pid, 0);
	fcntl(child->out, F_SETFL, O_NONBLOCK);
	return child->pid < 0 || child->pidfd < 0 ? -1 : 0;
}

/* Forwards what the child has written so far. 0: no more now, 1: its end, -1: the peer is gone. */
static int forward_output(struct libxenvchan *channel, int fd)
{
	char data[CHANNEL_MAX];
	ssize_t got;

	while ((got = read(fd, data, sizeof(data))) > 0)
		if (send_frame(channel, CHANNEL_OUTPUT, data, (uint32_t)got))
			return -1;
	return got == 0 ? 1 : 0;
}

/* The command ends when its first process ends: what it left in the background does not count. */
static void serve(struct libxenvchan *channel)
{
	char payload[CHANNEL_MAX + 1];
	struct channel_header header;
	struct child child;
	int status = 0;
	unsigned char code;

	if (receive_frame(channel, &header, payload) || header.type != CHANNEL_COMMAND)
		return;
	if (start(&child, payload))
		return;
	for (;;) {
		struct pollfd wait[] = {
			{ .fd = libxenvchan_fd_for_select(channel), .events = POLLIN },
			{ .fd = child.out, .events = POLLIN },
			{ .fd = child.pidfd, .events = POLLIN },
		};
		int more;

		while (libxenvchan_data_ready(channel)) {
			if (receive_frame(channel, &header, payload))
				goto gone;
			if (header.type != CHANNEL_INPUT || child.in < 0)
				continue;
			if (header.length == 0 ||
			    write(child.in, payload, header.length) != (ssize_t)header.length) {
				close(child.in);
				child.in = -1;
			}
		}
		if (!libxenvchan_is_open(channel))
			goto gone;
		if (poll(wait, 3, -1) < 0)
			goto gone;
		if (wait[0].revents)
			libxenvchan_wait(channel);
		if (wait[1].revents) {
			more = forward_output(channel, child.out);
			if (more < 0)
				goto gone;
			if (more > 0) {
				close(child.out);
				child.out = -1;
			}
		}
		if (wait[2].revents)
			break;
	}
	waitpid(child.pid, &status, 0);
	child.pid = 0;
	if (child.out >= 0)
		forward_output(channel, child.out);
	code = (unsigned char)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	send_frame(channel, CHANNEL_EXIT, &code, 1);
gone:
	if (child.pid) { /* whoever asked is gone: so is the command */
		kill(-child.pid, SIGKILL);
		waitpid(child.pid, &status, 0);
	}
	if (child.in >= 0)
		close(child.in);
	if (child.out >= 0)
		close(child.out);
	close(child.pidfd);
}

static void serve_slot(int slot)
{
	char path[64];
	struct xs_handle *store = xs_open(0);

	if (!store)
		die("xenstore");
	snprintf(path, sizeof(path), "data/agent%d", slot);
	for (;;) {
		struct libxenvchan *channel =
			libxenvchan_server_init(NULL, 0, path, CHANNEL_RING, CHANNEL_RING);

		if (!channel)
			die("vchan");
		channel->blocking = 1;
		serve(channel);
		/* Nobody may find the old ring once it is closed. */
		xs_rm(store, XBT_NULL, path);
		libxenvchan_close(channel);
	}
}

int main(int argc, char **argv)
{
	int slot;

	if (argc == 4 && !strcmp(argv[1], "--wait"))
		return wait_for(argv[2], argv[3]);
	if (argc > 1) {
		fprintf(stderr, "usage: guest-agent [--wait SECONDS COMMAND]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (fork() == 0)
		load_modules_on_events();
	for (slot = 0; slot < CHANNEL_SLOTS; slot++)
		if (fork() == 0)
			serve_slot(slot);
	for (;;)
		if (wait(NULL) < 0)
			return 1;
}
