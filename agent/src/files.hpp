// SPDX-License-Identifier: GPL-2.0-or-later
// Small files of /proc and /sys, and descriptors that close themselves.
#pragma once
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pciassign/result.hpp"

namespace pciassign::agent {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

bool exists(const std::string& path);
/// The whole of a small file.
Result<std::string> read_text(const std::string& path);
std::optional<std::uint64_t> read_number(const std::string& path);
Result<void> write_text(const std::string& path, const std::string& text);
std::vector<std::string> names_in(const std::string& directory);
/// The real path of a directory of sysfs; empty when there is none.
std::string real_path(const std::string& path);
/// Whether a device of sysfs (its real path) is a PCI device, or hangs on one.
bool below_pci(std::string path);

}  // namespace pciassign::agent
