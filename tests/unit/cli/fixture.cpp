// SPDX-License-Identifier: GPL-2.0-or-later
#include "fixture.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <fstream>

namespace pciassign::test {
namespace {

class SimulatedToolstack final : public cli::LocalToolstack {
 public:
  explicit SimulatedToolstack(Ports ports) : toolstack_(ports) {}
  Toolstack& toolstack() override { return toolstack_; }

 private:
  Toolstack toolstack_;
};

}  // namespace

DaemonTest::DaemonTest()
    : log_(
          [this](const daemon::LogRecord& record) {
            const std::lock_guard lock(log_mutex_);
            logged_.push_back(record);
            if (::getenv("PCIASSIGN_TEST_LOG") != nullptr)
              std::cerr << daemon::log_line(record) << '\n';
          },
          daemon::LogLevel::debug) {
  std::string pattern = ::testing::TempDir() + "pciassign.XXXXXX";
  directory = ::mkdtemp(pattern.data());
  config.paths.state = directory / "state";
  config.paths.runtime = directory / "run";
  config.paths.socket = directory / "sock";
  config.paths.metrics_socket = directory / "metrics.sock";
  world.add_device(nic, 20);
  world.add_device(disk, 21);
}

DaemonTest::~DaemonTest() {
  kill();
  std::filesystem::remove_all(directory);
}

void DaemonTest::start(config::Assignments assignments, config::DriverDomains domains) {
  start([&](daemon::Core& core) {
    core.set_assignments(std::move(assignments), std::move(domains));
  });
}

void DaemonTest::start_with_files() {
  config.paths.assignments = directory / "assignments.d";
  config.paths.domains = directory / "domains.d";
  start([this](daemon::Core& core) {
    core.read_domains(config.paths);
    core.commands().read_configuration = [this, &core]() -> Result<void> {
      core.read_domains(config.paths);
      return {};
    };
  });
}

void DaemonTest::start(const std::function<void(daemon::Core&)>& configure) {
  // Without the worker thread: the simulated ports belong to one thread.
  reactor_ = std::make_unique<daemon::Reactor>(daemon::Reactor::Worker::none);
  ++starts_;
  const Ports ports = world.ports();
  core_ = std::make_unique<daemon::Core>(
      *reactor_, Ports{ports.xen, ports.store, ports.pci, ports.journal, *clock_}, config, boot,
      log_, daemons_xl ? daemons_xl(*reactor_) : nullptr);
  configure(*core_);
  core_->server().on_line = [this](std::uint64_t session, std::string_view way,
                                   std::string_view line) { keep_message(session, way, line); };
  auto listening = daemon::listen_at(config.paths.socket);
  ASSERT_TRUE(listening) << listening.error().message;
  const auto started = core_->start(std::move(*listening));
  ASSERT_TRUE(started) << started.error().message;
  run_thread();
}

void DaemonTest::run_thread() {
  thread_ = std::thread([this] { reactor_->run(); });
}

void DaemonTest::keep_message(std::uint64_t session, std::string_view way, std::string_view text) {
  const std::lock_guard lock(messages_mutex_);
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::filesystem::path kept = std::filesystem::path(PCIASSIGN_TEST_BINARY_DIR) / "messages";
  std::filesystem::create_directories(kept);
  const boost::json::object line{
      {"test", std::string(test->test_suite_name()) + "." + test->name()},
      {"daemon", starts_},
      {"session", session},
      {"way", boost::json::string_view(way.data(), way.size())},
      {"text", boost::json::string_view(text.data(), text.size())}};
  std::ofstream(kept / (std::to_string(::getpid()) + ".jsonl"), std::ios::app)
      << boost::json::serialize(line) << '\n';
}

void DaemonTest::stop() {
  reactor_->post([this] { core_->shut_down([this] { reactor_->stop(); }); });
  thread_.join();
  core_.reset();
  reactor_.reset();
}

void DaemonTest::kill() {
  if (thread_.joinable()) {
    reactor_->stop();
    thread_.join();
  }
  core_.reset();
  reactor_.reset();
}

Ran DaemonTest::pciassign(std::vector<std::string> words) {
  std::ostringstream out, err;
  const Ports ports = world.ports();
  cli::Environment environment{.out = out,
                               .err = err,
                               .open_local = [&]() -> Result<std::unique_ptr<cli::LocalToolstack>> {
                                 return std::make_unique<SimulatedToolstack>(ports);
                               },
                               .xl = xl,
                               .config_file = directory / "pciassignd.toml",
                               .agent = directory / "root/agent",
                               .root = directory / "root"};
  // Behind "--" it would be no flag.
  words.insert(std::find(words.begin(), words.end(), "--"),
               {"--socket", config.paths.socket.string()});
  Ran ran;
  ran.status = cli::run(words, environment);
  ran.out = out.str();
  ran.err = err.str();
  if (std::find(words.begin(), words.end(), "--json") != words.end())
    keep_message(0, words.front() == "watch" ? "watch" : "cli", ran.out);
  return ran;
}

rpc::Client DaemonTest::client() {
  auto client = rpc::Client::connect(config.paths.socket);
  EXPECT_TRUE(client) << client.error().message;
  return std::move(*client);
}

daemon::UniqueFd DaemonTest::connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, config.paths.socket.c_str(), sizeof(address.sun_path) - 1);
  daemon::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  const timeval limit{kPatience.count(), 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  return fd;
}

void DaemonTest::put(const daemon::UniqueFd& fd, const std::string& text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t n = ::send(fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n <= 0) return;  // The daemon has had enough: what some tests are about.
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string DaemonTest::get_line(const daemon::UniqueFd& fd) {
  std::string line;
  for (char c = 0; ::recv(fd.get(), &c, 1, 0) == 1 && c != '\n';) line += c;
  return line;
}

bool DaemonTest::logged(std::string_view id) {
  const std::lock_guard lock(log_mutex_);
  return std::any_of(logged_.begin(), logged_.end(),
                     [&](const daemon::LogRecord& record) { return record.id.name() == id; });
}

std::vector<std::string> DaemonTest::journal_of(std::string_view id) {
  const std::lock_guard lock(log_mutex_);
  for (const daemon::LogRecord& record : logged_) {
    if (record.id.name() == id) return daemon::journal_entries(record);
  }
  return {};
}

config::Assignments assigned(const std::string& domain, const std::vector<std::string>& devices,
                             config::OnFailure on_failure) {
  config::Assignment assignment{
      .domain = domain, .devices = {}, .on_failure = on_failure, .origin = "test"};
  for (const std::string& text : devices)
    assignment.devices.push_back(DeviceSpec::parse(text).value());
  return {{domain, assignment}};
}

}  // namespace pciassign::test
