// SPDX-License-Identifier: GPL-2.0-or-later
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>

#include "app.hpp"
#include "pciassign/config.hpp"
#include "pciassign/journal.hpp"

namespace {

using namespace pciassign;

volatile sig_atomic_t interrupt_count = 0;

void on_interrupt(int) {
  // The second time the user means it: the daemon goes on by itself.
  if (interrupt_count > 0) ::_exit(130);
  interrupt_count = 1;
}

class RealToolstack final : public cli::LocalToolstack {
 public:
  static Result<std::unique_ptr<cli::LocalToolstack>> open() {
    auto real = std::make_unique<RealToolstack>();
    auto xen = open_hypervisor();
    if (!xen) return tl::unexpected<Error>(xen.error());
    auto store = open_store();
    if (!store) return tl::unexpected<Error>(store.error());
    const auto boot = boot_id();
    if (!boot) return tl::unexpected<Error>(boot.error());
    // Whoever has not got a configuration, or one that is wrong, still wants to look.
    const auto config = config::load_daemon_config(cli::kConfigFile);
    const config::Paths paths = config ? config->paths : config::Paths{};
    auto journal = open_journal(paths.runtime / "journal", *boot);
    if (!journal) return tl::unexpected<Error>(journal.error());
    real->xen_ = std::move(*xen);
    real->store_ = std::move(*store);
    real->journal_ = std::move(*journal);
    real->pci_ = make_sysfs_pci_bus();
    real->clock_ = make_steady_clock();
    real->toolstack_.emplace(
        Ports{*real->xen_, *real->store_, *real->pci_, *real->journal_, *real->clock_});
    return real;
  }
  Toolstack& toolstack() override { return *toolstack_; }

 private:
  std::unique_ptr<Hypervisor> xen_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<PciBus> pci_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Clock> clock_;
  std::optional<Toolstack> toolstack_;
};

bool colours_wanted() {
  const char* refused = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  return ::isatty(STDOUT_FILENO) == 1 && (refused == nullptr || *refused == '\0') && !dumb;
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  struct sigaction action = {};
  action.sa_handler = on_interrupt;  // Without SA_RESTART: it ends the wait for the daemon.
  ::sigaction(SIGINT, &action, nullptr);

  pciassign::cli::Environment environment{.out = std::cout,
                                          .err = std::cerr,
                                          .colour = colours_wanted(),
                                          .progress = ::isatty(STDERR_FILENO) == 1,
                                          .open_local = RealToolstack::open,
                                          .interrupted = [] { return interrupt_count > 0; },
                                          .xl = "xl",
                                          .agent = PCIASSIGN_AGENT};
  return pciassign::cli::run({argv + 1, argv + argc}, environment);
}
