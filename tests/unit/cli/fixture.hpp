// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// A daemon on a simulated machine, serving a real socket from a thread of its own. The machine is
/// touched only on that thread: see on_loop().
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "app.hpp"
#include "core.hpp"
#include "pciassign/rpc_client.hpp"
#include "pciassign/sim/world.hpp"

namespace pciassign::test {

/// What a command of the command line left.
struct Ran {
  int status = 0;
  std::string out, err;
};

class DaemonTest : public ::testing::Test {
 protected:
  DaemonTest();
  ~DaemonTest() override;

  /// Call in the test after the machine was set up.
  void start(config::Assignments assignments = {}, config::DriverDomains domains = {});
  /// With what assignments.d and domains.d of `directory` hold, which `reload` reads again.
  void start_with_files();
  /// Ends the daemon as SIGTERM does; start() may follow.
  void stop();
  /// Ends the daemon as kill -9 does, except that nothing is torn.
  void kill();

  Ran pciassign(std::vector<std::string> words);
  rpc::Client client();
  /// A bare connection, for what no client would send.
  daemon::UniqueFd connect();
  static void put(const daemon::UniqueFd& fd, const std::string& text);
  /// Up to the next newline, or what came until the end.
  static std::string get_line(const daemon::UniqueFd& fd);

  template <class F>
  auto on_loop(F f) {
    if (!thread_.joinable()) return f();
    std::packaged_task<decltype(f())()> task(std::move(f));
    auto future = task.get_future();
    reactor_->post([&task] { task(); });
    return future.get();
  }
  /// Waits until `condition` holds on the loop: not for ever, but as long as it takes a machine
  /// that has much else to do.
  template <class F>
  [[nodiscard]] bool eventually(F condition) {
    for (const auto end = std::chrono::steady_clock::now() + kPatience;
         std::chrono::steady_clock::now() < end;) {
      if (on_loop(condition)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  [[nodiscard]] daemon::Core& core() { return *core_; }
  [[nodiscard]] bool logged(std::string_view id);
  /// What journald would have got of the first such message.
  [[nodiscard]] std::vector<std::string> journal_of(std::string_view id);
  /// Of the daemon that runs; use it on the loop.
  daemon::Commands& commands() { return core_->commands(); }

  static constexpr std::chrono::seconds kPatience{120};
  const Sbdf nic{0, 0, 4, 0}, disk{0, 0, 5, 0};
  sim::World world;
  config::DaemonConfig config;
  std::string boot = "11111111-1111-4111-8111-111111111111";
  std::filesystem::path directory;
  std::string xl = "/bin/false";
  /// What the daemon has instead of xl; made anew for each daemon.
  std::function<std::unique_ptr<daemon::Xl>(daemon::Reactor&)> daemons_xl;

 private:
  void start(const std::function<void(daemon::Core&)>& configure);
  void run_thread();
  /// For the check of every message against the schemas, when all tests are over.
  void keep_message(std::uint64_t session, std::string_view way, std::string_view text);

  std::unique_ptr<Clock> clock_ = make_steady_clock();
  std::mutex log_mutex_, messages_mutex_;
  std::vector<daemon::LogRecord> logged_;
  int starts_ = 0;
  daemon::Log log_;
  std::unique_ptr<daemon::Reactor> reactor_;
  std::unique_ptr<daemon::Core> core_;
  std::thread thread_;
};

/// The entry of a domain as assignments.d would have it.
config::Assignments assigned(const std::string& domain, const std::vector<std::string>& devices,
                             config::OnFailure on_failure = config::OnFailure::keep_paused);

}  // namespace pciassign::test
