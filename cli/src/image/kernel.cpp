// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel.hpp"

#include <elf.h>

#include <cstring>
#include <fstream>
#include <optional>

#include "archive.hpp"

namespace pciassign::image {
namespace {

template <class T>
std::optional<T> number_at(std::string_view data, std::size_t at) {
  T value{};
  if (at > data.size() || data.size() - at < sizeof(value)) return std::nullopt;
  std::memcpy(&value, data.data() + at, sizeof(value));  // Both are little endian.
  return value;
}

bool is_elf(std::string_view data) {
  return data.starts_with(std::string_view(ELFMAG, SELFMAG));
}

std::string first_word(std::string_view text) {
  return std::string(text.substr(0, text.find_first_of(std::string_view(" \n\0", 3))));
}

/// A directory is named after it: nothing that leads elsewhere.
bool is_version(const std::string& version) {
  return !version.empty() && version.size() < 65 && version.front() >= '0' &&
         version.front() <= '9' && version.find('/') == std::string::npos;
}

/// From the banner that the kernel prints when it boots.
std::string version_of_elf(std::string_view elf) {
  constexpr std::string_view banner = "Linux version ";
  for (std::size_t at = 0; (at = elf.find(banner, at)) != std::string_view::npos;) {
    at += banner.size();
    std::string version = first_word(elf.substr(at, 80));
    if (is_version(version)) return version;
  }
  return {};
}

/// Whether it has the notes by which Xen's domain builder knows a PV kernel (the name "Xen").
bool has_xen_notes(std::string_view elf) {
  const auto header = number_at<Elf64_Ehdr>(elf, 0);
  if (!header || header->e_ident[EI_CLASS] != ELFCLASS64) return false;
  for (std::size_t i = 0; i < header->e_phnum; ++i) {
    const auto segment =
        number_at<Elf64_Phdr>(elf, header->e_phoff + i * std::size_t{header->e_phentsize});
    if (!segment) return false;
    if (segment->p_type != PT_NOTE || segment->p_offset > elf.size()) continue;
    const std::string_view notes = elf.substr(segment->p_offset, segment->p_filesz);
    if (notes.find(std::string_view("Xen", 4)) != std::string_view::npos) return true;
  }
  return false;
}

struct Packed {
  std::string_view payload;
  std::string version;
};

Result<Packed> parse_bzimage(std::string_view data, const std::string& name) {
  const auto no_kernel = [&](const std::string& why) {
    return fail(ErrorKind::usage, name + " is no kernel that can be used: " + why,
                "--kernel takes a bzImage (/boot/vmlinuz-...) or an ELF image of x86");
  };
  const auto protocol = number_at<std::uint16_t>(data, 0x206);
  if (!protocol || data.substr(0x202, 4) != "HdrS") return no_kernel("neither bzImage nor ELF");
  if (*protocol < 0x208) return no_kernel("its boot protocol is older than 2.08");
  const auto sectors = number_at<std::uint8_t>(data, 0x1f1);
  const auto offset = number_at<std::uint32_t>(data, 0x248);
  const auto length = number_at<std::uint32_t>(data, 0x24c);
  const auto words = number_at<std::uint16_t>(data, 0x20e);
  if (!sectors || !offset || !length || !words) return no_kernel("its header is cut off");
  const std::size_t begin =
      (std::size_t{*sectors == 0 ? std::uint8_t{4} : *sectors} + 1) * 512 + *offset;
  if (begin > data.size() || *length < 8 || *length > data.size() - begin)
    return no_kernel("it is cut off");
  Packed packed{data.substr(begin, *length), {}};
  if (const std::size_t at = std::size_t{*words} + 0x200; at < data.size())
    packed.version = first_word(data.substr(at, 80));
  if (!is_version(packed.version)) return no_kernel("its header does not tell its version");
  return packed;
}

/// Behind the compressed data stands the size of what is in it; gzip's own last bytes are that.
Result<std::string> payload_of(const Packed& packed, const std::string& name) {
  const std::string_view all = packed.payload;
  const bool gzip = all.starts_with("\x1f\x8b");
  auto elf = unpacked(gzip ? all : all.substr(0, all.size() - 4), name);
  if (!elf) return elf;
  if (number_at<std::uint32_t>(all, all.size() - 4) != elf->size() || !is_elf(*elf))
    return fail(ErrorKind::usage, name + " is damaged, or packed in a way that is not known here",
                "unpack it, and use its ELF image (vmlinux)");
  return elf;
}

}  // namespace

Result<std::string> read_whole(const std::filesystem::path& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  const auto size = in.tellg();
  std::string data;
  if (in.is_open() && size > 0) {
    data.resize(static_cast<std::size_t>(size));
    in.seekg(0).read(data.data(), size);
  }
  if (!in.is_open() || !in) {
    Error error = fail_errno("cannot read " + file.string(), errno == 0 ? EIO : errno).value();
    if (error.sys_errno == ENOENT) error.kind = ErrorKind::not_found;
    return tl::unexpected<Error>(std::move(error));
  }
  return data;
}

Result<Kernel> parse_kernel(std::string data, const std::string& name) {
  Kernel kernel;
  if (is_elf(data)) {
    kernel.version = version_of_elf(data);
    kernel.elf = std::move(data);
    if (kernel.version.empty())
      return fail(ErrorKind::usage, name + " does not tell its version", "is it a Linux kernel?");
  } else {
    const auto packed = parse_bzimage(data, name);
    if (!packed) return tl::unexpected<Error>(packed.error());
    auto elf = payload_of(*packed, name);
    if (!elf) return tl::unexpected<Error>(elf.error());
    kernel = {packed->version, std::move(*elf), data.size()};
  }
  if (!has_xen_notes(kernel.elf))
    return fail(ErrorKind::usage, name + " cannot run as a PV guest of Xen",
                "it needs CONFIG_XEN_PV");
  return kernel;
}

Result<Kernel> read_kernel(const std::filesystem::path& file) {
  return read_whole(file).and_then(
      [&](std::string data) { return parse_kernel(std::move(data), file.string()); });
}

}  // namespace pciassign::image
