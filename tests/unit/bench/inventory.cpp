// SPDX-License-Identifier: GPL-2.0-or-later
// How long an inventory and a plan take, and how much memory, on machines of 512 and 4096
// functions. What is judged is time of the processor, which a shared machine does not change much;
// the clock, which it does, has a limit of its own, for what would sleep. The best of several
// rounds counts. `--check` fails when the larger machine costs out of proportion, or more than the
// limit; a processor that is slower than the limit's is one on which merely reading the same files
// takes a good part of that.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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
/// What 4096 functions may cost: as long as they take, the daemon answers nobody else.
constexpr double kMostMs = 100.0;
/// In times of what the same files cost when they are only read.
constexpr double kMostReads = 2.5;
/// By the clock, in times of the processor's limit: others may want the processor as well.
constexpr double kMostClock = 10.0;
/// The sanitizers' time is not ours.
#ifdef PCIASSIGN_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
/// Larger than the ratio of sizes by what caches may cost.
constexpr double kMostTime = 2.0 * kRatio, kMostMemory = 1.2 * kRatio;

/// Of the processor, and by the clock.
struct Times {
  double cpu_ms = 1e9, clock_ms = 1e9;
};

struct Figures {
  Times inventory, plan;
  double reads_ms = 1e9;
  std::size_t bytes = 0;
};

double now_ms(clockid_t clock = CLOCK_PROCESS_CPUTIME_ID) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

/// What the function returns; `best` becomes its times where these are better.
template <typename Function>
auto timed(Times& best, Function&& function) {
  const auto cpu = now_ms(), clock = now_ms(CLOCK_MONOTONIC);
  auto result = function();
  best.cpu_ms = std::min(best.cpu_ms, now_ms() - cpu);
  best.clock_ms = std::min(best.clock_ms, now_ms(CLOCK_MONOTONIC) - clock);
  return result;
}

void must(bool well, const std::string& what) {
  if (well) return;
  fmt::print(stderr, "bench_inventory: {}\n", what);
  std::exit(1);
}

/// What an inventory cannot do without: each function's directory and files, looked at once.
double only_read(const std::vector<std::string>& directories) {
  const auto start = now_ms();
  std::array<char, 4096> buffer;
  for (const auto& directory : directories) {
    const int at = ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (const char* name : {"config", "class", "irq", "resource", "reset_method"}) {
      const int fd = ::openat(at, name, O_RDONLY | O_CLOEXEC);
      if (fd < 0) continue;
      must(::read(fd, buffer.data(), buffer.size()) >= 0, "a file cannot be read");
      ::close(fd);
    }
    for (const char* name : {"driver", "physfn"})
      (void)(::readlinkat(at, name, buffer.data(), buffer.size()) + 1);
    (void)(::readlink(directory.c_str(), buffer.data(), buffer.size()) + 1);
    ::close(at);
  }
  return now_ms() - start;
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

  std::vector<std::string> directories;
  for (const auto& device : *all)
    directories.push_back((machine.sys() + "/bus/pci/devices/").append(device.sbdf.str()));

  Figures best;
  for (int round = 0; round < kRounds; ++round) {
    const auto before = bytes_asked.load();
    const auto list = timed(best.inventory, [&] { return tools.list(); });
    must(list && list->size() == count, "the list is short");
    const auto plan =
        timed(best.plan, [&] { return tools.plan_attach(3, {wanted}, AttachMode::hot); });
    must(plan.has_value(), plan ? "" : plan.error().message);
    best.bytes = bytes_asked.load() - before;
    best.reads_ms = std::min(best.reads_ms, only_read(directories));
  }
  fmt::print(
      "{:>5} functions, ms by the clock (of the processor): inventory {:.1f} ({:.1f}), plan with "
      "its own inventory {:.1f} ({:.1f}), reading the files alone ({:.1f}); {:.2f} MiB asked for\n",
      count, best.inventory.clock_ms, best.inventory.cpu_ms, best.plan.clock_ms, best.plan.cpu_ms,
      best.reads_ms, static_cast<double>(best.bytes) / (1 << 20));
  return best;
}

bool within(const char* what, double ratio, double most) {
  fmt::print("{} grows by {:.1f} (at most {:.1f}) when the machine grows by {}\n", what, ratio,
             most, kRatio);
  return ratio <= most;
}

bool in_time(const char* what, const Times& took, double reads_ms) {
  if (kSanitized) return true;
  const double most = std::max(kMostMs, kMostReads * reads_ms);
  if (took.cpu_ms <= most && took.clock_ms <= kMostClock * most) return true;
  fmt::print(
      "{} takes {:.1f} ms of the processor, {:.1f} ms by the clock; right are {:.1f} and {:.1f}\n",
      what, took.cpu_ms, took.clock_ms, most, kMostClock * most);
  return false;
}

}  // namespace
}  // namespace pciassign::test

int main(int argc, char** argv) {
  using namespace pciassign::test;
  const bool check = argc > 1 && std::strcmp(argv[1], "--check") == 0;
  // sysfs is in memory too; a disk's file system would be measured otherwise.
  if (::access("/dev/shm", W_OK) == 0) ::setenv("TMPDIR", "/dev/shm", 0);
  const std::size_t size = 512;
  const auto small = measure(size), large = measure(size * kRatio);
  bool well = within("inventory", large.inventory.cpu_ms / small.inventory.cpu_ms, kMostTime);
  well = within("plan", large.plan.cpu_ms / small.plan.cpu_ms, kMostTime) && well;
  well = within("memory", static_cast<double>(large.bytes) / static_cast<double>(small.bytes),
                kMostMemory) &&
         well;
  well = in_time("the inventory", large.inventory, large.reads_ms) && well;
  well = in_time("the plan", large.plan, large.reads_ms) && well;
  return check && !well ? 1 : 0;
}
