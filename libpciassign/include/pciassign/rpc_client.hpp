// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// A blocking client of the control socket, for tools.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "pciassign/rpc_json.hpp"
#include "pciassign/rpc_message.hpp"

namespace pciassign::rpc {

class Client {
 public:
  /// ErrorKind::unavailable, with a hint how to start the daemon, when nobody answers at `path`.
  static Result<Client> connect(const std::string& path);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  /// Sends a request and waits for its answer; `on_step` sees the notifications until then.
  /// When `interrupted` becomes true (asked whenever a signal ends the wait), the request is
  /// cancelled once; the answer then tells what became of it.
  Result<boost::json::value> call(std::string_view method, boost::json::object params);
  std::function<void(const StepEvent&)> on_step;
  /// After "watch" was called.
  std::function<void(const ChangeEvent&)> on_event;
  /// Hands on what the daemon tells, until `interrupted` (success) or the daemon's end
  /// (unavailable).
  Result<void> follow();
  std::function<bool()> interrupted;
  /// `data` of the last error answer.
  [[nodiscard]] const boost::json::object& last_error_data() const noexcept { return error_data_; }

 private:
  explicit Client(int fd);
  Result<void> send(const std::string& line);
  Result<std::string> next_line(const std::function<bool()>& on_signal);
  void hear(const Notification& note, std::int64_t request) const;

  int fd_ = -1;
  std::int64_t next_id_ = 1;
  std::unique_ptr<LineFramer> framer_;
  std::deque<std::string> lines_;
  boost::json::object error_data_;
};

}  // namespace pciassign::rpc
