// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// The directory that `domain create` made for a driver domain, to be removed again: what is not
/// of our making is neither followed nor removed.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "domain_files.hpp"

namespace pciassign::cli {

class DomainDirectory {
 public:
  /// Nothing where there is none. ErrorKind::refused: a symbolic link or a file is there instead,
  /// or a directory that is not ours; not_ours() tells that one from the others.
  static Result<std::optional<DomainDirectory>> open(const DomainPlaces& places,
                                                     const config::DriverDomainName& name);
  static bool not_ours(const Error& error);

  DomainDirectory(DomainDirectory&& other) noexcept;
  DomainDirectory& operator=(DomainDirectory&& other) noexcept;
  DomainDirectory(const DomainDirectory&) = delete;
  DomainDirectory& operator=(const DomainDirectory&) = delete;
  ~DomainDirectory();

  /// What somebody else put there; it stays, and the directory with it.
  [[nodiscard]] const std::vector<std::string>& kept() const { return kept_; }
  /// Our files, domain.cfg the last: with it the rest of an interrupted removal can be removed.
  Result<void> remove();

 private:
  DomainDirectory() = default;
  Result<bool> look();

  std::filesystem::path path_;
  std::string name_;
  int parent_ = -1, self_ = -1;
  std::vector<std::string> ours_, kept_;
};

}  // namespace pciassign::cli
