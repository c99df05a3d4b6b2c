// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "assign/journal_json.hpp"
#include "assign/journal_read.hpp"
#include "pci/files.hpp"

namespace pciassign {
namespace detail {
namespace {

constexpr std::size_t kMaxRecordBytes = std::size_t{1} << 20;

tl::unexpected<Error> damaged(const fs::path& file, const std::string& why) {
  return fail(ErrorKind::busy, "the journal entry " + file.string() + " is damaged (" + why + ")",
              "check what its device and domain still hold, then remove the file", "E-OWNED");
}

Result<std::string> text_in(const Descriptor& open, const fs::path& file) {
  // What is no file may have no end, or make its reader wait.
  struct stat info {};
  if (::fstat(open.get(), &info) != 0) return damaged(file, fail_errno("stat").value().message);
  if (!S_ISREG(info.st_mode)) return damaged(file, "it is no regular file");
  std::string text;
  char buffer[4096];
  while (true) {
    const auto got = ::read(open.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return damaged(file, fail_errno("it cannot be read").value().message);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kMaxRecordBytes) return damaged(file, "it is too large");
  }
}

}  // namespace

fs::path journal_file_name(const Sbdf& device) {
  return device.libxl_key() + ".json";
}

std::optional<Sbdf> device_of_journal_file(const fs::path& name) {
  if (name.extension() != ".json") return std::nullopt;
  return Sbdf::from_libxl_key(name.stem().string());
}

Result<std::vector<std::string>> journal_names(const fs::path& directory) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error))
    names.push_back(at->path().filename().string());
  if (error && error != std::errc::no_such_file_or_directory)
    return fail_errno("reading " + directory.string(), error.value());
  // Half written by a process that died: the entry before it is still the valid one.
  std::erase_if(names, [](const std::string& name) {
    const fs::path path = name;
    return path.extension() == kJournalTemporary && device_of_journal_file(path.stem());
  });
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::optional<AttachmentRecord>> read_journal_file(const fs::path& file,
                                                          const Sbdf& device) {
  const Descriptor open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (open.get() < 0) {
    if (errno == ENOENT) return std::nullopt;
    return damaged(file, fail_errno("it cannot be opened").value().message);
  }
  const auto text = text_in(open, file);
  if (!text) return tl::unexpected(text.error());
  auto record = record_from_json(*text);
  if (!record) return damaged(file, record.error().message);
  if (record->device != device) return damaged(file, "it tells of " + record->device.str());
  return std::optional(std::move(*record));
}

}  // namespace detail

namespace {

namespace fs = std::filesystem;

class FileJournal final : public Journal {
 public:
  FileJournal(fs::path directory, std::string boot)
      : directory_(std::move(directory)), boot_(std::move(boot)) {}

  Result<void> put(const AttachmentRecord& record) override {
    std::error_code ec;
    fs::create_directories(directory_, ec);
    if (ec)
      return fail_errno("creating the journal's directory " + directory_.string(), ec.value());
    const auto file = path_of(record.device);
    auto temporary = file;
    temporary += detail::kJournalTemporary;
    AttachmentRecord ours = record;
    ours.boot = boot_;
    if (auto written = write_synced(temporary, detail::to_json(ours)); !written) {
      ::unlink(temporary.c_str());
      return written;
    }
    if (::rename(temporary.c_str(), file.c_str()) != 0) {
      const int error = errno;
      ::unlink(temporary.c_str());
      return fail_errno("renaming to " + file.string(), error);
    }
    return sync_directory();
  }

  Result<void> erase(const Sbdf& device) override {
    const auto file = path_of(device);
    if (::unlink(file.c_str()) != 0) {
      if (errno == ENOENT) return {};
      return fail_errno("removing " + file.string());
    }
    return sync_directory();
  }

  Result<std::vector<AttachmentRecord>> all() override {
    const auto names = detail::journal_names(directory_);
    if (!names) return tl::unexpected(names.error());
    std::vector<AttachmentRecord> list;
    for (const auto& name : *names) {
      const auto device = detail::device_of_journal_file(name);
      if (!device) continue;
      auto record = find(*device);
      if (record && *record) list.push_back(std::move(**record));
    }
    return list;
  }

  Result<std::optional<AttachmentRecord>> find(const Sbdf& device) override {
    auto record = detail::read_journal_file(path_of(device), device);
    if (record && *record && (*record)->boot != boot_) return std::nullopt;
    return record;
  }

  [[nodiscard]] fs::path directory() const override { return directory_; }

  Result<std::vector<JournalFault>> faults() override {
    const auto names = detail::journal_names(directory_);
    if (!names) return tl::unexpected(names.error());
    using Kind = JournalFault::Kind;
    std::vector<JournalFault> list;
    for (const auto& name : *names) {
      const auto file = directory_ / name;
      const auto device = detail::device_of_journal_file(name);
      if (!device) {
        list.push_back({Kind::stray,
                        file,
                        {},
                        file.string() + " is no journal entry, and is ignored",
                        "keep it somewhere else, or remove it"});
        continue;
      }
      const auto record = detail::read_journal_file(file, *device);
      if (!record)
        list.push_back({Kind::damaged, file, device, record.error().message, record.error().hint});
      else if (*record && (*record)->boot != boot_)
        list.push_back(
            {Kind::former, file, device,
             "the journal entry " + file.string() + " is not of this boot, and is ignored",
             "pciassignd drops it when it starts"});
    }
    return list;
  }

 private:
  [[nodiscard]] fs::path path_of(const Sbdf& device) const {
    return directory_ / detail::journal_file_name(device);
  }

  static Result<void> write_synced(const fs::path& file, const std::string& text) {
    const int fd =
        ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return fail_errno("creating " + file.string());
    std::size_t at = 0;
    int error = 0;
    while (at < text.size() && error == 0) {
      const auto written = ::write(fd, text.data() + at, text.size() - at);
      if (written > 0)
        at += static_cast<std::size_t>(written);
      else if (written < 0 && errno != EINTR)
        error = errno;
    }
    if (error == 0 && ::fsync(fd) != 0) error = errno;
    if (::close(fd) != 0 && error == 0) error = errno;
    if (error != 0) return fail_errno("writing " + file.string(), error);
    return {};
  }

  Result<void> sync_directory() {
    const int fd = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail_errno("opening " + directory_.string());
    const int error = ::fsync(fd) == 0 ? 0 : errno;
    ::close(fd);
    if (error != 0) return fail_errno("syncing " + directory_.string(), error);
    return {};
  }

  fs::path directory_;
  std::string boot_;
};

}  // namespace

Result<std::string> boot_id(const fs::path& proc) {
  constexpr std::size_t kLength = 36;
  const auto file = proc / "sys/kernel/random/boot_id";
  const auto text = detail::read_text(file, 64);
  const bool good = text && text->size() == kLength &&
                    text->find_first_not_of("0123456789abcdefABCDEF-") == std::string::npos;
  if (good) return *text;
  return fail(
      ErrorKind::unavailable, "the boot's identity cannot be read from " + file.string(),
      "without it nobody can tell the state of this boot from that of another: mount /proc");
}

Result<std::unique_ptr<Journal>> open_journal(fs::path directory, std::string boot) {
  if (boot.empty())
    return fail(ErrorKind::usage, "a journal needs the identity of the boot that it is of");
  return std::make_unique<FileJournal>(std::move(directory), std::move(boot));
}

}  // namespace pciassign
