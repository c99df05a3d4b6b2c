// SPDX-License-Identifier: GPL-2.0-or-later
#include "service.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace pciassign::daemon::service {
namespace {

/// As systemd's: nobody else opens descriptors before main().
constexpr int kFirstInherited = 3;

/// Best effort: a daemon works on whether anybody listens or not.
void send_to(const std::string& path, const std::string& text) {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';  // of the abstract name space
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  (void)::sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), length);
}

std::optional<std::uint64_t> number_of(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  std::uint64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, value);
  if (error != std::errc{} || at != end) return std::nullopt;
  return value;
}

/// Whether what a variable says is meant for us rather than for our parent.
bool is_ours(const char* pid_variable) {
  const auto pid = number_of(pid_variable);
  return pid && *pid == static_cast<std::uint64_t>(::getpid());
}

}  // namespace

void notify(const std::string& state) {
  if (const char* path = std::getenv("NOTIFY_SOCKET")) send_to(path, state);
}

std::optional<UniqueFd> inherited_socket() {
  const bool one = is_ours("LISTEN_PID") && number_of("LISTEN_FDS") == 1U;
  for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(variable);
  if (!one || ::fcntl(kFirstInherited, F_SETFD, FD_CLOEXEC) != 0) return std::nullopt;
  return UniqueFd(kFirstInherited);
}

std::optional<std::chrono::microseconds> watchdog() {
  if (std::getenv("WATCHDOG_PID") != nullptr && !is_ours("WATCHDOG_PID")) return std::nullopt;
  const auto usec = number_of("WATCHDOG_USEC");
  if (!usec || *usec == 0) return std::nullopt;
  return std::chrono::microseconds(*usec);
}

void write_journal(const std::vector<std::string>& entries, const std::filesystem::path& socket) {
  std::string text;
  for (const std::string& entry : entries) text += entry + '\n';
  send_to(socket, text);
}

}  // namespace pciassign::daemon::service
