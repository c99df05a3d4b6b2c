// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Names of domains as a user, a file or a client writes them. What becomes a part of a path, of a
/// token or of another name is made from these types alone, so that no other string can get there.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "pciassign/result.hpp"

namespace pciassign::config {

/// The name of a supervised driver domain: also a file's, a directory's, and a word for xl.
class DriverDomainName {
 public:
  /// 1 to 48 letters, digits, '-', '_' and '.', the first a letter or a digit. Not a number, which
  /// xl takes for a domid, and none that means another domain: Domain-0, NAME-standby,
  /// NAME-dead-N. Errors are ErrorKind::usage.
  static Result<DriverDomainName> parse(std::string_view text);

  [[nodiscard]] const std::string& str() const noexcept { return name_; }
  /// Of the second instance that waits.
  [[nodiscard]] std::string standby() const { return name_ + "-standby"; }
  /// Of an instance that failed, until it is destroyed.
  [[nodiscard]] std::string dead(std::uint32_t domid) const {
    return name_ + "-dead-" + std::to_string(domid);
  }
  /// With an extension such as ".toml".
  [[nodiscard]] std::string file_name(std::string_view extension) const {
    return name_ + std::string(extension);
  }
  auto operator<=>(const DriverDomainName&) const = default;

 private:
  explicit DriverDomainName(std::string_view name) : name_(name) {}
  std::string name_;
};

/// The name of any domain, whoever creates it; an assignment is for such a name. Blanks, quotes, a
/// '-' at the begin and UTF-8 are an administrator's good right.
class DomainName {
 public:
  /// Not empty; no number, which means a domid; no control characters; nothing that a path would
  /// take for more than one name ('/', "." and ".."); at most 255 bytes, the longest name that
  /// what keeps a file for each domain (xl's log, libvirt) can give it. Errors are
  /// ErrorKind::usage.
  static Result<DomainName> parse(std::string_view text);

  [[nodiscard]] const std::string& str() const noexcept { return name_; }
  /// For a file of its own: letters, digits, '-' and '_', with '_' for every other byte. Two names
  /// may have the same.
  [[nodiscard]] std::string file_name(std::string_view extension) const;
  auto operator<=>(const DomainName&) const = default;

 private:
  explicit DomainName(std::string_view name) : name_(name) {}
  std::string name_;
};

}  // namespace pciassign::config
