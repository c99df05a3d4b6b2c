// SPDX-License-Identifier: GPL-2.0-or-later
#include "files.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <array>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <memory>

namespace pciassign::agent {

bool exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

Result<std::string> read_text(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("opening " + path);
  std::string text;
  std::array<char, 4096> part{};
  while (true) {
    const ssize_t got = read(fd.get(), part.data(), part.size());
    if (got < 0) return fail_errno("reading " + path);
    if (got == 0) return text;
    text.append(part.data(), static_cast<std::size_t>(got));
  }
}

std::optional<std::uint64_t> read_number(const std::string& path) {
  const auto text = read_text(path);
  if (!text) return std::nullopt;
  std::uint64_t value = 0;
  if (std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc{})
    return std::nullopt;
  return value;
}

Result<void> write_text(const std::string& path, const std::string& text) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return fail_errno("opening " + path);
  if (write(fd.get(), text.data(), text.size()) < 0) return fail_errno("writing " + path);
  return {};
}

std::vector<std::string> names_in(const std::string& directory) {
  struct Close {
    void operator()(DIR* dir) const { closedir(dir); }
  };
  std::vector<std::string> names;
  const std::unique_ptr<DIR, Close> dir(opendir(directory.c_str()));
  if (!dir) return names;
  while (const dirent* entry = readdir(dir.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  return names;
}

std::string real_path(const std::string& path) {
  struct Free {
    void operator()(char* text) const { std::free(text); }
  };
  const std::unique_ptr<char, Free> real(realpath(path.c_str(), nullptr));
  return real ? std::string(real.get()) : std::string{};
}

bool below_pci(std::string path) {
  constexpr std::string_view kDevices = "/sys/devices/";
  while (path.size() > kDevices.size() && path.starts_with(kDevices)) {
    if (real_path(path + "/subsystem") == "/sys/bus/pci") return true;
    path.erase(path.rfind('/'));
  }
  return false;
}

}  // namespace pciassign::agent
