#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testbed-machine: classes.sh
# testbed: --back ours --front ours --timeout 1600
#
# Every class of device behind our pciback, with our pcifront and with Linux's own.
. /usr/share/pciassign-tests/lib.sh
. /usr/share/pciassign-tests/rights.sh
. /usr/share/pciassign-tests/classes.sh

prepare_classes
exercise_classes ours
exercise_classes upstream
echo "scenario-classes: PASS"
