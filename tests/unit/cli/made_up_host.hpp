// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// A directory that looks like a host's root as far as images of driver domains are made from it:
/// kernel, modules with their index, firmware, the agent.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace pciassign::test {

inline constexpr auto kMadeUpVersion = "6.1.0-made-up";

/// An ELF image that tells its version and that Xen can run it.
std::string made_up_elf(const std::string& version = kMadeUpVersion, bool for_xen = true);
/// A bzImage with it; `filter` as libarchive names it ("xz").
std::string made_up_bzimage(const std::string& filter, const std::string& elf = made_up_elf());
std::string compressed(const std::string& data, const std::string& filter);

void put_file(const std::filesystem::path& file, const std::string& text);
/// Everything below `root`; the kernel is boot/vmlinuz-<the running one's release>.
void make_host(const std::filesystem::path& root);

struct InArchive {
  std::string content, target;
  unsigned mode = 0;
  long owner = 0, time = 0;
  bool directory = false;
};
/// A cpio archive read back, by path.
std::map<std::string, InArchive> read_cpio(const std::string& bytes);

}  // namespace pciassign::test
