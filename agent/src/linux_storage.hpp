// SPDX-License-Identifier: GPL-2.0-or-later
// Disks of this domain: sysfs, loop devices, mounts, lvm.
#pragma once
#include "storage.hpp"

namespace pciassign::agent {

class LinuxStorage final : public Storage {
 public:
  [[nodiscard]] bool backend_driver() const override;
  [[nodiscard]] bool bound(BackendId id) const override;
  [[nodiscard]] bool disk_there() const override;
  [[nodiscard]] bool exists(const std::string& path) const override;
  [[nodiscard]] std::optional<std::uint64_t> requests(BackendId id) const override;
  Result<std::optional<Medium>> look_up(const std::string& path) override;
  Result<bool> in_use(const std::string& path) override;
  Result<std::string> attach_loop(const std::string& path, bool read_only) override;
  bool is_loop_of(const std::string& loop, const Medium& file) override;
  void detach_loop(const std::string& loop) override;
  Result<int> begin_mount(const Mount& mount) override;
  Result<int> begin_volumes() override;
  void unbind(BackendId id) override;
  Result<void> flush(const std::string& device) override;
  Result<void> unmount(const std::string& at) override;
  Result<void> deactivate_volumes() override;
};

}  // namespace pciassign::agent
