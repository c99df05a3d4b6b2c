// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// A kernel as Xen starts it soonest: the ELF image, out of the bzImage where that is what there
/// is. Facts: the kernel's Documentation/arch/x86/boot.rst.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "pciassign/result.hpp"

namespace pciassign::image {

struct Kernel {
  std::string version;     ///< "6.1.0-56-amd64", as its modules' directory is called.
  std::string elf;         ///< The image.
  std::size_t packed = 0;  ///< Bytes of the bzImage; 0: it was an ELF image already.
};

Result<std::string> read_whole(const std::filesystem::path& file);
/// `name` is for errors.
Result<Kernel> parse_kernel(std::string data, const std::string& name);
Result<Kernel> read_kernel(const std::filesystem::path& file);

}  // namespace pciassign::image
