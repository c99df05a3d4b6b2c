// SPDX-License-Identifier: GPL-2.0-or-later
#include "netlink.hpp"

#include <sys/socket.h>

#include <array>
#include <cstring>

namespace pciassign::agent {
namespace {
constexpr std::size_t kAlign = NLMSG_ALIGNTO;
}

Message::Message(std::uint16_t type, std::uint16_t flags) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  raw(&header, sizeof header);
}

Message& Message::raw(const void* data, std::size_t size) {
  const std::size_t at = bytes_.size();
  bytes_.resize(at + (size + kAlign - 1) / kAlign * kAlign);
  if (size > 0) std::memcpy(bytes_.data() + at, data, size);
  return *this;
}

Message& Message::attribute(std::uint16_t type, const void* data, std::size_t size) {
  nlattr head{};
  head.nla_len = static_cast<std::uint16_t>(sizeof head + size);
  head.nla_type = type;
  raw(&head, sizeof head);
  return raw(data, size);
}

Message& Message::begin(std::uint16_t type) {
  open_.push_back(bytes_.size());
  return attribute(type, nullptr, 0);
}

Message& Message::end() {
  const std::size_t at = open_.back();
  open_.pop_back();
  nlattr head{};
  std::memcpy(&head, bytes_.data() + at, sizeof head);
  head.nla_len = static_cast<std::uint16_t>(bytes_.size() - at);
  std::memcpy(bytes_.data() + at, &head, sizeof head);
  return *this;
}

const std::vector<char>& Message::finish(std::uint32_t sequence) {
  nlmsghdr header{};
  std::memcpy(&header, bytes_.data(), sizeof header);
  header.nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
  header.nlmsg_seq = sequence;
  std::memcpy(bytes_.data(), &header, sizeof header);
  return bytes_;
}

Result<void> Netlink::ask(Message& message, const std::string& what) {
  if (!socket_) {
    socket_ = Fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket_) return fail_errno(what);
  }
  const std::uint32_t sequence = ++sequence_;
  const std::vector<char>& bytes = message.finish(sequence);
  if (send(socket_.get(), bytes.data(), bytes.size(), 0) < 0) return fail_errno(what);
  // Nothing else was asked for, so what comes is the answer, or one to a request that was given up.
  while (true) {
    alignas(nlmsghdr) std::array<char, 8192> answer{};
    const ssize_t got = recv(socket_.get(), answer.data(), answer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(what);
    nlmsghdr header{};
    nlmsgerr error{};
    if (static_cast<std::size_t>(got) < sizeof header + sizeof error.error) continue;
    std::memcpy(&header, answer.data(), sizeof header);
    if (header.nlmsg_type != NLMSG_ERROR || header.nlmsg_seq != sequence) continue;
    std::memcpy(&error.error, answer.data() + sizeof header, sizeof error.error);
    if (error.error == 0) return {};
    return fail_errno(what, -error.error);
  }
}

}  // namespace pciassign::agent
