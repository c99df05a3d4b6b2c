// SPDX-License-Identifier: GPL-2.0-or-later
#include "connection.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace pciassign::daemon {
namespace {

/// No request is taken while more than this waits for the client.
constexpr std::size_t kBacklog = std::size_t{256} << 10;
/// What comes unasked (steps of plans) adds to it; a client that never reads is given up then.
constexpr std::size_t kMostUnread = std::size_t{8} << 20;

}  // namespace

Connection::Connection(Reactor& reactor, UniqueFd fd, std::size_t line_limit)
    : reactor_(reactor),
      fd_(std::move(fd)),
      watch_(reactor.watch(fd_.get())),
      framer_(line_limit) {}

void Connection::start() {
  watch_->on_readable([this] { readable(); });
}

void Connection::readable() {
  const auto self = shared_from_this();  // A handler may drop the last other reference.
  std::array<char, 16384> buffer;
  // One read for each event: a client that writes without end does not keep the others waiting.
  const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    close();
    return;
  }
  if (closing_) return;
  too_long_ = !framer_.feed({buffer.data(), static_cast<std::size_t>(n)},
                            [this](std::string_view line) { lines_.emplace_back(line); });
  next();
}

/// Decides what comes next: a line in a turn of its own, or more to read.
void Connection::next() {
  if (!fd_ || closing_) return;
  const bool waits = !lines_.empty() || too_long_;
  const bool behind = queued_bytes_ > kBacklog;
  if (waits || behind)
    watch_->pause_reading();
  else
    watch_->resume_reading();
  if (!waits || behind || std::exchange(turn_, true)) return;
  reactor_.post([self = shared_from_this()] {
    self->turn_ = false;
    self->take_one();
  });
}

void Connection::take_one() {
  if (!fd_ || closing_) return;
  if (!lines_.empty()) {
    const auto line = std::move(lines_.front());
    lines_.pop_front();
    if (on_line) on_line(line);
  } else if (std::exchange(too_long_, false) && on_too_long) {
    on_too_long();
  }
  next();
}

void Connection::send(std::string line) {
  if (!fd_ || closing_) return;
  // One answer may be larger than the bound; it is what is added to a heap that is not.
  if (queued_bytes_ > kMostUnread) {
    close();
    return;
  }
  queued_bytes_ += line.size();
  queue_.push_back(std::move(line));
  if (!waiting_) flush();
}

void Connection::flush() {
  while (!queue_.empty()) {
    const std::string& first = queue_.front();
    const ssize_t n = ::send(fd_.get(), first.data() + sent_of_first_,
                             first.size() - sent_of_first_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      waiting_ = true;
      watch_->once_writable([self = shared_from_this()] {
        self->waiting_ = false;
        if (self->fd_) self->flush();
        self->next();
      });
      return;
    }
    if (n < 0) {
      close();
      return;
    }
    sent_of_first_ += static_cast<std::size_t>(n);
    if (sent_of_first_ == first.size()) {
      queued_bytes_ -= first.size();
      sent_of_first_ = 0;
      queue_.pop_front();
    }
  }
  if (closing_) close();
}

void Connection::close_after_sending() {
  closing_ = true;
  if (!waiting_) flush();
}

void Connection::close() {
  if (!fd_) return;
  watch_.reset();
  fd_.reset();
  queue_.clear();
  // Later: whoever called us may be in the middle of using what on_closed takes away.
  reactor_.post([self = shared_from_this()] {
    if (const auto closed = std::exchange(self->on_closed, nullptr)) closed();
  });
}

}  // namespace pciassign::daemon
