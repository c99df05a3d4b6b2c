// SPDX-License-Identifier: GPL-2.0-or-later
#include "xenbus.hpp"

#include <fcntl.h>
#include <poll.h>
// The header's table of errors needs <cerrno>.
#include <cerrno>
extern "C" {
#include <xen/io/xs_wire.h>
}

#include <cstring>
#include <deque>

namespace pciassign::agent {
namespace {

constexpr std::uint32_t kNoTransaction = 0;
// As libpciassign's: other writers finish in microseconds.
constexpr int kTransactionTries = 100;

struct Answer {
  std::uint32_t type = XS_INVALID;
  std::string body;
};

std::string terminated(const std::string& text) {
  return text + '\0';
}

/// What stands before the first NUL, and removes it with the NUL.
std::string take_word(std::string& text) {
  const std::size_t end = std::min(text.find('\0'), text.size());
  std::string word = text.substr(0, end);
  text.erase(0, end + 1);
  return word;
}

int error_number(const std::string& name) {
  for (const auto& error : xsd_errors) {
    if (name == error.errstring) return error.errnum;
  }
  return EINVAL;
}

/// Sends requests and receives answers; watch events that come meanwhile are kept.
class Wire {
 public:
  explicit Wire(Fd fd) : fd_(std::move(fd)) {}
  [[nodiscard]] int fd() const { return fd_.get(); }

  Result<std::string> ask(std::uint32_t type, std::uint32_t transaction, const std::string& body) {
    if (body.size() > XENSTORE_PAYLOAD_MAX) return fail_errno("too long for xenstore", E2BIG);
    const xsd_sockmsg head{.type = type,
                           .req_id = 0,
                           .tx_id = transaction,
                           .len = static_cast<std::uint32_t>(body.size())};
    std::string message(reinterpret_cast<const char*>(&head), sizeof head);
    message += body;
    // The kernel takes a request as a whole, or its first part: then it wants the rest.
    for (std::size_t sent = 0; sent < message.size();) {
      const ssize_t put = write(fd_.get(), message.data() + sent, message.size() - sent);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return fail_errno("asking xenstore");
      sent += static_cast<std::size_t>(put);
    }
    while (true) {
      auto answer = receive();
      if (!answer) return tl::unexpected<Error>(answer.error());
      if (answer->type == XS_WATCH_EVENT) {
        keep(std::move(answer->body));
      } else if (answer->type == XS_ERROR) {
        return fail_errno("xenstore", error_number(take_word(answer->body)));
      } else {
        return std::move(answer->body);
      }
    }
  }

  Result<std::optional<WatchEvent>> next_event() {
    while (events_.empty()) {
      pollfd ready{fd_.get(), POLLIN, 0};
      const int count = poll(&ready, 1, 0);
      if (count < 0 && errno != EINTR) return fail_errno("waiting for xenstore");
      if (count <= 0) return std::nullopt;
      auto message = receive();
      if (!message) return tl::unexpected<Error>(message.error());
      // Nothing is asked: it can only be an event.
      if (message->type == XS_WATCH_EVENT) keep(std::move(message->body));
    }
    WatchEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

 private:
  void keep(std::string body) {
    std::string path = take_word(body);
    events_.push_back({std::move(path), take_word(body)});
  }

  Result<void> read_all(char* to, std::size_t size) {
    while (size > 0) {
      const ssize_t got = read(fd_.get(), to, size);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_errno("listening to xenstore");
      if (got == 0) return fail(ErrorKind::unavailable, "xenstore has hung up");
      to += got;
      size -= static_cast<std::size_t>(got);
    }
    return {};
  }

  Result<Answer> receive() {
    xsd_sockmsg head{};
    if (auto read = read_all(reinterpret_cast<char*>(&head), sizeof head); !read)
      return tl::unexpected<Error>(read.error());
    if (head.len > XENSTORE_PAYLOAD_MAX)
      return fail(ErrorKind::unavailable, "xenstore says more than it may");
    Answer answer{head.type, std::string(head.len, '\0')};
    if (auto read = read_all(answer.body.data(), head.len); !read)
      return tl::unexpected<Error>(read.error());
    return answer;
  }

  Fd fd_;
  std::deque<WatchEvent> events_;
};

Result<void> only_whether(Result<std::string> answer) {
  if (!answer) return tl::unexpected<Error>(answer.error());
  return {};
}

/// The words of an error say what was done to which node.
tl::unexpected<Error> about(const char* what, const std::string& path, const Error& error) {
  if (error.sys_errno == 0) return tl::unexpected<Error>(error);
  return fail_errno(what + path, error.sys_errno);
}

class View : public StoreView {
 public:
  View(Wire& wire, std::uint32_t transaction) : wire_(wire), transaction_(transaction) {}

