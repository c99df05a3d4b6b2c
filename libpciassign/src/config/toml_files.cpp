// SPDX-License-Identifier: LGPL-2.1-or-later
#include "toml_files.hpp"

#include <algorithm>

namespace pciassign::config {

Result<std::vector<std::filesystem::path>> toml_files(const std::filesystem::path& directory) {
  std::error_code ec;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator it(directory, ec), end; !ec && it != end;
       it.increment(ec)) {
    if (it->path().extension() == ".toml") files.push_back(it->path());
  }
  if (ec && ec != std::errc::no_such_file_or_directory) {
    return fail_errno("cannot read " + directory.string(), ec.value());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace pciassign::config
