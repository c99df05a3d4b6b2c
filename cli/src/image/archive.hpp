// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Compressed data, and the archive that an initramfs is. The one place that knows libarchive.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "pciassign/result.hpp"

namespace pciassign::image {

/// What xz, zstd, gzip, lz4, bzip2 or lzma made small, by its magic; anything else comes back as it
/// is. `name` is for errors.
Result<std::string> unpacked(std::string_view data, const std::string& name);

/// A tree of files, owned by root, with no times: the same content gives the same bytes.
class Archive {
 public:
  /// Paths are absolute; the directories above are made. A path that is there already stays.
  void file(const std::string& path, std::string content, unsigned mode = 0644);
  void link(const std::string& path, std::string target);
  void directory(const std::string& path);

  /// As the kernel reads it: cpio, newc.
  [[nodiscard]] Result<std::string> cpio() const;

 private:
  struct Entry {
    unsigned type = 0, mode = 0;
    std::string content;  ///< Of a link its target.
  };
  void add(const std::string& path, Entry entry);

  std::map<std::string, Entry> entries_;  ///< Directories before what is in them.
};

}  // namespace pciassign::image
