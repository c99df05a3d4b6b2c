// SPDX-License-Identifier: GPL-2.0-or-later
// pciassignd: options, ports, signals; the rest is Core.
#include <fmt/format.h>
#include <getopt.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <tuple>

#include "core.hpp"
#include "former_state.hpp"
#include "pciassign/journal.hpp"
#include "service.hpp"
#include "version.hpp"

namespace pciassign::daemon {
namespace {

struct Options {
  std::string config_file = "/etc/pciassign/pciassignd.toml";
  bool config_given = false;
  std::optional<std::string> state, runtime, socket, assignments;
  std::string log_level;
  bool foreground = false;
};

int complain(const Error& error) {
  std::fprintf(stderr, "pciassignd: error: %s\n", error.message.c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "hint: %s\n", error.hint.c_str());
  return exit_status(error.kind);
}

Result<config::DaemonConfig> read_config(const Options& options) {
  config::DaemonConfig config;
  Result<config::DaemonConfig> read = config::load_daemon_config(options.config_file);
  if (read) {
    config = std::move(*read);
  } else if (options.config_given || read.error().kind != ErrorKind::not_found) {
    return read;  // Without the file the defaults serve, unless it was asked for.
  }
  const auto take = [](std::string_view option, const std::optional<std::string>& given,
                       std::filesystem::path& path) -> Result<void> {
    if (!given) return {};
    auto read = config::path_of_option(option, *given);
    if (!read) return tl::unexpected<Error>(read.error());
    path = std::move(*read);
    return {};
  };
  for (const auto& [option, given, path] :
       {std::tuple("--state-dir", &options.state, &config.paths.state),
        std::tuple("--socket", &options.socket, &config.paths.socket),
        std::tuple("--assignments", &options.assignments, &config.paths.assignments)})
    if (auto taken = take(option, *given, *path); !taken)
      return tl::unexpected<Error>(taken.error());
  if (!options.log_level.empty()) {
    const auto level = config::parse_log_level(options.log_level);
    if (!level) return tl::unexpected<Error>(level.error());
    config.log_level = *level;
  }
  return config;
}

/// The socket that systemd made for us, or our own.
Result<UniqueFd> listening_socket(const config::DaemonConfig& config) {
  if (auto inherited = service::inherited_socket()) return std::move(*inherited);
  return listen_at(config.paths.socket);
}

LogSink choose_sink(const Options& options) {
  // systemd sets JOURNAL_STREAM where stderr is the journal: then its fields can be used.
  const bool journal = !options.foreground && std::getenv("JOURNAL_STREAM") != nullptr;
  return journal ? journal_sink() : stderr_sink();
}

/// When something is wrong with the daemon's own file: nothing. A bad entry concerns itself only.
Result<void> reload(const Options& options, Core& core, Log& log) {
  const Result<config::DaemonConfig> config = read_config(options);
  if (!config) {
    log.error("config", config.error().message + "; the former configuration stays");
    return tl::unexpected<Error>(config.error());
  }
  const bool all = core.reconfigure(*config);
  core.read_domains(config->paths);
  log.info("config", "configuration read again");
  if (!all) log.warning("config", "other paths of state, runtime, socket or sysfs need a restart");
  return {};
}

/// Tells systemd from the loop that it turns. Null where no watchdog waits for that.
std::unique_ptr<Reactor::Timer> feed_watchdog(Reactor& reactor) {
  const auto period = service::watchdog();
  if (!period) return nullptr;
  auto timer = reactor.make_timer();
  const auto again = std::make_shared<std::function<void()>>();
  *again = [&clock = *timer, weak = std::weak_ptr(again), period] {
    service::notify("WATCHDOG=1");
    const auto self = weak.lock();
    clock.at(std::chrono::steady_clock::now() + *period / 2, [self] { (*self)(); });
  };
  (*again)();
  return timer;
}

int run(const Options& options) {
  const Result<config::DaemonConfig> config = read_config(options);
  if (!config) return complain(config.error());
  Log log(choose_sink(options), config->log_level);

  const auto xen = open_hypervisor();
  if (!xen) return complain(xen.error());
  const auto store = open_store();
  if (!store) return complain(store.error());
  std::error_code ec;
  std::filesystem::create_directories(config->paths.state, ec);
  const auto boot = boot_id();
  if (!boot) return complain(boot.error());
  const auto journal = open_journal(config->paths.runtime / "journal", *boot);
  if (!journal) return complain(journal.error());
  const auto pci = make_sysfs_pci_bus(config->paths.sysfs);
  const auto clock = make_steady_clock();

  Reactor reactor;
  int status = EXIT_SUCCESS;
  {
    const Ports ports{**xen, **store, *pci, **journal, *clock};
    if (const auto settled = settle_former_state(ports, config->paths, *boot, log); !settled)
      return complain(settled.error());
    Core core(reactor, ports, *config, *boot, log);
    core.read_domains(config->paths);
    core.on_store_lost = [&] {
      status = EXIT_FAILURE;
      reactor.stop();
    };
    core.commands().read_configuration = [&] { return reload(options, core, log); };
    bool stopping = false;
    reactor.on_signals({SIGTERM, SIGINT, SIGHUP}, [&](int number) {
      if (number == SIGHUP) {
        (void)reload(options, core, log);  // It logs what is wrong.
        return;
      }
      if (std::exchange(stopping, true)) return;
      service::notify("STOPPING=1");
      core.shut_down([&] { reactor.stop(); });
    });

    auto listening = listening_socket(*config);
    if (!listening) return complain(listening.error());
    if (const auto started = core.start(std::move(*listening)); !started)
      return complain(started.error());
    service::notify("READY=1");
    const auto watchdog = feed_watchdog(reactor);
    log.info("ready", fmt::format("version {}", kVersion),
             {{"socket", config->paths.socket.string()}});
    reactor.run();
  }
  log.info("stopped", "nothing is under way");
  return status;
}

}  // namespace
}  // namespace pciassign::daemon

