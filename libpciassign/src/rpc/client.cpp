// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/rpc_client.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

namespace pciassign::rpc {
namespace json = boost::json;
namespace {

tl::unexpected<Error> gone() {
  return fail(ErrorKind::unavailable, "the daemon closed the connection before it answered",
              "see: journalctl -u pciassignd");
}

}  // namespace

Client::Client(int fd) : fd_(fd), framer_(std::make_unique<LineFramer>(kMaxReplyBytes)) {}

Client::Client(Client&& other) noexcept {
  *this = std::move(other);
}

Client& Client::operator=(Client&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
    next_id_ = other.next_id_;
    framer_ = std::move(other.framer_);
    lines_ = std::move(other.lines_);
    error_data_ = std::move(other.error_data_);
    on_step = std::move(other.on_step);
    on_event = std::move(other.on_event);
    interrupted = std::move(other.interrupted);
  }
  return *this;
}

Client::~Client() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Client> Client::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return fail(ErrorKind::usage, fmt::format("the socket's path is too long: {}", path));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail_errno("cannot make a socket");
  Client client(fd);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    const int err = errno;
    Error error;
    error.kind = ErrorKind::unavailable;
    error.sys_errno = err;
    error.message = fmt::format("pciassignd does not answer at {}: {}", path, std::strerror(err));
    error.hint = err == EACCES ? "run this as root" : "start it: systemctl start pciassignd";
    return tl::unexpected<Error>(std::move(error));
  }
  return client;
}

Result<void> Client::send(const std::string& line) {
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t n = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return gone();
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

void Client::hear(const Notification& note, std::int64_t request) const {
  if (note.method == "event" && on_event) {
    if (const auto event = from_json<ChangeEvent>(json::value(note.params))) on_event(*event);
  } else if (note.method == "step" && on_step) {
    const auto event = from_json<StepEvent>(json::value(note.params));
    if (event && event->request == request) on_step(*event);
  }
}

/// `on_signal` says whether to go on waiting.
Result<std::string> Client::next_line(const std::function<bool()>& on_signal) {
  std::array<char, 16384> buffer;
  while (lines_.empty()) {
    const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) {
      if (on_signal()) continue;
      return fail(ErrorKind::failed, "interrupted", {}, "E-CANCELLED");
    }
    if (n <= 0) return gone();
    if (!framer_->feed({buffer.data(), static_cast<std::size_t>(n)},
                       [this](std::string_view line) { lines_.emplace_back(line); })) {
      return fail(ErrorKind::failed, "the daemon's answer is too long");
    }
  }
  std::string line = std::move(lines_.front());
  lines_.pop_front();
  return line;
}

Result<json::value> Client::call(std::string_view method, json::object params) {
  const std::int64_t id = next_id_++;
  std::optional<std::int64_t> cancel_id;
  error_data_.clear();
  if (auto sent = send(request_line({json::value(id), std::string(method), std::move(params)}));
      !sent) {
    return tl::unexpected<Error>(sent.error());
  }
  const auto cancel_once = [&] {
    if (cancel_id || !interrupted || !interrupted()) return true;
    cancel_id = next_id_++;
    // A failure to send shows up when the next line is read.
    (void)send(request_line({json::value(*cancel_id), "cancel", to_json(CancelParams{id})}));
    return true;
  };
  for (;;) {
    cancel_once();
    Result<std::string> line = next_line(cancel_once);
    if (!line) return tl::unexpected<Error>(line.error());
    auto incoming = parse_incoming(*line);
    if (!incoming) return tl::unexpected<Error>(incoming.error());
    if (const auto* note = std::get_if<Notification>(&*incoming)) {
      hear(*note, id);
      continue;
    }
    Reply& reply = std::get<Reply>(*incoming);
    if (reply.id.is_null() && reply.error) return tl::unexpected<Error>(*reply.error);
    if (!reply.id.is_int64() || reply.id.as_int64() != id) continue;  // The answer to a cancel.
    if (reply.error) {
      error_data_ = std::move(reply.error_data);
      return tl::unexpected<Error>(*reply.error);
    }
    return std::move(reply.result);
  }
}

Result<void> Client::follow() {
  const auto on_signal = [this] { return !interrupted || !interrupted(); };
  while (on_signal()) {
    const Result<std::string> line = next_line(on_signal);
    if (!line && line.error().code == "E-CANCELLED") break;
    if (!line) return tl::unexpected<Error>(line.error());
    const auto incoming = parse_incoming(*line);
    if (!incoming) return tl::unexpected<Error>(incoming.error());
    if (const auto* note = std::get_if<Notification>(&*incoming)) hear(*note, 0);
  }
  return {};
}

}  // namespace pciassign::rpc
