// SPDX-License-Identifier: GPL-2.0-or-later
#include "domain_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "configured.hpp"
#include "image/kernel.hpp"

namespace pciassign::cli {
namespace fs = std::filesystem;
namespace {

/// Holes where there are only zeros: of a kernel a third.
Result<void> write_sparse(int fd, std::string_view data) {
  constexpr std::size_t page = 4096;
  const std::string zeros(page, '\0');
  for (std::size_t at = 0; at < data.size();) {
    const std::string_view part = data.substr(at, page);
    if (part == std::string_view(zeros).substr(0, part.size())) {
      at += part.size();
      continue;
    }
    std::size_t end = at + part.size();
    while (end < data.size() && data.substr(end, page) != std::string_view(zeros))
      end = std::min(end + page, data.size());
    const ssize_t n = ::pwrite(fd, data.data() + at, end - at, static_cast<off_t>(at));
    if (n < 0 && errno != EINTR) return fail_errno("write");
    // After a short write this goes on in the middle of a page: as good as any other place.
    if (n > 0) at += static_cast<std::size_t>(n);
  }
  if (::ftruncate(fd, static_cast<off_t>(data.size())) != 0 || ::fsync(fd) != 0)
    return fail_errno("write");
  return {};
}

Result<void> write_new(const fs::path& file, std::string_view data) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno("cannot write " + file.string());
  const Result<void> done = write_sparse(fd, data);
  const int err = done ? 0 : done.error().sys_errno;
  ::close(fd);
  if (!done) return fail_errno("cannot write " + file.string(), err);
  return {};
}

void sync_directory(const fs::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

std::string key_of(const std::string& name) {
  return name.find('.') == std::string::npos ? name : '"' + name + '"';
}

}  // namespace

Result<DomainPlaces> DomainPlaces::find(const Environment& environment) {
  const auto paths = daemon_paths(environment);
  if (!paths) return tl::unexpected<Error>(paths.error());
  return DomainPlaces{paths->state, paths->domains, paths->assignments};
}

std::string entry_text(const DomainSpec& spec, const fs::path& directory) {
  std::string devices;
  for (const DeviceSpec& device : spec.devices)
    devices += fmt::format("{}\"{}\"", devices.empty() ? "" : ", ", device.str());
  return fmt::format(
      "# A driver domain that pciassignd keeps alive; all settings: pciassignd.toml(5).\n"
      "[driver-domain.{}]\n"
      "class = \"{}\"\n"
      "devices = [{}]\n"
      "config = \"{}\"\n"
      "standby = {}\n"
      "autostart = {}\n",
      key_of(spec.name.str()), config::to_string(spec.driver_class), devices,
      (directory / "domain.cfg").string(), spec.standby, spec.autostart);
}

std::string xl_text(const DomainSpec& spec, const fs::path& directory, bool standby) {
  // The supervisor decides what becomes of a domain that ends; xl only keeps it to be looked at.
  // An oops is an end as well: what is left of a driver after one serves nobody.
  return fmt::format(
      "{}{}\n"
      "# pciassignd attaches the devices before the first instruction: no pci=[...] here.\n"
      "name = \"{}\"\n"
      "type = \"pv\"\n"
      "kernel = \"{}\"\n"
      "ramdisk = \"{}\"\n"
      "cmdline = \"console=hvc0 quiet oops=panic panic=-1\"\n"
      "memory = {}\n"
      "vcpus = 1\n"
      "passthrough = \"enabled\"\n"
      "e820_host = 1\n"
      "on_poweroff = \"preserve\"\n"
      "on_reboot = \"preserve\"\n"
      "on_crash = \"preserve\"\n",
      kMadeBy, spec.command, standby ? spec.name.standby() : spec.name.str(),
      (directory / "kernel").string(), (directory / "initramfs").string(), spec.memory);
}

Result<StagedDomain> StagedDomain::make(const DomainPlaces& places,
                                        const config::DriverDomainName& name) {
  const fs::path final = places.directory(name);
  std::error_code ec;
  fs::create_directories(final.parent_path(), ec);
  std::string pattern = final.parent_path() / ("." + name.str() + ".XXXXXX");
  if (::mkdtemp(pattern.data()) == nullptr)
    return fail_errno("cannot make a directory in " + final.parent_path().string(), errno,
                      errno == EACCES || errno == EPERM ? "run it as root" : "");
  return StagedDomain(pattern, final);
}

StagedDomain::StagedDomain(StagedDomain&& other) noexcept
    : at_(std::exchange(other.at_, {})), final_(std::move(other.final_)) {}

StagedDomain::~StagedDomain() {
  std::error_code ec;
  if (!at_.empty()) fs::remove_all(at_, ec);
}

Result<void> StagedDomain::write(const DomainSpec& spec, const image::Image& image) {
  std::vector<std::pair<std::string, std::string>> texts{
      {"domain.cfg", xl_text(spec, final_, false)}};
  if (spec.standby) texts.emplace_back("standby.cfg", xl_text(spec, final_, true));
  for (const auto& [name, text] : texts)
    if (auto done = write_new(at_ / name, text); !done) return done;
  if (auto done = write_new(at_ / "kernel", image.kernel); !done) return done;
  return write_new(at_ / "initramfs", image.initramfs);
}

Result<void> StagedDomain::put() {
  sync_directory(at_);
  if (::rename(at_.c_str(), final_.c_str()) != 0)
    return fail_errno("cannot make " + final_.string());
  at_.clear();
  sync_directory(final_.parent_path());
  return {};
}

std::string command_that_made(const fs::path& config) {
  std::ifstream in(config);
  std::string line;
  std::getline(in, line);
  return line.starts_with(kMadeBy) ? line.substr(kMadeBy.size()) : "";
}

Result<fs::path> own_entry_file(const config::DriverDomain& domain) {
  const fs::path file = config::file_of(domain.origin);
  const auto text = image::read_whole(file);
  if (!text) return tl::unexpected<Error>(text.error());
  const auto all = config::parse_driver_domains(*text, file.string());
  if (!all) return tl::unexpected<Error>(all.error());
  if (all->size() > 1)
    return fail(ErrorKind::refused,
                fmt::format("the entry at {} stands in a file with others", domain.origin),
                "take it out of that file by hand, then try again");
  return file;
}

}  // namespace pciassign::cli
