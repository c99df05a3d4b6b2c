// SPDX-License-Identifier: LGPL-2.1-or-later
#include "toml_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <tuple>

namespace pciassign::config {
namespace {

namespace fs = std::filesystem;

constexpr auto kRemedy = "correct it, then: systemctl reload pciassignd";

Error unusable(std::string message) {
  return {ErrorKind::usage, {}, std::move(message), kRemedy, 0};
}

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

Result<void> check_regular(const struct stat& file, const std::string& name) {
  if (!S_ISREG(file.st_mode))
    return tl::unexpected<Error>(
        unusable(fmt::format("{}: it is {}, not a file", name, kind_of(file.st_mode))));
  if (static_cast<std::size_t>(file.st_size) > kMostFileBytes)
    return tl::unexpected<Error>(unusable(fmt::format("{}: it is too large ({} bytes; {} at most)",
                                                      name, file.st_size, kMostFileBytes)));
  return {};
}

Error cannot_read(const std::string& name, int err) {
  Error error = fail_errno(name + ": cannot be read", err).value();
  error.hint = kRemedy;
  return error;
}

Result<std::string> read_open(int fd, const std::string& name) {
  struct stat file {};
  if (::fstat(fd, &file) != 0) return tl::unexpected<Error>(cannot_read(name, errno));
  if (auto regular = check_regular(file, name); !regular)
    return tl::unexpected<Error>(regular.error());
  std::string text;
  std::array<char, 4096> part;
  while (text.size() <= kMostFileBytes) {
    const ssize_t n = ::read(fd, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tl::unexpected<Error>(cannot_read(name, errno));
    if (n == 0) return text;
    text.append(part.data(), static_cast<std::size_t>(n));
  }
  return tl::unexpected<Error>(unusable(name + ": it is too large"));  // It grew.
}

/// No text: the file went away after its name was read.
Result<std::optional<std::string>> read_regular(const std::string& name) {
  // Before it is opened: that does something to a device.
  struct stat file {};
  if (::stat(name.c_str(), &file) != 0) {
    const int err = errno;
    if (err != ENOENT) return tl::unexpected<Error>(cannot_read(name, err));
    if (::lstat(name.c_str(), &file) != 0) return std::nullopt;
    return tl::unexpected<Error>(unusable(name + ": it is a link to nowhere"));
  }
  if (auto regular = check_regular(file, name); !regular)
    return tl::unexpected<Error>(regular.error());
  const int fd = ::open(name.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return tl::unexpected<Error>(cannot_read(name, errno));
  Result<std::string> text = read_open(fd, name);
  ::close(fd);
  if (!text) return tl::unexpected<Error>(text.error());
  return std::move(*text);
}

void skip_spaces(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
}

/// Of a header such as [domain.NAME]; empty where the line is none.
std::string named_in_line(std::string_view line) {
  skip_spaces(line);
  if (!line.starts_with('[')) return {};
  line.remove_prefix(std::min(line.find_first_not_of("[ \t"), line.size()));
  const std::size_t word = line.find_first_of(". \t");
  if (word == std::string_view::npos ||
      (line.substr(0, word) != "domain" && line.substr(0, word) != "driver-domain"))
    return {};
  line.remove_prefix(word);
  skip_spaces(line);
  if (!line.starts_with('.')) return {};
  line.remove_prefix(1);
  skip_spaces(line);
  if (line.starts_with('"') || line.starts_with('\'')) {
    const std::size_t end = line.find(line.front(), 1);
    return end == std::string_view::npos ? "" : std::string(line.substr(1, end - 1));
  }
  const auto bare = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  return {line.begin(), std::find_if_not(line.begin(), line.end(), bare)};
}

/// The domains whose headers a text has that need not be TOML.
std::vector<std::string> named_in(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (std::string name = named_in_line(text.substr(0, end)); !name.empty())
      names.push_back(std::move(name));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Problem problem_of_file(const fs::path& file, Error error, std::string_view text = {}) {
  if (error.hint.empty()) error.hint = kRemedy;
  return {.file = file, .error = std::move(error), .domains = named_in(text), .whole = true};
}

}  // namespace

fs::path file_of(std::string_view origin) {
  for (int i = 0; i < 2; ++i) origin = origin.substr(0, origin.rfind(':'));
  return origin;
}

Problem problem_of_entry(const fs::path& file, const std::string& domain, Error error) {
  if (error.hint.empty()) error.hint = kRemedy;
  return {.file = file, .error = std::move(error), .domains = {domain}};
}

void read_toml_files(
    const fs::path& directory, std::vector<Problem>& problems,
    const std::function<void(const std::string& file, const std::string& text)>& use) {
  std::error_code ec;
  std::vector<fs::path> files;
  for (fs::directory_iterator it(directory, ec), end; !ec && it != end; it.increment(ec)) {
    if (it->path().native().ends_with(".toml")) files.push_back(it->path());
  }
  if (ec && ec != std::errc::no_such_file_or_directory) {
    const fs::path name = (directory / "").parent_path();  // As its files call it: without a slash.
    problems.push_back(problem_of_file(name, cannot_read(name, ec.value())));
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    // Editors' locks and copies. An administrator's own would be missed without a word.
    if (file.filename().native().starts_with('.')) {
      problems.push_back({.file = file,
                          .error = {ErrorKind::usage,
                                    {},
                                    file.string() + ": not read: its name begins with a dot",
                                    "an editor's file goes by itself; rename any other",
                                    0},
                          .domains = {},
                          .minor = true});
      continue;
    }
    const auto text = read_regular(file);
    if (!text) {
      problems.push_back(problem_of_file(file, text.error()));
    } else if (*text) {
      use(file, **text);
    }
  }
}

void read_entries(
    std::string_view kind, std::string_view text, const std::string& origin,
    std::vector<Problem>& problems,
    const std::function<Result<void>(const std::string& name, const toml::node& node)>& use) {
  const Result<toml::table> root = parse_toml(text, origin);
  if (!root) {
    problems.push_back(problem_of_file(origin, root.error(), text));
    return;
  }
  TableReader top(*root, origin, "the top level");
  const toml::table* table = top.table(kind);
  if (const auto end = top.end(); !end)
    problems.push_back(problem_of_file(origin, end.error(), text));
  if (table == nullptr) return;
  std::vector<std::pair<std::string, const toml::node*>> entries;
  for (const auto& [key, node] : *table) entries.emplace_back(key.str(), &node);
  std::stable_sort(entries.begin(), entries.end(), [](const auto& one, const auto& other) {
    const auto place = [](const toml::node& node) {
      return std::tuple(node.source().begin.line, node.source().begin.column);
    };
    return place(*one.second) < place(*other.second);
  });
  for (const auto& [name, node] : entries) {
    if (const auto used = use(name, *node); !used)
      problems.push_back(problem_of_entry(origin, name, used.error()));
  }
}

}  // namespace pciassign::config
