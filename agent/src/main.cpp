// SPDX-License-Identifier: GPL-2.0-or-later
// pciassign-agent: the process. One loop waits for xenstore, the kernel's device messages, signals
// and the heartbeat.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include <array>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>

#include "agent.hpp"
#include "boot.hpp"
#include "disks.hpp"
#include "linux_links.hpp"
#include "linux_storage.hpp"
#include "network.hpp"
#include "uevents.hpp"
#include "xenbus.hpp"

namespace pciassign::agent {
namespace {

constexpr const char* kConfig = "/etc/pciassign-agent.toml";
constexpr int kStoreRounds = 8, kEventsAtOnce = 1024;
constexpr int kPowerOff = SIGUSR2, kReboot = SIGUSR1;

/// Its words go to the kernel's log, and so to the console, when it is the first process.
class Words {
 public:
  explicit Words(bool first) {
    if (first) kernel_ = Fd(open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
  }
  void operator()(const std::string& text) const {
    const std::string line = fmt::format("{}pciassign-agent: {}\n", kernel_ ? "<5>" : "", text);
    (void)!write(kernel_ ? kernel_.get() : STDERR_FILENO, line.data(), line.size());
  }

 private:
  Fd kernel_;
};

Milliseconds steady() {
  return std::chrono::duration_cast<Milliseconds>(
      std::chrono::steady_clock::now().time_since_epoch());
}

/// The service of the configured class, on this machine.
struct Machine {
  LinuxLinks links;
  LinuxStorage storage;
  std::unique_ptr<Service> service;

  explicit Machine(const Config& config) {
    if (config.kind == Kind::vif) {
      service = std::make_unique<Network>(links, config.net);
    } else {
      service = std::make_unique<Disks>(storage, config.block);
    }
  }
  [[nodiscard]] bool backend_driver(Kind kind) const {
    return kind == Kind::vif ? links.backend_driver() : storage.backend_driver();
  }
};

class Loop {
 public:
  Loop(Store& store, Agent& agent, const Fd& signals)
      : store_(store), agent_(agent), signals_(signals) {}

  Result<void> open(std::chrono::seconds heartbeat) {
    if (auto opened = uevents_.open(); !opened) return opened;
    timer_ = Fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    itimerspec times{};
    times.it_interval.tv_sec = times.it_value.tv_sec = heartbeat.count();
    if (!timer_ || timerfd_settime(timer_.get(), 0, &times, nullptr) != 0)
      return fail_errno("the timer of the heartbeat");
    return {};
  }

  /// The signal that ends it.
  Result<int> run() {
    int rounds = 0;
    while (true) {
      agent_.settle(steady());
      // Some came with answers, which the descriptor does not tell. A guest can make a stream of
      // them: everything else has its turn all the same.
      const auto more = read_store();
      if (!more) return tl::unexpected<Error>(more.error());
      if (*more && ++rounds < kStoreRounds) continue;
      rounds = 0;
      std::array<pollfd, 4> fds{{{store_.fd(), POLLIN, 0},
                                 {uevents_.fd(), POLLIN, 0},
                                 {signals_.get(), POLLIN, 0},
                                 {timer_.get(), POLLIN, 0}}};
      if (poll(fds.data(), fds.size(), *more ? 0 : timeout()) < 0) {
        if (errno == EINTR) continue;
        return fail_errno("waiting for events");
      }
      if ((fds[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
        return fail(ErrorKind::unavailable, "xenstore does not answer any more");
      if (fds[1].revents != 0) read_uevents();
      if (fds[3].revents != 0) {
        std::uint64_t expirations = 0;
        if (read(timer_.get(), &expirations, sizeof expirations) > 0) agent_.beat();
      }
      if (fds[2].revents != 0) {
        if (const int signal = read_signals()) return signal;
      }
    }
  }

 private:
  int timeout() const {
    const Milliseconds now = steady();
    const auto wake = agent_.wake_at(now);
    if (!wake) return -1;
    return static_cast<int>(std::clamp<std::int64_t>((*wake - now).count(), 0, INT_MAX));
  }

  /// Whether there was something.
  Result<bool> read_store() {
    for (int i = 0; i < kEventsAtOnce; ++i) {
      auto event = store_.next_event();
      if (!event) return tl::unexpected<Error>(event.error());
      if (!*event) return i > 0;
      agent_.store_changed((*event)->path);
    }
    return true;
  }

  void read_uevents() {
    while (const auto event = uevents_.next()) {
      std::optional<BackendId> guest;
      if (event->subsystem == "net") guest = guest_of_interface(event->interface);
      if (event->subsystem == "xen-backend") guest = guest_of_device(event->device);
      if (guest) {
        agent_.backend_changed(*guest);
      } else if (event->lost || event->subsystem == "net" || event->subsystem == "block") {
        agent_.devices_changed();
      }
    }
  }

  int read_signals() {
    signalfd_siginfo info{};
    while (read(signals_.get(), &info, sizeof info) == sizeof info) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (signal != SIGCHLD) return signal;
      int status = 0;
      for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG))
        agent_.job_ended(pid, status);
    }
    return 0;
  }

