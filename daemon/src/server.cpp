// SPDX-License-Identifier: GPL-2.0-or-later
#include "server.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

namespace pciassign::daemon {
namespace {

bool somebody_answers(const sockaddr_un& address) {
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return probe &&
         ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

Peer peer_of(int fd) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  Peer peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
    peer.uid = credentials.uid;
    peer.pid = credentials.pid;
  }
  return peer;
}

}  // namespace

Result<UniqueFd> listen_at(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = path.string();
  if (name.size() >= sizeof(address.sun_path)) {
    return fail(ErrorKind::usage, fmt::format("the socket's path is too long: {}", name));
  }
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  std::error_code ec;
  if (std::filesystem::create_directories(path.parent_path(), ec)) {
    ::chmod(path.parent_path().c_str(), 0755);
  }
  if (somebody_answers(address)) {
    return fail(ErrorKind::busy, fmt::format("another daemon answers at {}", name),
                "stop it, or give --socket");
  }
  ::unlink(name.c_str());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("cannot make a socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return fail_errno(fmt::format("cannot bind {}", name));
  }
  // Anybody may ask; only root may change, which is decided by the peer's credentials.
  if (::chmod(name.c_str(), 0666) != 0 || ::listen(fd.get(), 32) != 0) {
    return fail_errno(fmt::format("cannot listen at {}", name));
  }
  return fd;
}

Server::Server(Reactor& reactor, Commands& commands, Log& log, config::Limits limits)
    : reactor_(reactor), commands_(commands), log_(log), limits_(limits) {}

Server::~Server() {
  auto clients = std::move(clients_);
  for (auto& [number, client] : clients) {
    client.connection->on_closed = nullptr;
    client.connection->close();
  }
}

void Server::start(UniqueFd listening) {
  listening_ = std::move(listening);
  watch_ = reactor_.watch(listening_.get());
  watch_->on_readable([this] { accept_one(); });
}

void Server::stop_accepting() {
  watch_.reset();
  listening_.reset();
}

void Server::accept_one() {
  UniqueFd fd(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return;
  const Peer peer = peer_of(fd.get());
  // A half of the places is root's, so that others cannot lock the administrator out.
  const auto others = static_cast<std::size_t>(
      std::count_if(clients_.begin(), clients_.end(),
                    [](const auto& item) { return !item.second.session->peer.root(); }));
  if (clients_.size() >= limits_.clients || (!peer.root() && others >= limits_.clients / 2)) {
    log_.warning("too-many-clients", "a client was turned away",
                 {{"uid", std::to_string(peer.uid)}});
    const std::string line = rpc::error_line(
        nullptr, Error{ErrorKind::busy, "E-BUSY", "the daemon has as many clients as it takes",
                       "try again in a moment", 0});
    [[maybe_unused]] const ssize_t n =
        ::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return;
  }
  serve(std::move(fd), peer);
}

void Server::serve(UniqueFd fd, Peer peer) {
  const std::uint64_t number = next_++;
  auto connection = std::make_shared<Connection>(reactor_, std::move(fd), limits_.message_bytes);
  auto session = std::make_shared<Session>();
  session->number = number;
  session->peer = peer;
  session->send = [this, number, weak = std::weak_ptr(connection)](std::string line) {
    if (on_line) on_line(number, "answer", line);
    if (const auto strong = weak.lock()) strong->send(std::move(line));
  };
  connection->on_line = [this, session](std::string_view line) {
    if (on_line) on_line(session->number, "request", line);
    commands_.handle(session, line);
  };
  connection->on_too_long = [this, weak = std::weak_ptr(connection), peer] {
    log_.warning("message-too-long", "a client sent too long a message",
                 {{"uid", std::to_string(peer.uid)}});
    if (const auto strong = weak.lock()) {
      strong->send(rpc::bad_message_line(
          {rpc::kInvalidRequest,
           fmt::format("a message is longer than {} bytes", limits_.message_bytes), nullptr}));
      strong->close_after_sending();
    }
  };
  connection->on_closed = [this, session, number] {
    session->send = nullptr;
    commands_.session_closed(*session);
    clients_.erase(number);
  };
  clients_.emplace(number, Client{connection, session});
  connection->start();
}

}  // namespace pciassign::daemon
