/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The testbed's command channel between dom0 (guest-exec) and a guest (guest-agent):
 * frames over a vchan, which needs neither a network nor the console.
 *
 * The guest offers CHANNEL_SLOTS vchans at /local/domain/<id>/data/agent<slot>; one command
 * runs on each at a time. guest-exec sends COMMAND, then any INPUT (an empty one is the end);
 * guest-agent answers OUTPUT frames and one EXIT.
 */
#ifndef TESTBED_CHANNEL_H
#define TESTBED_CHANNEL_H

#include <stdint.h>

#define CHANNEL_SLOTS 3
#define CHANNEL_RING 32768
#define CHANNEL_MAX 8192 /* the longest payload of a frame, in bytes */

enum channel_type {
	CHANNEL_COMMAND = 1, /* payload: text for sh -c */
	CHANNEL_INPUT,	     /* payload: bytes for its standard input */
	CHANNEL_OUTPUT,	     /* payload: bytes of its standard output and error */
	CHANNEL_EXIT,	     /* payload: one byte, its exit status (128 + signal) */
};

struct channel_header {
	uint32_t type;
	uint32_t length;
};

#endif