  Store& store_;
  Agent& agent_;
  const Fd& signals_;
  Uevents uevents_;
  Fd timer_;
};

Fd block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, kPowerOff, kReboot}) sigaddset(&set, signal);
  // Before any thread is there.
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

Result<Config> read_config(const std::string& path) {
  const auto text = read_text(path);
  if (!text) return tl::unexpected<Error>(text.error());
  return parse_config(*text, path);
}

Result<int> serve(bool first, const std::string& path, const Words& words, const Fd& signals) {
  const auto config = read_config(path);
  // Xenstore first: whoever waits for this domain learns at least why it does not come.
  auto store = open_xenbus();
  if (!store) return tl::unexpected<Error>(store.error());
  Machine machine(config.value_or(Config{}));
  Agent agent(**store, *machine.service, [&](const std::string& text) { words(text); });
  if (auto opened = agent.open(PCIASSIGN_VERSION); !opened)
    return tl::unexpected<Error>(opened.error());
  if (!config) {
    agent.fail(config.error().message);
    if (!first) return tl::unexpected<Error>(config.error());
  }
  std::string notes;
  if (first && config) {
    (void)machine.links.set_up("lo");
    for (const std::string& failed : load_modules(config->modules)) {
      words(failed);
      notes += (notes.empty() ? "" : "; ") + failed;
    }
    make_grant_pages();
    if (!machine.backend_driver(config->kind))
      agent.fail(fmt::format("the kernel has no back end for {}{}{}", to_string(config->kind),
                             notes.empty() ? "" : ": ", notes));
  }
  Loop loop(**store, agent, signals);
  if (auto opened = loop.open(config.value_or(Config{}).heartbeat); !opened)
    return tl::unexpected<Error>(opened.error());
  // After the first look nothing can come unseen: the messages are listened to already.
  if (auto started = agent.start(notes); !started) return tl::unexpected<Error>(started.error());
  const auto signal = loop.run();
  if (!signal) return signal;
  if (first) {
    agent.stop();
  } else {
    agent.leave();
  }
  return signal;
}

int run(bool first, const std::string& path) {
  const Fd signals = block_signals();
  if (first) mount_basics();
  const Words words(first);
  const auto ended = serve(first, path, words, signals);
  if (!ended) words(ended.error().message);
  if (!first) return ended ? 0 : 1;
  // Without an agent the domain is of no use. The kernel's panic at the end of its first process is
  // what a supervisor sees.
  if (!ended) return 1;
  power_off(*ended == kReboot || *ended == SIGINT);
  return 1;
}

}  // namespace
}  // namespace pciassign::agent

int main(int argc, char** argv) {
  using namespace pciassign::agent;
  const char* slash = argc > 0 ? std::strrchr(argv[0], '/') : nullptr;
  const std::string name = slash != nullptr ? slash + 1 : (argc > 0 ? argv[0] : "");
  if (name == "poweroff" || name == "halt") return ask_init(kPowerOff);
  if (name == "reboot") return ask_init(kReboot);
  const bool first = getpid() == 1;
  if (!first && argc > 1 && std::string_view(argv[1]) == "--version") {
    std::puts("pciassign-agent " PCIASSIGN_VERSION);
    return 0;
  }
  if (!first && argc > 2) {
    std::fputs("usage: pciassign-agent [--version | CONFIGURATION]\n", stderr);
    return 2;
  }
  // The kernel hands its own unknown parameters to the first process.
  return run(first, !first && argc > 1 ? argv[1] : kConfig);
}
