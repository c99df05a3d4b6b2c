// SPDX-License-Identifier: GPL-2.0-or-later
// Disks, files and loop devices as a port: disks.hpp decides, linux_storage.cpp does, and tests
// simulate it.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "backend.hpp"

namespace pciassign::agent {

/// What a path leads to.
struct Medium {
  bool file = false;        ///< Otherwise a block device.
  dev_t device = 0;         ///< The block device; of a file, the device that it lies on.
  dev_t whole = 0;          ///< The disk of which the block device is a partition, or itself.
  std::uint64_t inode = 0;  ///< Of a file.
};

class Storage {
 public:
  virtual ~Storage() = default;
  /// Whether the kernel has blkback.
  [[nodiscard]] virtual bool backend_driver() const = 0;
  /// Whether blkback answers for the device.
  [[nodiscard]] virtual bool bound(BackendId id) const = 0;
  /// Whether a disk is there that hangs on a device (and is no loop, RAM or guest's disk).
  [[nodiscard]] virtual bool disk_there() const = 0;
  [[nodiscard]] virtual bool exists(const std::string& path) const = 0;
  /// Requests that the guest has sent.
  [[nodiscard]] virtual std::optional<std::uint64_t> requests(BackendId id) const = 0;

  /// Empty when there is nothing; an error for what is neither file nor block device.
  virtual Result<std::optional<Medium>> look_up(const std::string& path) = 0;
  /// Whether this domain itself uses a block device: mounted, or part of a volume.
  virtual Result<bool> in_use(const std::string& path) = 0;
  /// A loop device for a file: its path.
  virtual Result<std::string> attach_loop(const std::string& path, bool read_only) = 0;
  /// Whether the loop device is one for this file.
  virtual bool is_loop_of(const std::string& loop, const Medium& file) = 0;
  /// At once, or as soon as nobody has it open.
  virtual void detach_loop(const std::string& loop) = 0;

  /// Begins; job_ended() of the service is told the status, as waitpid() has it (for a mount, its
  /// errno).
  virtual Result<int> begin_mount(const Mount& mount) = 0;
  virtual Result<int> begin_volumes() = 0;

  // For the end. Each returns when it is done, or after a bounded time.
  virtual void unbind(BackendId id) = 0;
  virtual Result<void> flush(const std::string& device) = 0;
  virtual Result<void> unmount(const std::string& at) = 0;
  virtual Result<void> deactivate_volumes() = 0;
};

}  // namespace pciassign::agent
