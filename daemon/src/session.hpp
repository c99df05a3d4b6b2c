// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// What the commands know of a client: who it is, how to answer it, what it has running.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "connection.hpp"
#include "metrics.hpp"
#include "scheduler.hpp"

namespace pciassign::daemon {

struct Session {
  std::uint64_t number = 0;
  Peer peer;
  std::function<void(std::string line)> send;
  /// The plans that its requests (integer ids) run, for `cancel`.
  std::map<std::int64_t, JobId> running;
};

/// One request that waits for its answer. The client may be gone by then; the answer is dropped.
class Call {
 public:
  /// `failures` counts what becomes of a change; null for what only asks.
  Call(const std::shared_ptr<Session>& session, boost::json::value id, Metrics* failures = nullptr)
      : session_(session), id_(std::move(id)), failures_(failures) {}

  [[nodiscard]] std::shared_ptr<Session> session() const { return session_.lock(); }
  /// The request's id where it is an integer, else 0.
  [[nodiscard]] std::int64_t number() const { return id_.is_int64() ? id_.as_int64() : 0; }

  void result(const boost::json::value& value) const { send(rpc::result_line(id_, value)); }
  void fail(const Error& error, const boost::json::object& extra = {}) const {
    if (failures_ != nullptr) failures_->failed(error);
    send(rpc::error_line(id_, error, extra));
  }
  void bad(int code, std::string message) const {
    send(rpc::bad_message_line({code, std::move(message), id_}));
  }
  void notify(std::string_view method, const boost::json::object& params) const {
    send(rpc::notification_line(method, params));
  }

 private:
  void send(std::string line) const {
    if (const auto session = session_.lock(); session && session->send)
      session->send(std::move(line));
  }
  std::weak_ptr<Session> session_;
  boost::json::value id_;
  Metrics* failures_;
};

}  // namespace pciassign::daemon
