// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// One client of the control socket: lines in, lines out, never blocking. The client is not
/// trusted: what it sends and what it leaves unread are both bounded, and however many requests it
/// sends at once, one is taken in each turn of the loop, and none while its answers lie unread.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "pciassign/rpc_message.hpp"
#include "reactor.hpp"
#include "unique_fd.hpp"

namespace pciassign::daemon {

struct Peer {
  uid_t uid = static_cast<uid_t>(-1);
  pid_t pid = 0;
  [[nodiscard]] bool root() const noexcept { return uid == 0; }
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Reactor& reactor, UniqueFd fd, std::size_t line_limit);

  std::function<void(std::string_view line)> on_line;
  std::function<void()> on_too_long;
  /// Called once, from the loop, when the connection is over for whatever reason.
  std::function<void()> on_closed;

  void start();
  void send(std::string line);
  /// Ends the connection once what was sent has left.
  void close_after_sending();
  void close();

 private:
  void readable();
  void next();
  void take_one();
  void flush();

  Reactor& reactor_;
  UniqueFd fd_;
  std::unique_ptr<Reactor::Descriptor> watch_;
  rpc::LineFramer framer_;
  std::deque<std::string> lines_;  ///< Of one read at most: more is read when they are done.
  bool too_long_ = false, turn_ = false;
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0, sent_of_first_ = 0;
  bool waiting_ = false, closing_ = false;
};

}  // namespace pciassign::daemon
