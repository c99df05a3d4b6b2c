// SPDX-License-Identifier: GPL-2.0-or-later
// Guests' disks: partitions, volumes and files, each for one writer only.
#pragma once
#include <map>
#include <vector>

#include "service.hpp"
#include "storage.hpp"

namespace pciassign::agent {

class Disks final : public Service {
 public:
  Disks(Storage& storage, const BlockConfig& config);

  [[nodiscard]] Kind kind() const override { return Kind::vbd; }
  Result<void> start() override { return {}; }
  Result<void> look_around() override;
  void job_ended(int job, int status) override;
  [[nodiscard]] bool ready() const override { return ready_; }
  Outcome serve(const Backend& backend) override;
  void release(BackendId id) override;
  [[nodiscard]] bool bound(BackendId id) const override { return storage_.bound(id); }
  [[nodiscard]] std::optional<std::uint64_t> traffic(BackendId id) const override {
    return storage_.requests(id);
  }
  std::vector<std::string> stop() override;

 private:
  struct Served {
    Medium medium;
    bool writes = false, shared = false;
    std::string device;  ///< What blkback is given.
    bool loop = false;
  };
  struct MountPoint {
    Mount mount;
    int job = 0;
    bool done = false;
  };

  /// Words when another guest, or this domain, uses the medium in a way that does not go together.
  std::string conflict(BackendId id, const std::string& path, const Served& wanted);
  Result<std::string> device_of(const Backend& backend, const std::string& path,
                                const Served& wanted);

  Storage& storage_;
  bool volumes_;
  std::vector<MountPoint> mounts_;
  std::map<BackendId, Served> served_;
  int volumes_job_ = 0;
  bool volumes_done_ = false, volumes_again_ = false, ready_ = false;
  std::optional<Error> failure_;
};

}  // namespace pciassign::agent
