// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <unistd.h>

#include "assign/journal_json.hpp"
#include "pci/files.hpp"
#include "pciassign/journal.hpp"

namespace pciassign {
namespace {

namespace fs = std::filesystem;
constexpr const char* kSuffix = ".json";
constexpr const char* kTemporary = ".new";

class FileJournal final : public Journal {
 public:
  explicit FileJournal(fs::path directory) : directory_(std::move(directory)) {}

  Result<void> put(const AttachmentRecord& record) override {
    const auto file = path_of(record.device);
    auto temporary = file;
    temporary += kTemporary;
    if (auto written = write_synced(temporary, detail::to_json(record)); !written) {
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
    std::error_code error;
    fs::directory_iterator at(directory_, error);
    if (error) return fail_errno("reading " + directory_.string(), error.value());
    std::vector<AttachmentRecord> list;
    for (const auto& name : detail::names_in(directory_)) {
      const auto file = directory_ / name;
      // Half written by a process that died: the entry before it is still the valid one.
      if (file.extension() == kTemporary) continue;
      auto record = read(file);
      if (!record) return tl::unexpected(record.error());
      if (*record) list.push_back(std::move(**record));
    }
    return list;
  }

  Result<std::optional<AttachmentRecord>> find(const Sbdf& device) override {
    return read(path_of(device));
  }

 private:
  [[nodiscard]] fs::path path_of(const Sbdf& device) const {
    return directory_ / (device.libxl_key() + kSuffix);
  }

  Result<std::optional<AttachmentRecord>> read(const fs::path& file) {
    const auto text = detail::read_text(file);
    if (!text) {
      if (!detail::exists(file)) return std::nullopt;
      return fail_errno("reading the journal entry " + file.string());
    }
    auto record = detail::record_from_json(*text);
    if (!record) {
      auto error = record.error();
      error.message = "the journal entry " + file.string() + " is damaged (" + error.message + ")";
      error.hint = "check what its device and domain still hold, then remove the file";
      return tl::unexpected(error);
    }
    if (file != path_of(record->device))
      return fail(ErrorKind::failed,
                  "the journal entry " + file.string() + " tells of " + record->device.str());
    return std::optional(std::move(*record));
  }

  static Result<void> write_synced(const fs::path& file, const std::string& text) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
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
};

}  // namespace

Result<std::unique_ptr<Journal>> open_journal(fs::path directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error)
    return fail_errno("creating the journal's directory " + directory.string(), error.value());
  return std::make_unique<FileJournal>(std::move(directory));
}

}  // namespace pciassign
