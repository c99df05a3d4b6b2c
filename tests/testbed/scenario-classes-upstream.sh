#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed-on-demand: the devices of classes with upstream's front end; upstream covers the protocol
# testbed-machine: classes.sh
# testbed: --back upstream --front ours --timeout 900
#
# Every class of device behind Linux's own back end, with our pcifront.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/classes.sh

prepare_classes
exercise_classes ours
echo "scenario-classes-upstream: PASS"
