// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "pciassign/result.hpp"

namespace pciassign::config {

/// The whole of a small file.
inline Result<std::string> read_file(const std::filesystem::path& file) {
  std::error_code ec;
  if (std::filesystem::is_directory(file, ec)) {
    return fail(ErrorKind::usage, "cannot read " + file.string() + ": it is a directory");
  }
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    const int err = errno;
    Error error = fail_errno("cannot read " + file.string(), err).value();
    error.kind = err == ENOENT ? ErrorKind::not_found : ErrorKind::failed;
    return tl::unexpected<Error>(std::move(error));
  }
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace pciassign::config
