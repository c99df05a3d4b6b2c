// SPDX-License-Identifier: GPL-2.0-or-later
// The control socket against clients that misbehave.
#include <sys/socket.h>

#include <array>

#include "fixture.hpp"

namespace pciassign::test {
namespace {

using ::testing::HasSubstr;

constexpr auto kVersionRequest = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\"}\n";

TEST_F(DaemonTest, a_garbage_line_is_answered_and_the_connection_lives_on) {
  start();
  const auto fd = connect();
  put(fd, "\x01garbage\xff\n");
  EXPECT_THAT(get_line(fd), HasSubstr("-32700"));
  put(fd, kVersionRequest);
  EXPECT_THAT(get_line(fd), HasSubstr("\"protocol\":1"));
}

TEST_F(DaemonTest, half_a_line_does_nothing) {
  start();
  {
    const auto fd = connect();
    put(fd, R"({"jsonrpc":"2.0","id":1,"method":"att)");
  }
  EXPECT_EQ(pciassign({"version"}).status, 0);
}

TEST_F(DaemonTest, a_line_may_arrive_byte_by_byte) {
  start();
  const auto fd = connect();
  for (const char* c = kVersionRequest; *c != '\0'; ++c) put(fd, std::string(1, *c));
  EXPECT_THAT(get_line(fd), HasSubstr("\"protocol\":1"));
}

TEST_F(DaemonTest, requests_in_one_packet_are_all_answered) {
  start();
  const auto fd = connect();
  put(fd, std::string(kVersionRequest) + kVersionRequest);
  EXPECT_THAT(get_line(fd), HasSubstr("protocol"));
  EXPECT_THAT(get_line(fd), HasSubstr("protocol"));
}

TEST_F(DaemonTest, an_oversized_message_is_refused_and_the_connection_closed) {
  config.limits.message_bytes = 4096;
  start();
  const auto fd = connect();
  put(fd, std::string(5000, 'x'));
  EXPECT_THAT(get_line(fd), HasSubstr("longer than 4096"));
  EXPECT_EQ(get_line(fd), "");
  EXPECT_EQ(pciassign({"version"}).status, 0);
}

TEST_F(DaemonTest, an_unknown_method_is_told) {
  start();
  const auto fd = connect();
  put(fd, "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"fly\"}\n");
  const std::string line = get_line(fd);
  EXPECT_THAT(line, HasSubstr("-32601"));
  EXPECT_THAT(line, HasSubstr("\"id\":\"a\""));
}

TEST_F(DaemonTest, more_clients_than_allowed_are_turned_away) {
  config.limits.clients = 2;
  start();
  const auto first = connect();
  const auto second = connect();
  put(second, kVersionRequest);
  EXPECT_THAT(get_line(second), HasSubstr("protocol"));
  const auto third = connect();
  EXPECT_THAT(get_line(third), HasSubstr("busy"));
}

TEST_F(DaemonTest, a_second_daemon_does_not_take_the_socket_away) {
  start();
  const auto taken = daemon::listen_at(config.paths.socket);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, ErrorKind::busy);
}

TEST_F(DaemonTest, the_socket_of_a_dead_daemon_is_replaced) {
  start();
  kill();
  start();
  EXPECT_EQ(pciassign({"version"}).status, 0);
}

TEST_F(DaemonTest, a_client_that_goes_away_in_the_middle_of_an_attach_does_not_stop_it) {
  world.add_domain(3, "net", sim::FrontMode::silent);
  start();
  {
    const auto fd = connect();
    put(fd,
        R"({"jsonrpc":"2.0","id":1,"method":"attach","params":{"domain":"net","devices":["00:04.0"]}})"
        "\n");
    EXPECT_TRUE(eventually([&] { return world.xen.devices[nic].owner == 3; }));
  }
  ASSERT_TRUE(eventually([&] { return logged("client-gone"); }));
  on_loop([&] {
    world.guest(3).front = sim::FrontMode::responsive;
    world.store.put("/local/domain/3/device/pci/0/kick", "1");
    return 0;
  });
  EXPECT_TRUE(eventually([&] {
    const auto record = world.records().find(nic);
    return record && *record && (*record)->phase == Phase::attached;
  }));
}

/// A session of somebody who is not root, without the need to be somebody else.
TEST_F(DaemonTest, only_root_may_change) {
  world.add_domain(3, "net");
  const Ports ports = world.ports();
  daemon::Log log([](const auto&) {}, daemon::LogLevel::error);
  daemon::Reactor reactor(daemon::Reactor::Worker::none);
  daemon::Core core(reactor, ports, config, boot, log);
  const auto session = std::make_shared<daemon::Session>();
  session->peer.uid = 1000;
  std::string answer;
  session->send = [&](std::string line) { answer = std::move(line); };
  for (const char* method :
       {"attach", "detach", "reserve", "release", "create-prepare", "create-complete", "cancel"}) {
    core.commands().handle(session,
                           std::string(R"({"jsonrpc":"2.0","id":1,"method":")") + method + "\"}");
    EXPECT_THAT(answer, HasSubstr("E-NOT-ROOT")) << method;
  }
  core.commands().handle(session, R"({"jsonrpc":"2.0","id":1,"method":"list"})");
  EXPECT_THAT(answer, HasSubstr("\"result\""));
}

/// A connection by itself; the test is its client.
class OneConnection : public ::testing::Test {
 protected:
  OneConnection() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
      throw std::runtime_error("socketpair");
    client = daemon::UniqueFd(ends[0]);
    connection = std::make_shared<daemon::Connection>(reactor, daemon::UniqueFd(ends[1]), 4096);
  }
  ~OneConnection() override { connection->close(); }
  void put(std::string_view text) const {
    ASSERT_EQ(::send(client.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  /// Runs `task` once for each of `turns` turns of the loop, and then ends the loop.
  void each_turn(int turns, std::function<void()> task) {
    reactor.post([this, turns, task = std::move(task)] {
      task();
      if (turns > 1) return each_turn(turns - 1, task);
      reactor.stop();
    });
  }
  daemon::Reactor reactor{daemon::Reactor::Worker::none};
  daemon::UniqueFd client;
  std::shared_ptr<daemon::Connection> connection;
};

TEST_F(OneConnection, others_have_their_turn_between_two_requests) {
  std::string order;
  connection->on_line = [&](std::string_view line) {
    order += line;
    reactor.post([&] { order += '.'; });
    if (line == "c") reactor.post([&] { reactor.stop(); });
  };
  connection->start();
  put("a\nb\nc\n");
  reactor.run();
  EXPECT_EQ(order, "a.b.c.");
}

TEST_F(OneConnection, no_request_is_taken_while_the_answers_lie_unread) {
  int taken = 0;
  const std::string answer(1U << 20, 'x');
  connection->on_line = [&](std::string_view) {
    ++taken;
    connection->send(answer);
  };
  connection->start();
  put("a\nb\n");
  put("c\n");
  int most = 0;
  std::size_t read = 0;
  each_turn(100'000, [&, turn = 0]() mutable {
    if (++turn < 1000) {
      most = std::max(most, taken);
      return;
    }
    std::array<char, 65536> buffer;
    const auto n = ::recv(client.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) read += static_cast<std::size_t>(n);
    if (read == 3 * answer.size()) reactor.stop();
  });
  reactor.run();
  EXPECT_EQ(most, 1);
  EXPECT_EQ(taken, 3);
  EXPECT_EQ(read, 3 * answer.size());
}

TEST_F(OneConnection, a_client_that_never_reads_what_comes_unasked_is_given_up) {
  bool closed = false;
  connection->on_closed = [&] {
    closed = true;
    reactor.stop();
  };
  connection->start();
  for (int i = 0; i < 12; ++i) connection->send(std::string(1U << 20, 'x'));
  each_turn(100, [] {});
  reactor.run();
  EXPECT_TRUE(closed);
}

}  // namespace
}  // namespace pciassign::test
