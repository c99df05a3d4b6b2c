// SPDX-License-Identifier: GPL-2.0-or-later
// How long an inventory and a plan take, and how much memory, on machines of 512 and 4096
// functions. Times are of the processor, not of the clock: a shared machine does not change them
// much. `--check` takes smaller ones, and fails when the larger costs out of proportion.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>

#include "pci/machine.hpp"
#include "pciassign/sim/world.hpp"
#include "pciassign/toolstack.hpp"

namespace {

std::atomic<std::size_t> bytes_asked{0};

}  // namespace

// Counts what is asked for, whatever the allocator below makes of it.
void* operator new(std::size_t size) {
  bytes_asked += size;
  if (void* at = std::malloc(size)) return at;
  throw std::bad_alloc();
}
void operator delete(void* at) noexcept {
  std::free(at);
}
void operator delete(void* at, std::size_t) noexcept {
  std::free(at);
}

namespace pciassign::test {
namespace {

constexpr std::size_t kRatio = 8;  // of the sizes
constexpr int kRounds = 5;
/// Larger than the ratio of sizes by what caches may cost.
constexpr double kMostTime = 2.0 * kRatio, kMostMemory = 1.2 * kRatio;

struct Figures {
  double inventory_ms = 0, plan_ms = 0;
  std::size_t bytes = 0;
};

double now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

void must(bool well, const std::string& what) {
  if (well) return;
  fmt::print(stderr, "bench_inventory: {}\n", what);
  std::exit(1);
}

Figures measure(std::size_t count) {
  const Machine machine(many_functions(count));
  const auto bus = make_sysfs_pci_bus(machine.sys());
  sim::World world;
  world.add_domain(3, "driver");
  const auto all = bus->devices();  // also loads pci.ids, once for the life of the daemon
  must(all && all->size() == count, "the machine is not as it was made");
  for (const auto& device : *all) world.xen.devices[device.sbdf] = {};
  Toolstack tools{{world.xen, world.store, *bus, world.records(), world.clock}};
  DeviceSpec wanted;
  wanted.sbdf = all->back().sbdf;

  Figures best{1e9, 1e9, 0};
  for (int round = 0; round < kRounds; ++round) {
    const auto before = bytes_asked.load();
    auto start = now_ms();
    const auto list = tools.list();
    best.inventory_ms = std::min(best.inventory_ms, now_ms() - start);
    must(list && list->size() == count, "the list is short");
    start = now_ms();
    const auto plan = tools.plan_attach(3, {wanted}, AttachMode::hot);
    best.plan_ms = std::min(best.plan_ms, now_ms() - start);
    must(plan.has_value(), plan ? "" : plan.error().message);
    best.bytes = bytes_asked.load() - before;
  }
  fmt::print(
      "{:>5} functions: inventory {:6.1f} ms, plan (with its own inventory) {:6.1f} ms, "
      "{:6.2f} MiB asked for\n",
      count, best.inventory_ms, best.plan_ms, static_cast<double>(best.bytes) / (1 << 20));
  return best;
}

bool within(const char* what, double ratio, double most) {
  fmt::print("{} grows by {:.1f} (at most {:.1f}) when the machine grows by {}\n", what, ratio,
             most, kRatio);
  return ratio <= most;
}

}  // namespace
}  // namespace pciassign::test

int main(int argc, char** argv) {
  using namespace pciassign::test;
  const bool check = argc > 1 && std::strcmp(argv[1], "--check") == 0;
  const std::size_t size = check ? 128 : 512;
  const auto small = measure(size), large = measure(size * kRatio);
  bool well = within("inventory", large.inventory_ms / small.inventory_ms, kMostTime);
  well = within("plan", large.plan_ms / small.plan_ms, kMostTime) && well;
  well = within("memory", static_cast<double>(large.bytes) / static_cast<double>(small.bytes),
                kMostMemory) &&
         well;
  return check && !well ? 1 : 0;
}
