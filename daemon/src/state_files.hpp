// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Small facts that outlive the daemon, one file each below the state directory:
///   paused/<domid>   the uuid of a domain that we hold paused: a restarted daemon must let it go;
///   created/<uuid>   the devices that `create` gave a domain: when xl restarts the domain (same
///                    uuid, new id), it gets them again.
/// None has to survive a crash of dom0, which no domain survives either: no fsync.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pciassign/hypervisor.hpp"
#include "pciassign/result.hpp"

namespace pciassign::daemon {

class StateFiles {
 public:
  explicit StateFiles(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// That we hold a domain. It is `releasing` from before our unpause until the note is gone: a
  /// daemon that finds it so cannot know whether the pause that it sees is still ours.
  enum class Pause { none, ours, releasing };
  Result<void> set_pause(const DomainInfo& domain, Pause pause);
  void clear_pause(DomId domid);
  [[nodiscard]] Pause pause_of(const DomainInfo& domain) const;

  Result<void> set_created(const DomainInfo& domain, const std::vector<DeviceSpec>& devices);
  [[nodiscard]] std::vector<DeviceSpec> created(const DomainInfo& domain) const;
  /// Forgets a device of a domain, since somebody detached it by hand.
  void forget_created(const DomainInfo& domain, const std::vector<Sbdf>& devices);

 private:
  Result<void> write(const std::filesystem::path& file, const std::string& text);
  [[nodiscard]] std::filesystem::path paused_file(DomId domid) const;
  [[nodiscard]] std::filesystem::path created_file(const DomainInfo& domain) const;
  std::filesystem::path directory_;
};

}  // namespace pciassign::daemon
