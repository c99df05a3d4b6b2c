// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Small facts of this boot that outlive the daemon, one file each below the runtime directory:
///   paused/<domid>   the uuid of a domain that we hold paused: a restarted daemon must let it go;
///   created/<uuid>   the devices that `create` gave a domain: when xl restarts the domain (same
///                    uuid, new id), it gets them again.
/// Domids begin anew with each boot, and toolstacks use uuids again: each file begins with the
/// boot's identity, and one of another boot says nothing.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pciassign/hypervisor.hpp"
#include "pciassign/result.hpp"
#include "pciassign/store.hpp"

namespace pciassign::daemon {

class StateFiles {
 public:
  /// `boot`: boot_id().
  StateFiles(std::filesystem::path directory, std::string boot)
      : directory_(std::move(directory)), boot_(std::move(boot)) {}

  /// What became of a file that was not of this boot, or did not say so.
  struct Settled {
    std::filesystem::path file;
    bool taken_over = false;  ///< Else it is gone.
    std::string why;          ///< For a person.
  };
  /// Puts the files below `directory` right, ours or that of a release before this one: what is of
  /// another boot is dropped, and what does not say of which, as those releases wrote it, unless
  /// the present domains prove that it is of this one.
  Result<std::vector<Settled>> settle(const std::filesystem::path& directory, Hypervisor& xen,
                                      StoreView& store);

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
  Result<void> write(const std::filesystem::path& file, const std::vector<std::string>& lines);
  /// The lines of a file of this boot, without that which says so; of another one: none.
  [[nodiscard]] std::vector<std::string> read(const std::filesystem::path& file) const;
  [[nodiscard]] std::filesystem::path paused_file(DomId domid) const;
  [[nodiscard]] std::filesystem::path created_file(const DomainInfo& domain) const;
  std::filesystem::path directory_;
  std::string boot_;
};

}  // namespace pciassign::daemon
