// SPDX-License-Identifier: GPL-2.0-or-later
// Requests to the kernel's routing socket, one at a time, each with its answer.
#pragma once
#include <linux/netlink.h>

#include <string>
#include <vector>

#include "files.hpp"
#include "pciassign/result.hpp"

namespace pciassign::agent {

/// A message that is put together piece by piece.
class Message {
 public:
  Message(std::uint16_t type, std::uint16_t flags);
  Message& raw(const void* data, std::size_t size);
  Message& attribute(std::uint16_t type, const void* data, std::size_t size);
  Message& number(std::uint16_t type, std::uint32_t value) {
    return attribute(type, &value, sizeof value);
  }
  Message& text(std::uint16_t type, const std::string& value) {
    return attribute(type, value.c_str(), value.size() + 1);
  }
  /// Attributes inside of an attribute, until end().
  Message& begin(std::uint16_t type);
  Message& end();
  const std::vector<char>& finish(std::uint32_t sequence);

 private:
  std::vector<char> bytes_;
  std::vector<std::size_t> open_;
};

class Netlink {
 public:
  /// Sends it and waits for the kernel's answer; `what` begins the words of an error.
  Result<void> ask(Message& message, const std::string& what);

 private:
  Fd socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace pciassign::agent
