// SPDX-License-Identifier: GPL-2.0-or-later
#include "uevents.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace pciassign::agent {
namespace {
constexpr unsigned kKernelGroup = 1;
// Hundreds of devices may come at once.
constexpr int kBuffer = 1 << 20;
}  // namespace

Uevent parse_uevent(std::string_view message) {
  Uevent event;
  while (!message.empty()) {
    const std::size_t end = std::min(message.find('\0'), message.size());
    const std::string_view word = message.substr(0, end);
    message.remove_prefix(std::min(end + 1, message.size()));
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = word.substr(0, equals), value = word.substr(equals + 1);
    if (key == "DEVPATH") event.device = value.substr(value.rfind('/') + 1);
    if (key == "SUBSYSTEM") event.subsystem = value;
    if (key == "INTERFACE") event.interface = value;
  }
  return event;
}

std::optional<BackendId> guest_of_interface(std::string_view name) {
  constexpr std::string_view kPrefix = "vif";
  const std::size_t dot = name.find('.');
  if (!name.starts_with(kPrefix) || dot == std::string_view::npos) return std::nullopt;
  return parse_id(name.substr(kPrefix.size(), dot - kPrefix.size()), name.substr(dot + 1));
}

std::optional<BackendId> guest_of_device(std::string_view name) {
  const std::size_t first = name.find('-');
  if (first == std::string_view::npos) return std::nullopt;
  name.remove_prefix(first + 1);
  const std::size_t second = name.find('-');
  if (second == std::string_view::npos) return std::nullopt;
  return parse_id(name.substr(0, second), name.substr(second + 1));
}

Result<void> Uevents::open() {
  socket_ = Fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (!socket_) return fail_errno("the kernel's device messages");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kKernelGroup;
  if (setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBuffer, sizeof kBuffer) != 0 ||
      bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("the kernel's device messages");
  return {};
}

std::optional<Uevent> Uevents::next() {
  std::array<char, 8192> message{};
  sockaddr_nl from{};
  socklen_t size = sizeof from;
  const ssize_t got = recvfrom(socket_.get(), message.data(), message.size(), 0,
                               reinterpret_cast<sockaddr*>(&from), &size);
  if (got < 0 && errno == ENOBUFS)
    return Uevent{.subsystem = {}, .interface = {}, .device = {}, .lost = true};
  if (got < 0) return std::nullopt;
  // Only the kernel's own.
  if (from.nl_pid != 0) return Uevent{};
  return parse_uevent({message.data(), static_cast<std::size_t>(got)});
}

}  // namespace pciassign::agent
