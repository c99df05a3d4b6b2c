// SPDX-License-Identifier: GPL-2.0-or-later
#include "archive.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <array>
#include <memory>

namespace pciassign::image {
namespace {

/// More than any kernel: what claims to be larger is no kernel and no module.
constexpr std::size_t kMostBytes = 1U << 29U;

struct Free {
  void operator()(archive* a) const { ::archive_free(a); }
  void operator()(archive_entry* entry) const { ::archive_entry_free(entry); }
};
using Handle = std::unique_ptr<archive, Free>;

tl::unexpected<Error> failed(const std::string& what, archive* a) {
  const char* why = ::archive_error_string(a);
  return fail(ErrorKind::failed,
              fmt::format("{}: {}", what, why != nullptr ? why : "libarchive does not say why"));
}

la_ssize_t append(archive*, void* to, const void* data, std::size_t size) {
  static_cast<std::string*>(to)->append(static_cast<const char*>(data), size);
  return static_cast<la_ssize_t>(size);
}

}  // namespace

Result<std::string> unpacked(std::string_view data, const std::string& name) {
  const Handle in(::archive_read_new());
  ::archive_read_support_filter_xz(in.get());
  ::archive_read_support_filter_zstd(in.get());
  ::archive_read_support_filter_gzip(in.get());
  ::archive_read_support_filter_lz4(in.get());
  ::archive_read_support_filter_bzip2(in.get());
  ::archive_read_support_filter_lzma(in.get());
  ::archive_read_support_format_raw(in.get());
  ::archive_read_support_format_empty(in.get());
  archive_entry* entry = nullptr;
  if (::archive_read_open_memory(in.get(), data.data(), data.size()) != ARCHIVE_OK)
    return failed("cannot unpack " + name, in.get());
  const int opened = ::archive_read_next_header(in.get(), &entry);
  if (opened == ARCHIVE_EOF) return std::string{};
  if (opened != ARCHIVE_OK) return failed("cannot unpack " + name, in.get());
  if (::archive_filter_code(in.get(), 0) == ARCHIVE_FILTER_NONE) return std::string(data);
  std::string out;
  std::array<char, 1U << 16U> buffer;
  la_ssize_t got = 0;
  while ((got = ::archive_read_data(in.get(), buffer.data(), buffer.size())) > 0) {
    out.append(buffer.data(), static_cast<std::size_t>(got));
    if (out.size() > kMostBytes)
      return fail(ErrorKind::failed,
                  fmt::format("{} is larger than {} MiB unpacked", name, kMostBytes >> 20U));
  }
  if (got < 0) return failed("cannot unpack " + name, in.get());
  return out;
}

void Archive::add(const std::string& path, Entry entry) {
  const std::string inside = path.substr(path.find_first_not_of('/'));
  for (std::size_t at = inside.find('/'); at != std::string::npos; at = inside.find('/', at + 1))
    entries_.try_emplace(inside.substr(0, at), Entry{AE_IFDIR, 0755, {}});
  entries_.try_emplace(inside, std::move(entry));
}

void Archive::file(const std::string& path, std::string content, unsigned mode) {
  add(path, {AE_IFREG, mode, std::move(content)});
}

void Archive::link(const std::string& path, std::string target) {
  add(path, {AE_IFLNK, 0777, std::move(target)});
}

void Archive::directory(const std::string& path) {
  add(path, {AE_IFDIR, 0755, {}});
}

Result<std::string> Archive::cpio() const {
  std::string bytes;
  const Handle out(::archive_write_new());
  ::archive_write_set_format_cpio_newc(out.get());
  ::archive_write_set_bytes_in_last_block(out.get(), 1);
  if (::archive_write_open(out.get(), &bytes, nullptr, append, nullptr) != ARCHIVE_OK)
    return failed("cannot write the initramfs", out.get());
  std::int64_t number = 0;
  for (const auto& [path, one] : entries_) {
    const std::unique_ptr<archive_entry, Free> entry(::archive_entry_new());
    ::archive_entry_set_pathname(entry.get(), path.c_str());
    ::archive_entry_set_filetype(entry.get(), one.type);
    ::archive_entry_set_perm(entry.get(), one.mode);
    ::archive_entry_set_nlink(entry.get(), 1);
    ::archive_entry_set_ino(entry.get(), ++number);
    ::archive_entry_set_mtime(entry.get(), 0, 0);
    const bool link = one.type == AE_IFLNK;
    if (link) ::archive_entry_set_symlink(entry.get(), one.content.c_str());
    ::archive_entry_set_size(entry.get(), link ? 0 : static_cast<la_int64_t>(one.content.size()));
    if (::archive_write_header(out.get(), entry.get()) != ARCHIVE_OK)
      return failed("cannot write " + path + " of the initramfs", out.get());
    if (one.type != AE_IFREG || one.content.empty()) continue;
    if (::archive_write_data(out.get(), one.content.data(), one.content.size()) < 0)
      return failed("cannot write " + path + " of the initramfs", out.get());
  }
  if (::archive_write_close(out.get()) != ARCHIVE_OK)
    return failed("cannot write the initramfs", out.get());
  return bytes;
}

}  // namespace pciassign::image
