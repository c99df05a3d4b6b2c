// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Human readable names from pci.ids, through libpci.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace pciassign::detail {

/// One loaded list of names; loading it takes some milliseconds, so it is kept for a whole scan.
class Names {
 public:
  Names();
  ~Names();
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;
  /// May be called on any thread: a bus serves the daemon's loop and its worker.
  /// "Intel Corporation 82574L Gigabit Network Connection", or empty when unknown.
  std::string device(std::uint16_t vendor, std::uint16_t device);

 private:
  std::string look_up(std::uint16_t vendor, std::uint16_t device);

  struct Deleter {
    void operator()(void* access) const;
  };
  std::mutex lock_;  ///< libpci loads and caches while it looks up.
  std::unordered_map<std::uint32_t, std::string> known_;
  std::unique_ptr<void, Deleter> access_;
};

}  // namespace pciassign::detail
