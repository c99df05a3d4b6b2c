// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

namespace pciassign::detail {
namespace {

/// What a short read means.
enum class Short { end, nothing };

std::optional<std::string> text_of(const Descriptor& file, std::size_t limit,
                                   Short meaning = Short::end) {
  if (file.get() < 0) return std::nullopt;
  std::string text;
  char buffer[4096];
  while (text.size() < limit) {
    const auto got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
    // sysfs gives a whole attribute at once; asking again only to hear "end" doubles the calls.
    if (meaning == Short::end && static_cast<std::size_t>(got) < sizeof buffer) break;
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::optional<std::uint64_t> number_of(const std::optional<std::string>& text) {
  if (!text || text->empty()) return std::nullopt;
  char* end = nullptr;
  errno = 0;
  const auto value = std::strtoull(text->c_str(), &end, 0);
  if (errno != 0 || end == text->c_str()) return std::nullopt;
  return value;
}

}  // namespace

Descriptor::Descriptor(const fs::path& path, int flags)
    : fd_(::open(path.c_str(), flags | O_CLOEXEC)) {}
Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Directory::Directory(const fs::path& path)
    : fd_(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}
Directory::~Directory() {
  if (fd_ >= 0) ::close(fd_);
}
int Directory::open(const char* name) const {
  return fd_ < 0 ? -1 : ::openat(fd_, name, O_RDONLY | O_CLOEXEC);
}
std::optional<std::string> Directory::text(const char* name, std::size_t limit) const {
  return text_of(Descriptor(open(name)), limit);
}
std::optional<std::uint64_t> Directory::number(const char* name) const {
  return number_of(text(name, 64));
}
std::string Directory::link(const char* name) const {
  std::array<char, 512> target;
  const auto size = fd_ < 0 ? -1 : ::readlinkat(fd_, name, target.data(), target.size());
  if (size <= 0) return {};
  const std::string_view whole(target.data(), static_cast<std::size_t>(size));
  return std::string(whole.substr(whole.rfind('/') + 1));
}
bool Directory::has(const char* name) const {
  return fd_ >= 0 && ::faccessat(fd_, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

std::optional<std::string> read_text(const fs::path& path, std::size_t limit) {
  return text_of(Descriptor(path, O_RDONLY), limit);
}

std::optional<std::string> read_to_end(const fs::path& path, std::size_t limit) {
  return text_of(Descriptor(path, O_RDONLY), limit, Short::nothing);
}

Result<void> write_text(const fs::path& path, std::string_view text, std::int64_t offset) {
  Descriptor file(path, O_WRONLY);
  if (file.get() < 0) return fail_errno("cannot open " + path.string());
  const auto written = ::pwrite(file.get(), text.data(), text.size(), offset);
  if (written < 0) return fail_errno("writing to " + path.string());
  if (static_cast<std::size_t>(written) != text.size())
    return fail(ErrorKind::failed, "short write to " + path.string());
  return {};
}

std::optional<std::uint64_t> read_number(const fs::path& path) {
  return number_of(read_text(path, 64));
}

std::string link_name(const fs::path& link) {
  std::error_code error;
  const auto target = fs::read_symlink(link, error);
  return error ? std::string{} : target.filename().string();
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error))
    names.push_back(at->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

bool exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(" \t\n", at)) != std::string_view::npos) {
    const auto end = std::min(text.find_first_of(" \t\n", at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

}  // namespace pciassign::detail