  Result<std::optional<std::string>> read(const std::string& path) override {
    auto answer = wire_.ask(XS_READ, transaction_, terminated(path));
    if (answer) return std::move(*answer);
    if (answer.error().sys_errno == ENOENT) return std::nullopt;
    return about("reading xenstore ", path, answer.error());
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    auto answer = wire_.ask(XS_DIRECTORY, transaction_, terminated(path));
    std::vector<std::string> names;
    if (!answer && answer.error().sys_errno == ENOENT) return names;
    if (!answer) return about("listing xenstore ", path, answer.error());
    while (!answer->empty()) names.push_back(take_word(*answer));
    return names;
  }
  Result<void> write(const std::string& path, const std::string& value) override {
    auto answer = wire_.ask(XS_WRITE, transaction_, terminated(path) + value);
    if (!answer) return about("writing xenstore ", path, answer.error());
    return {};
  }
  Result<void> mkdir(const std::string& path) override {
    auto answer = wire_.ask(XS_MKDIR, transaction_, terminated(path));
    if (!answer) return about("making xenstore ", path, answer.error());
    return {};
  }
  Result<void> remove(const std::string& path) override {
    auto answer = wire_.ask(XS_RM, transaction_, terminated(path));
    if (answer || answer.error().sys_errno == ENOENT) return {};
    return about("removing xenstore ", path, answer.error());
  }
  Result<void> set_perms(const std::string& path, const StorePerms&) override {
    return fail_errno("permissions of xenstore " + path, EPERM);
  }

 private:
  Wire& wire_;
  std::uint32_t transaction_;
};

class XenbusStore final : public Store {
 public:
  explicit XenbusStore(Fd fd) : wire_(std::move(fd)), plain_(wire_, kNoTransaction) {}

  Result<std::optional<std::string>> read(const std::string& path) override {
    return plain_.read(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return plain_.list(path);
  }
  Result<void> write(const std::string& path, const std::string& value) override {
    return plain_.write(path, value);
  }
  Result<void> mkdir(const std::string& path) override { return plain_.mkdir(path); }
  Result<void> remove(const std::string& path) override { return plain_.remove(path); }
  Result<void> set_perms(const std::string& path, const StorePerms& perms) override {
    return plain_.set_perms(path, perms);
  }

  Result<void> transaction(const std::function<Result<void>(StoreView&)>& body) override {
    for (int i = 0; i < kTransactionTries; ++i) {
      auto begun = wire_.ask(XS_TRANSACTION_START, kNoTransaction, terminated(""));
      if (!begun) return tl::unexpected<Error>(begun.error());
      const auto id = static_cast<std::uint32_t>(std::strtoul(begun->c_str(), nullptr, 10));
      View view(wire_, id);
      const auto outcome = body(view);
      const auto ended =
          only_whether(wire_.ask(XS_TRANSACTION_END, id, terminated(outcome ? "T" : "F")));
      if (outcome && ended) return {};
      const Error& error = outcome ? ended.error() : outcome.error();
      if (error.sys_errno != EAGAIN) return tl::unexpected<Error>(error);
    }
    return fail(ErrorKind::busy, "xenstore: too many transactions in a row conflicted");
  }

  Result<void> watch(const std::string& path, const std::string& token) override {
    return only_whether(wire_.ask(XS_WATCH, kNoTransaction, terminated(path) + terminated(token)));
  }
  Result<void> unwatch(const std::string& path, const std::string& token) override {
    return only_whether(
        wire_.ask(XS_UNWATCH, kNoTransaction, terminated(path) + terminated(token)));
  }
  [[nodiscard]] int fd() const override { return wire_.fd(); }
  Result<std::optional<WatchEvent>> next_event() override { return wire_.next_event(); }

 private:
  Wire wire_;
  View plain_;
};

}  // namespace

std::unique_ptr<Store> make_xenbus_store(Fd fd) {
  return std::make_unique<XenbusStore>(std::move(fd));
}

Result<std::unique_ptr<Store>> open_xenbus() {
  for (const char* path : {"/dev/xen/xenbus", "/proc/xen/xenbus"}) {
    Fd fd(open(path, O_RDWR | O_CLOEXEC));
    if (fd) return make_xenbus_store(std::move(fd));
  }
  return fail(ErrorKind::unavailable, "there is no /dev/xen/xenbus", "is this a Xen domain?");
}

}  // namespace pciassign::agent
