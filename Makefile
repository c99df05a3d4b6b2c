# SPDX-License-Identifier: GPL-2.0-or-later
# pciassign: the one entry. `make help` prints what there is.
#
# Each set-up stage is a stamp under build/, made again when scripts/setup changes, so that
# every target works on a fresh Debian 12 machine and costs nothing afterwards.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

BUILD   := build
JOBS    ?= $(shell nproc)
PREFIX  ?= /usr
DESTDIR ?=
FUZZ_SECONDS ?= 60
BENCH_ROUNDS ?= 5
DEBUG_SCENARIOS ?= xl hostile

CMAKE_FLAGS := -DCMAKE_INSTALL_PREFIX=$(PREFIX) -DCMAKE_INSTALL_SYSCONFDIR=/etc

.PHONY: all help setup-build setup-all modules modules-backports userspace demo test test-images test-machine test-sanitized check unit sanitized-tree unit-sanitized \
	doc lint sparse testbed testbed-debug bench fuzz install clean

all: modules userspace ## build the modules, the library, the daemon and the command line

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

$(BUILD)/stamp/setup-%: scripts/setup
	scripts/setup $*
	@mkdir -p $(@D) && touch $@

setup-build: $(BUILD)/stamp/setup-build
# What a run on real Xen needs: no compiler or checker of the tests.
setup-all: $(BUILD)/stamp/setup-build $(BUILD)/stamp/setup-testbed

modules: setup-build
	$(MAKE) -C kmod KVER=$$(scripts/kernel-version) modules

modules-backports: setup-build ## the modules against the newest kernel of Debian's backports (compiled, not run)
	$(MAKE) -C kmod KDIR=$$(scripts/kernel-headers bookworm-backports) O=$(abspath $(BUILD))/kmod/backports modules

userspace: setup-build
	cmake -S . -B $(BUILD)/user -G Ninja $(CMAKE_FLAGS) >$(BUILD)/cmake.log || { cat $(BUILD)/cmake.log; exit 1; }
	cmake --build $(BUILD)/user -j $(JOBS)

install: ## install what `all` built (honours DESTDIR, PREFIX, KVER)
	@[[ -x $(BUILD)/user/daemon/pciassignd ]] || { echo "make install: nothing is built yet: run make first" >&2; exit 1; }
	DESTDIR=$(DESTDIR) cmake --install $(BUILD)/user
	$(MAKE) -C kmod KVER=$$(scripts/kernel-version) DESTDIR=$(DESTDIR) modules_install

unit: userspace
	cmake --build $(BUILD)/user -j $(JOBS) --target tests
	scripts/units $(BUILD)/user $(BUILD)/user/junit-units.xml $(JOBS)

# clang, which needs half of gcc's time for this, and whose warnings are others; several sources at once need half of it again.
sanitized-tree: setup-build $(BUILD)/stamp/setup-check
	cmake -S . -B $(BUILD)/sanitized -G Ninja $(CMAKE_FLAGS) -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
		-DPCIASSIGN_SANITIZE=ON -DPCIASSIGN_FUZZ=ON -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O0 -g1" \
		-DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=8 >/dev/null

unit-sanitized: sanitized-tree
	cmake --build $(BUILD)/sanitized -j $(JOBS) --target all tests
	scripts/units $(BUILD)/sanitized $(BUILD)/junit-units.xml $(JOBS)

sparse: setup-build $(BUILD)/stamp/setup-check
	$(MAKE) -C kmod KVER=$$(scripts/kernel-version) sparse

lint: $(BUILD)/stamp/setup-check
	scripts/lint

doc: $(BUILD)/stamp/setup-check ## the library's public interface as HTML, in build/doc/html
	scripts/doc $(BUILD)/doc

check: setup-build modules sparse lint unit ## units, hosted kernel tests and lint: for every commit

testbed: setup-all all ## every scenario on real Xen in QEMU
	tests/testbed/run-all

testbed-debug: setup-all $(BUILD)/stamp/setup-debug all ## scenarios DEBUG_SCENARIOS with a kernel with KASAN, lockdep and kmemleak (built once)
	scripts/testbed run --kernel debug tests/testbed/debug-detectors.sh
	CYCLES=$${CYCLES:-6} tests/testbed/run-all --debug $(DEBUG_SCENARIOS)

fuzz: sanitized-tree ## libFuzzer targets, FUZZ_SECONDS=60 each
	scripts/fuzz $(FUZZ_SECONDS)

bench: setup-all all ## ours and the upstream drivers side by side in one boot, BENCH_ROUNDS=5
	scripts/bench $(BENCH_ROUNDS)

demo: setup-all all ## the main job on real Xen, told step by step
	scripts/demo

# The units run once, under the sanitizers; `make check` runs the same ones without.
test: setup-build modules sparse lint ## everything: modules, lint, units under sanitizers, short fuzz and bench runs, the demo, all scenarios
	$(MAKE) -j2 userspace test-images
	$(MAKE) -j2 test-machine test-sanitized

# Much of this is one process at a time.
test-images: setup-all
	scripts/testbed base

test-machine:
	$(MAKE) -j1 demo
	$(MAKE) -j1 bench BENCH_ROUNDS=1
	$(MAKE) -j1 testbed

# The emulated machine leaves much of a second core idle: compiling takes that, at the lowest priority.
test-sanitized:
	@nice -n 19 $(MAKE) -j1 unit-sanitized fuzz FUZZ_SECONDS=5 >$(BUILD)/test-sanitized.log 2>&1 || \
		{ cat $(BUILD)/test-sanitized.log; exit 1; }
	@echo "sanitizers and fuzzers:"; grep -E '^(units|fuzz):' $(BUILD)/test-sanitized.log

clean: ## remove everything that was built (the testbed's images too)
	rm -rf $(BUILD)