namespace pciassign::daemon {
namespace {

constexpr auto kUsage =
    R"(pciassignd: grants PCI devices to Xen domains, and keeps driver domains alive
Usage: pciassignd [OPTION]...

  --config FILE        configuration file (/etc/pciassign/pciassignd.toml)
  --state-dir DIR      what outlasts a boot
  --runtime-dir DIR    what was granted to whom in this boot
  --socket PATH        control socket
  --assignments DIR    directory of assignments
  --log-level LEVEL    debug, info, warning or error
  --foreground         log to stderr, also under systemd
  --version
  -h, --help
)";

/// The status with which to end, or nothing: go on.
std::optional<int> parse(int argc, char** argv, Options& options) {
  constexpr option kOptions[]{{"config", required_argument, nullptr, 'c'},
                              {"state-dir", required_argument, nullptr, 's'},
                              {"runtime-dir", required_argument, nullptr, 'r'},
                              {"socket", required_argument, nullptr, 'k'},
                              {"assignments", required_argument, nullptr, 'a'},
                              {"log-level", required_argument, nullptr, 'l'},
                              {"foreground", no_argument, nullptr, 'f'},
                              {"version", no_argument, nullptr, 'v'},
                              {"help", no_argument, nullptr, 'h'},
                              {nullptr, 0, nullptr, 0}};
  for (int found = 0; (found = ::getopt_long(argc, argv, "h", kOptions, nullptr)) != -1;) {
    switch (found) {
      case 'c':
        options.config_file = ::optarg;
        options.config_given = true;
        break;
      case 's':
        options.state = ::optarg;
        break;
      case 'r':
        options.runtime = ::optarg;
        break;
      case 'k':
        options.socket = ::optarg;
        break;
      case 'a':
        options.assignments = ::optarg;
        break;
      case 'l':
        options.log_level = ::optarg;
        break;
      case 'f':
        options.foreground = true;
        break;
      case 'v':
        std::printf("pciassignd %s\n", kVersion);
        return 0;
      case 'h':
        std::fputs(kUsage, stdout);
        return 0;
      default:
        return 2;
    }
  }
  if (::optind == argc) return std::nullopt;
  std::fprintf(stderr, "pciassignd: no such argument: %s\n", argv[::optind]);
  return 2;
}

}  // namespace
}  // namespace pciassign::daemon

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(077);
  pciassign::daemon::Options options;
  if (const auto status = pciassign::daemon::parse(argc, argv, options)) return *status;
  return pciassign::daemon::run(options);
}
