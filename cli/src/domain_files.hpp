// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// The files of a driver domain in dom0: the entry in domains.d, and the directory with its image
/// and its files for xl. They appear at once, or not at all.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "environment.hpp"
#include "image/image.hpp"
#include "pciassign/config_domains.hpp"
#include "pciassign/config_names.hpp"

namespace pciassign::cli {

/// The first line of each file for xl that is ours begins so; the command line follows.
inline constexpr std::string_view kMadeBy = "# Made by: ";

/// Where the files of all driver domains are.
struct DomainPlaces {
  std::filesystem::path state;        ///< Of the daemon: "domains" is below it.
  std::filesystem::path domains;      ///< domains.d
  std::filesystem::path assignments;  ///< assignments.d

  /// Without a configuration file of the daemon the defaults.
  static Result<DomainPlaces> find(const Environment& environment);
  /// What both directories hold.
  [[nodiscard]] config::Configured configured() const {
    config::Paths paths;
    paths.domains = domains;
    paths.assignments = assignments;
    return config::load_configured(paths);
  }
  [[nodiscard]] std::filesystem::path directory(const config::DriverDomainName& name) const {
    return state / "domains" / name.str();
  }
  [[nodiscard]] std::filesystem::path entry(const config::DriverDomainName& name) const {
    return domains / name.file_name(".toml");
  }
};

/// What one wants of a new driver domain, beside its image.
struct DomainSpec {
  config::DriverDomainName name;
  config::DriverClass driver_class = config::DriverClass::net;
  std::vector<DeviceSpec> devices;
  unsigned memory = 0;  ///< MiB.
  bool standby = false, autostart = true;
  std::string command;  ///< The command line that makes it again.
};

/// The entry's text.
std::string entry_text(const DomainSpec& spec, const std::filesystem::path& directory);
/// domain.cfg, or standby.cfg.
std::string xl_text(const DomainSpec& spec, const std::filesystem::path& directory, bool standby);

/// A new directory beside its final place; gone again unless it was put there.
class StagedDomain {
 public:
  static Result<StagedDomain> make(const DomainPlaces& places,
                                   const config::DriverDomainName& name);
  StagedDomain(StagedDomain&& other) noexcept;
  StagedDomain& operator=(StagedDomain&&) = delete;
  StagedDomain(const StagedDomain&) = delete;
  StagedDomain& operator=(const StagedDomain&) = delete;
  ~StagedDomain();

  Result<void> write(const DomainSpec& spec, const image::Image& image);
  /// The directory gets its name.
  Result<void> put();

 private:
  StagedDomain(std::filesystem::path at, std::filesystem::path final)
      : at_(std::move(at)), final_(std::move(final)) {}
  std::filesystem::path at_, final_;
};

/// The command line that made the domain, out of its domain.cfg; empty: it does not say.
std::string command_that_made(const std::filesystem::path& config);
/// The file of domains.d that has the domain's entry; an error when other entries stand in it too.
Result<std::filesystem::path> own_entry_file(const config::DriverDomain& domain);

}  // namespace pciassign::cli
