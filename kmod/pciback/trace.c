// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one place where the trace events of trace.h are made. Owns nothing else.
 */
#define CREATE_TRACE_POINTS
#include "trace.h"
