# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Starting and killing the daemon, and waiting until it rests. For scenarios, after lib.sh.

# start_daemon [LOG]: and wait until it listens.
start_daemon() {
	daemon_log=${1:-/host/logs/pciassignd-again.log}
	setsid pciassignd --log-level debug </dev/null >>"$daemon_log" 2>&1 &
	disown
	local event limit=$((20 * TESTBED_PATIENCE))
	while ! pciassign status >/dev/null 2>&1 && read -r -t "$limit" event; do
		: "$event"
	done < <(timeout "$limit" inotifywait --monitor --event create,attrib /run/pciassign 2>&1)
	must pciassign status >/dev/null
}

# kill_daemon [SIGNAL]
kill_daemon() {
	local pid
	pid=$(pgrep -x pciassignd) || fail "pciassignd does not run"
	kill "${1:--KILL}" "$pid"
	daemon_gone "$pid"
}

# daemon_gone PID: waits until it is.
daemon_gone() { timeout $((60 * TESTBED_PATIENCE)) tail --pid="$1" -f /dev/null || fail "pciassignd $1 does not end"; }

# wait_quiet SECONDS: until the daemon of $daemon_log has nothing under way and nothing to try again. Its log says
# when a plan ends; not so that there is nothing to try again, when somebody else did it.
wait_quiet() {
	local limit=$(($1 * TESTBED_PATIENCE)) end lines line read
	end=$((SECONDS + limit))
	daemon_quiet() { [[ $(pciassign status --json | jq '.result | .jobs + .retries | length') == 0 ]]; }
	lines=$(wc -l <"$daemon_log")
	daemon_quiet && return
	while ((SECONDS < end)); do
		read=0
		read -r -t 5 line || read=$?
		((read == 0 || read > 128)) || break
		[[ $read != 0 || $line == *plan-done* || $line == *plan-failed* ]] && daemon_quiet && return
	done < <(timeout "$limit" tail --lines +$((lines + 1)) --follow "$daemon_log")
	daemon_quiet || fail "the daemon does not come to rest: $(pciassign status)"
}
