// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "pciassign/config.hpp"

namespace pciassign::config {
namespace {

Result<void> write_all(int fd, std::string_view text, const std::string& name) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("cannot write " + name);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(fd) != 0) return fail_errno("cannot write " + name);
  return {};
}

}  // namespace

Result<void> replace_file(const std::filesystem::path& file, const std::string& text) {
  const std::string name = file.string();
  if (text.empty()) {
    if (::unlink(name.c_str()) != 0 && errno != ENOENT) return fail_errno("cannot remove " + name);
    return {};
  }
  std::error_code ec;
  std::filesystem::create_directories(file.parent_path(), ec);
  struct stat old {};
  const mode_t mode = ::stat(name.c_str(), &old) == 0 ? old.st_mode & 07777 : 0644;
  std::string fresh = name + ".XXXXXX";  // Not *.toml: nobody reads it half written.
  const int fd = ::mkostemp(fresh.data(), O_CLOEXEC);
  if (fd < 0) return fail_errno("cannot write " + name);
  Result<void> done = write_all(fd, text, fresh);
  if (done && ::fchmod(fd, mode) != 0) done = fail_errno("cannot set the mode of " + fresh);
  ::close(fd);
  if (done && ::rename(fresh.c_str(), name.c_str()) != 0)
    done = fail_errno("cannot replace " + name);
  if (!done) ::unlink(fresh.c_str());
  return done;
}

}  // namespace pciassign::config
