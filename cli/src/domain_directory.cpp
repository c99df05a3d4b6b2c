// SPDX-License-Identifier: GPL-2.0-or-later
// All is done relative to opened directories: what is put in their place meanwhile is not met.
#include "domain_directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "pciassign/shell_words.hpp"

namespace pciassign::cli {
namespace {

constexpr std::string_view kConfig = "domain.cfg";
/// In the order in which they go.
constexpr std::array<std::string_view, 4> kOurFiles{"kernel", "initramfs", "standby.cfg", kConfig};
constexpr std::string_view kNotOurs = "E-NOT-OURS";

bool is_regular(int directory, const std::string& name) {
  struct stat entry {};
  return ::fstatat(directory, name.c_str(), &entry, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(entry.st_mode);
}

/// Whether its domain.cfg has the line with which each of ours begins.
bool has_our_config(int directory) {
  // Neither a link nor a FIFO may make this read something else, or wait.
  const int fd = ::openat(directory, std::string(kConfig).c_str(),
                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  struct stat file {};
  std::array<char, kMadeBy.size()> begin{};
  const bool ours =
      ::fstat(fd, &file) == 0 && S_ISREG(file.st_mode) &&
      ::pread(fd, begin.data(), begin.size(), 0) == static_cast<ssize_t>(begin.size()) &&
      std::string_view(begin.data(), begin.size()) == kMadeBy;
  ::close(fd);
  return ours;
}

}  // namespace

Result<std::optional<DomainDirectory>> DomainDirectory::open(const DomainPlaces& places,
                                                             const config::DriverDomainName& name) {
  DomainDirectory found;
  found.path_ = places.directory(name);
  found.name_ = name.str();
  const auto parent = found.path_.parent_path();
  found.parent_ = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (found.parent_ < 0) {
    if (errno == ENOENT) return std::nullopt;
    return fail_errno("cannot open " + parent.string());
  }
  struct stat entry {};
  if (::fstatat(found.parent_, found.name_.c_str(), &entry, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::nullopt;
    return fail_errno("cannot look at " + found.path_.string());
  }
  const auto see = "see what it is: ls -ld " + shell_quote(found.path_.string());
  if (!S_ISDIR(entry.st_mode))
    return fail(ErrorKind::refused,
                fmt::format("{} is {}, not the directory that `pciassign domain create` makes",
                            found.path_.string(),
                            S_ISLNK(entry.st_mode) ? "a symbolic link" : "no directory"),
                see + "; then remove it yourself");
  found.self_ =
      ::openat(found.parent_, found.name_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (found.self_ < 0) return fail_errno("cannot open " + found.path_.string());
  const auto ours = found.look();
  if (!ours) return tl::unexpected<Error>(ours.error());
  if (!*ours)
    return fail(ErrorKind::refused,
                fmt::format("{} was not made by `pciassign domain create`: it has no domain.cfg "
                            "with the line that tells the command",
                            found.path_.string()),
                "if nobody needs it, remove it yourself", std::string(kNotOurs));
  return std::optional(std::move(found));
}

bool DomainDirectory::not_ours(const Error& error) {
  return error.code == kNotOurs;
}

DomainDirectory::DomainDirectory(DomainDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      name_(std::move(other.name_)),
      parent_(std::exchange(other.parent_, -1)),
      self_(std::exchange(other.self_, -1)),
      ours_(std::move(other.ours_)),
      kept_(std::move(other.kept_)) {}

DomainDirectory& DomainDirectory::operator=(DomainDirectory&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(name_, other.name_);
  std::swap(parent_, other.parent_);
  std::swap(self_, other.self_);
  std::swap(ours_, other.ours_);
  std::swap(kept_, other.kept_);
  return *this;
}

DomainDirectory::~DomainDirectory() {
  if (self_ >= 0) ::close(self_);
  if (parent_ >= 0) ::close(parent_);
}

/// What lies there, and whether the directory is ours.
Result<bool> DomainDirectory::look() {
  const int copy = ::fcntl(self_, F_DUPFD_CLOEXEC, 0);
  DIR* listing = copy < 0 ? nullptr : ::fdopendir(copy);
  if (listing == nullptr) {
    const int err = errno;
    if (copy >= 0) ::close(copy);
    return fail_errno("cannot read " + path_.string(), err);
  }
  std::vector<std::string> there;
  errno = 0;
  while (const dirent* entry = ::readdir(listing)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") there.push_back(name);
  }
  const int err = errno;
  ::closedir(listing);
  if (err != 0) return fail_errno("cannot read " + path_.string(), err);
  std::sort(there.begin(), there.end());
  for (const std::string_view name : kOurFiles)
    if (is_regular(self_, std::string(name))) ours_.emplace_back(name);
  for (const std::string& name : there)
    if (std::find(ours_.begin(), ours_.end(), name) == ours_.end()) kept_.push_back(name);
  // An empty one is what a removal leaves that was interrupted at its very end.
  return there.empty() || has_our_config(self_);
}

Result<void> DomainDirectory::remove() {
  for (const std::string& name : ours_)
    if (::unlinkat(self_, name.c_str(), 0) != 0 && errno != ENOENT)
      return fail_errno("cannot remove " + (path_ / name).string());
  if (!kept_.empty()) return {};
  if (::unlinkat(parent_, name_.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    return fail_errno("cannot remove " + path_.string());
  ::fsync(parent_);
  return {};
}

}  // namespace pciassign::cli
