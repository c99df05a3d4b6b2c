// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// The control socket: accepts clients, tells who they are, hands their lines to the commands.
#pragma once
#include <filesystem>
#include <map>
#include <memory>

#include "commands.hpp"
#include "connection.hpp"
#include "log.hpp"
#include "reactor.hpp"

namespace pciassign::daemon {

/// A listening socket at `path`. A dead daemon's socket is replaced; a living one's is an error.
Result<UniqueFd> listen_at(const std::filesystem::path& path);

class Server {
 public:
  Server(Reactor& reactor, Commands& commands, Log& log, config::Limits limits);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void start(UniqueFd listening);
  /// No new clients; those that are there stay until their answers have left.
  void stop_accepting();
  /// For clients that come from now on.
  void set_limits(config::Limits limits) { limits_ = limits; }
  [[nodiscard]] std::size_t clients() const { return clients_.size(); }
  /// Sees every line, "request" or "answer" (a notification is one), with its session; for tests.
  std::function<void(std::uint64_t session, std::string_view way, std::string_view line)> on_line;

 private:
  struct Client {
    std::shared_ptr<Connection> connection;
    std::shared_ptr<Session> session;
  };
  void accept_one();
  void serve(UniqueFd fd, Peer peer);

  Reactor& reactor_;
  Commands& commands_;
  Log& log_;
  config::Limits limits_;
  UniqueFd listening_;
  std::unique_ptr<Reactor::Descriptor> watch_;
  std::map<std::uint64_t, Client> clients_;
  std::uint64_t next_ = 1;
};

}  // namespace pciassign::daemon
