// SPDX-License-Identifier: GPL-2.0-or-later
#include "program.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

extern char** environ;

namespace pciassign::cli {
namespace {

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> buffer;
  off_t at = 0;
  for (ssize_t n = 0; (n = ::pread(fd, buffer.data(), buffer.size(), at)) > 0; at += n) {
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return text;
}

}  // namespace

std::string ProgramEnd::last_words() const {
  // libxl prints the cause first and what it gave up because of it afterwards: the first line that
  // calls itself an error, else the last line.
  std::string last;
  std::size_t at = 0;
  while (at < output.size()) {
    const std::size_t end = std::min(output.find('\n', at), output.size());
    std::string line = output.substr(at, end - at);
    at = end + 1;
    if (line.find("rror:") != std::string::npos) return line;
    if (line.find_first_not_of(" \t") != std::string::npos) last = line;
  }
  return last;
}

Result<ProgramEnd> run_program(const std::vector<std::string>& words) {
  // A memory file rather than a pipe: nobody waits for its end, however long a child keeps it open.
  const int capture = ::memfd_create("output", MFD_CLOEXEC);
  if (capture < 0) return fail_errno("cannot keep the output of " + words.front());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, capture, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, capture, STDERR_FILENO);
  pid_t child = 0;
  const int err = ::posix_spawnp(&child, argv.front(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (err != 0) {
    ::close(capture);
    Error error = fail_errno("cannot run " + words.front(), err).value();
    error.kind = ErrorKind::unavailable;
    error.hint = "install Xen's tools (xen-utils)";
    return tl::unexpected<Error>(std::move(error));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ProgramEnd end;
  end.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  end.output = read_all(capture);
  ::close(capture);
  return end;
}

Result<TemporaryFile> TemporaryFile::make(std::string_view text) {
  const char* directory = std::getenv("TMPDIR");
  std::string path = std::string(directory != nullptr && *directory != '\0' ? directory : "/tmp") +
                     "/pciassign.XXXXXX";
  const int fd = ::mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) return fail_errno("cannot make a temporary file " + path);
  TemporaryFile file(path);
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      auto error = fail_errno("cannot write " + path);
      ::close(fd);
      return error;
    }
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  ::close(fd);
  return file;
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

TemporaryFile::~TemporaryFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace pciassign::cli
