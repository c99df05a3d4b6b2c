// SPDX-License-Identifier: GPL-2.0-or-later
#include "disks.hpp"

#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace pciassign::agent {
namespace {

/// The path of `params`: "phy:" and its kin are forms of old configurations, a name is one below
/// /dev.
std::string path_of(std::string params) {
  for (const std::string_view prefix : std::array<std::string_view, 3>{"phy:", "file:", "raw:"}) {
    if (params.starts_with(prefix)) {
      params.erase(0, prefix.size());
      break;
    }
  }
  if (!params.empty() && params.front() != '/') params.insert(0, "/dev/");
  return params;
}

bool overlap(const Medium& a, const Medium& b) {
  if (a.file != b.file) return false;
  if (a.device == b.device) return !a.file || a.inode == b.inode;
  // A partition, and the whole disk that it is on.
  return !a.file && (a.whole == b.device || b.whole == a.device);
}

}  // namespace

Disks::Disks(Storage& storage, const BlockConfig& config)
    : storage_(storage), volumes_(config.volumes) {
  for (const Mount& mount : config.mounts) mounts_.push_back({mount, 0, false});
}

Result<void> Disks::look_around() {
  const bool disk = storage_.disk_there();
  if (volumes_ && disk) {
    // Each new disk may bring volumes; a disk that comes while they are looked for is looked at
    // afterwards.
    if (volumes_job_ != 0) {
      volumes_again_ = true;
    } else if (!volumes_done_ || volumes_again_) {
      volumes_again_ = false;
      auto job = storage_.begin_volumes();
      if (!job) return tl::unexpected<Error>(job.error());
      volumes_job_ = *job;
    }
  }
  bool all = disk && (!volumes_ || volumes_done_);
  for (MountPoint& point : mounts_) {
    if (!point.done && point.job == 0 && !failure_ && storage_.exists(point.mount.device)) {
      auto job = storage_.begin_mount(point.mount);
      if (!job) return tl::unexpected<Error>(job.error());
      point.job = *job;
    }
    all = all && point.done;
  }
  ready_ = all;
  if (failure_) return tl::unexpected<Error>(*failure_);
  return {};
}

void Disks::job_ended(int job, int status) {
  if (job == volumes_job_) {
    volumes_job_ = 0;
    volumes_done_ = true;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
      failure_ = Error{ErrorKind::failed, {}, "volumes could not be activated: lvm failed", {}};
    return;
  }
  for (MountPoint& point : mounts_) {
    if (point.job != job) continue;
    point.job = 0;
    const int error = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    point.done = error == 0;
    if (point.done) return;
    failure_ = Error{ErrorKind::failed,
                     {},
                     fmt::format("{} could not be mounted at {}: {}", point.mount.device,
                                 point.mount.at, std::strerror(error)),
                     {},
                     error};
  }
}

Outcome Disks::serve(const Backend& backend) {
  if (backend.connected() && served_.contains(backend.id))
    return {Outcome::What::connected, {}, {}};
  const std::string path = path_of(backend.node("params"));
  if (path.empty()) return {Outcome::What::refused, "no params: which disk?", {}};
  auto medium = storage_.look_up(path);
  if (!medium) return {Outcome::What::refused, medium.error().message, {}};
  if (!*medium) return {Outcome::What::waiting, path + " does not exist", {}};

  const std::string mode = backend.node("mode");
  Served wanted{.medium = **medium,
                .writes = mode.starts_with('w'),
                .shared = mode.ends_with('!'),
                .device = {}};
  if (std::string words = conflict(backend.id, path, wanted); !words.empty())
    return {Outcome::What::refused, std::move(words), {}};
  auto device = device_of(backend, path, wanted);
  if (!device) return {Outcome::What::refused, device.error().message, {}};
  wanted.device = *device;
  wanted.loop = wanted.medium.file;
  dev_t number = wanted.medium.device;
  if (wanted.loop) {
    auto loop = storage_.look_up(*device);
    if (!loop || !*loop) {
      storage_.detach_loop(*device);
      return {Outcome::What::refused, *device + " has vanished", {}};
    }
    number = (*loop)->device;
  }
  served_[backend.id] = wanted;
  // One that an agent before this one served: blkback has it.
  if (backend.connected()) return {Outcome::What::connected, {}, {}};
  return {Outcome::What::connected,
          {},
          {{"physical-device-path", *device},
           {"physical-device", fmt::format("{:x}:{:x}", major(number), minor(number))}}};
}

std::string Disks::conflict(BackendId id, const std::string& path, const Served& wanted) {
  if (wanted.shared) return {};
  for (const auto& [other, served] : served_) {
    if (other == id || !overlap(served.medium, wanted.medium)) continue;
    if (!wanted.writes && !served.writes) continue;
    return fmt::format("{} is in use by guest {} (device {}){}", path, other.guest, other.devid,
                       served.writes ? ", which writes to it" : "");
  }
  if (wanted.medium.file) return {};
  const auto used = storage_.in_use(path);
  if (!used) return used.error().message;
  // Loops of ours do not count: their files lie in mounted file systems, not on the device itself.
  return *used ? path + " is mounted, or part of a volume, in the driver domain itself"
               : std::string{};
}

Result<std::string> Disks::device_of(const Backend& backend, const std::string& path,
                                     const Served& wanted) {
  if (!wanted.medium.file) return path;
  const auto had = served_.find(backend.id);
  if (had != served_.end() && had->second.loop) return had->second.device;
  const std::string before = backend.node("physical-device-path");
  if (!before.empty() && storage_.is_loop_of(before, wanted.medium)) return before;
  return storage_.attach_loop(path, !wanted.writes);
}

void Disks::release(BackendId id) {
  const auto found = served_.find(id);
  if (found == served_.end()) return;
  if (found->second.loop) storage_.detach_loop(found->second.device);
  served_.erase(found);
}

std::vector<std::string> Disks::stop() {
  std::vector<std::string> undone;
  const auto note = [&](const Result<void>& result) {
    if (!result) undone.push_back(result.error().message);
  };
  // Requests under way are finished, and no more are taken: those stay in the guests' rings for the
  // next driver domain, since no end of a device's says that it closes.
  for (const auto& [id, served] : served_) storage_.unbind(id);
  for (const auto& [id, served] : served_) note(storage_.flush(served.device));
  for (const auto& [id, served] : served_) {
    if (served.loop) storage_.detach_loop(served.device);
  }
  served_.clear();
  for (auto point = mounts_.rbegin(); point != mounts_.rend(); ++point) {
    if (point->done) note(storage_.unmount(point->mount.at));
  }
  if (volumes_done_) note(storage_.deactivate_volumes());
  return undone;
}

}  // namespace pciassign::agent
