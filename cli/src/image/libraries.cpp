// SPDX-License-Identifier: GPL-2.0-or-later
#include "libraries.hpp"

#include <elf.h>

#include <cstring>
#include <sstream>

#include "../program.hpp"
#include "kernel.hpp"

namespace pciassign::image {
namespace {

/// The loader that the program names; empty: it is static.
std::string interpreter_of(std::string_view elf) {
  Elf64_Ehdr header{};
  if (elf.size() < sizeof(header)) return {};
  std::memcpy(&header, elf.data(), sizeof(header));
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    const std::size_t at = header.e_phoff + i * sizeof(segment);
    if (at > elf.size() || elf.size() - at < sizeof(segment)) return {};
    std::memcpy(&segment, elf.data() + at, sizeof(segment));
    if (segment.p_type != PT_INTERP || segment.p_offset > elf.size()) continue;
    const std::string_view name = elf.substr(segment.p_offset, segment.p_filesz);
    return std::string(name.substr(0, name.find('\0')));
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> libraries_of(const std::filesystem::path& program) {
  const auto elf = read_whole(program);
  if (!elf) return tl::unexpected<Error>(elf.error());
  const std::string loader = interpreter_of(*elf);
  if (loader.empty()) return std::vector<std::string>{};
  // The loader itself knows best what it would load.
  const auto told = cli::run_program({loader, "--list", program.string()});
  if (!told) return tl::unexpected<Error>(told.error());
  if (told->status != 0)
    return fail(ErrorKind::failed,
                "cannot tell the libraries of " + program.string() + ": " + told->last_words());
  std::vector<std::string> all{loader};
  // "  libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x7f...)"
  std::istringstream lines(told->output);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t arrow = line.find("=> /");
    if (arrow == std::string::npos) continue;
    all.push_back(line.substr(arrow + 3, line.find(" (", arrow) - arrow - 3));
  }
  return all;
}

}  // namespace pciassign::image
