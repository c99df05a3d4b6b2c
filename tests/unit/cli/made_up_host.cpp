// SPDX-License-Identifier: GPL-2.0-or-later
#include "made_up_host.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <sys/utsname.h>

#include <array>
#include <cstring>
#include <fstream>
#include <sstream>

namespace pciassign::test {
namespace fs = std::filesystem;
namespace {

template <class T>
void set(std::string& data, std::size_t at, T value) {
  std::memcpy(data.data() + at, &value, sizeof(value));
}

std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

la_ssize_t append(archive*, void* to, const void* data, std::size_t size) {
  static_cast<std::string*>(to)->append(static_cast<const char*>(data), size);
  return static_cast<la_ssize_t>(size);
}

}  // namespace

std::string made_up_elf(const std::string& version, bool for_xen) {
  constexpr std::size_t notes = 128;
  std::string elf(512, '\0');
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment{};
  segment.p_type = PT_NOTE;
  segment.p_offset = notes;
  segment.p_filesz = 32;
  set(elf, 0, header);
  set(elf, sizeof(header), segment);
  if (for_xen) elf.replace(notes + 12, 4, std::string("Xen\0", 4));
  elf += "Linux version %s and Linux version " + version + " (somebody@somewhere)";
  // What compresses, and zeros of which files need not consist.
  elf += std::string(100'000, '\0') + std::string(5000, 'x') + std::string(8192, '\0') + "end";
  return elf;
}

std::string compressed(const std::string& data, const std::string& filter) {
  std::string out;
  archive* to = ::archive_write_new();
  EXPECT_EQ(::archive_write_add_filter_by_name(to, filter.c_str()), ARCHIVE_OK) << filter;
  ::archive_write_set_format_raw(to);
  ::archive_write_set_bytes_in_last_block(to, 1);
  ::archive_write_open(to, &out, nullptr, append, nullptr);
  archive_entry* entry = ::archive_entry_new();
  ::archive_entry_set_filetype(entry, AE_IFREG);
  ::archive_write_header(to, entry);
  ::archive_write_data(to, data.data(), data.size());
  ::archive_entry_free(entry);
  ::archive_write_free(to);
  return out;
}

std::string made_up_bzimage(const std::string& filter, const std::string& elf) {
  constexpr std::uint8_t sectors = 3;
  constexpr std::uint32_t offset = 100;
  std::string payload = compressed(elf, filter);
  // gzip ends with the size anyway; behind the others the kernel's build puts it.
  if (filter != "gzip") {
    payload += std::string(4, '\0');
    set(payload, payload.size() - 4, static_cast<std::uint32_t>(elf.size()));
  }
  std::string image((sectors + 1) * 512 + offset, '\x90');
  image.replace(0x202, 4, "HdrS");
  set(image, 0x1f1, sectors);
  set(image, 0x206, std::uint16_t{0x20f});
  set(image, 0x20e, std::uint16_t{0x300});
  set(image, 0x248, offset);
  set(image, 0x24c, static_cast<std::uint32_t>(payload.size()));
  const std::string words = std::string(kMadeUpVersion) + " (somebody@somewhere) #1";
  image.replace(0x500, words.size() + 1, words.c_str(), words.size() + 1);
  return image + payload + "what follows";
}

void put_file(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

void make_host(const fs::path& root) {
  struct utsname host {};
  ::uname(&host);
  put_file(root / "boot" / (std::string("vmlinuz-") + host.release), made_up_bzimage("xz"));
  const fs::path tree = root / "lib/modules" / kMadeUpVersion;
  // "build/.../nic.dir/made_up_module.c.o": the target is the module.
  std::istringstream objects(MADE_UP_MODULES);
  for (std::string object; std::getline(objects, object, '|');) {
    const std::string name = fs::path(object).lexically_normal().parent_path().filename().stem();
    put_file(tree / "kernel" / (name.substr(8) + ".ko"), read_file(object));
  }
  put_file(tree / "modules.builtin", "kernel/built-in.ko\n");
  put_file(tree / "modules.builtin.modinfo", "");
  put_file(tree / "modules.order", "");
  // As a distribution does that compresses them.
  put_file(tree / "kernel/ptp.ko.xz", compressed(read_file(tree / "kernel/ptp.ko"), "xz"));
  fs::remove(tree / "kernel/ptp.ko");
  const std::string depmod =
      "PATH=$PATH:/sbin:/usr/sbin depmod -b '" + root.string() + "' " + kMadeUpVersion + " 2>&1";
  EXPECT_EQ(std::system(depmod.c_str()), 0);
  put_file(root / "lib/firmware/made-up/nic.bin.zst", compressed("firmware of a nic", "zstd"));
  put_file(root / "agent", "the agent");
}

std::map<std::string, InArchive> read_cpio(const std::string& bytes) {
  std::map<std::string, InArchive> all;
  archive* from = ::archive_read_new();
  ::archive_read_support_format_cpio(from);
  EXPECT_EQ(::archive_read_open_memory(from, bytes.data(), bytes.size()), ARCHIVE_OK);
  archive_entry* entry = nullptr;
  while (::archive_read_next_header(from, &entry) == ARCHIVE_OK) {
    InArchive one;
    one.mode = ::archive_entry_perm(entry);
    one.owner = ::archive_entry_uid(entry) + ::archive_entry_gid(entry);
    one.time = ::archive_entry_mtime(entry);
    one.directory = ::archive_entry_filetype(entry) == AE_IFDIR;
    if (const char* target = ::archive_entry_symlink(entry)) one.target = target;
    if (::archive_entry_filetype(entry) == AE_IFREG) {
      one.content.resize(static_cast<std::size_t>(::archive_entry_size(entry)));
      EXPECT_EQ(::archive_read_data(from, one.content.data(), one.content.size()),
                static_cast<la_ssize_t>(one.content.size()));
    }
    EXPECT_TRUE(all.emplace(::archive_entry_pathname(entry), std::move(one)).second);
  }
  ::archive_read_free(from);
  return all;
}

}  // namespace pciassign::test
