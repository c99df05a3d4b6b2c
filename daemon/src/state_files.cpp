// SPDX-License-Identifier: GPL-2.0-or-later
#include "state_files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "pciassign/journal.hpp"

namespace pciassign::daemon {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kBoot = "boot ";
/// A domain may be noticed, and held, a moment before its toolstack writes when it was started.
constexpr std::time_t kSlack = 10;

std::vector<std::string> lines_of(const fs::path& file) {
  std::vector<std::string> lines;
  std::error_code ec;
  if (!fs::is_regular_file(fs::symlink_status(file, ec))) return lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(std::move(line));
  return lines;
}

/// Those that are named as ours are; others are left alone.
std::vector<fs::path> files_in(const fs::path& directory, bool (*is_ours)(const std::string&)) {
  std::vector<fs::path> files;
  std::error_code ec;
  for (fs::directory_iterator at(directory, ec), end; !ec && at != end; at.increment(ec))
    if (is_ours(at->path().filename()) && fs::is_regular_file(at->symlink_status(ec)))
      files.push_back(at->path());
  std::sort(files.begin(), files.end());
  return files;
}

std::optional<DomId> domid_of(const std::string& name) {
  DomId domid = 0;
  const char* end = name.data() + name.size();
  const auto [at, error] = std::from_chars(name.data(), end, domid);
  return error == std::errc{} && at == end ? std::optional(domid) : std::nullopt;
}

bool is_domid(const std::string& name) {
  return domid_of(name).has_value();
}

/// "8-4-4-4-12", as DomainInfo::uuid_str() writes it.
bool is_uuid(const std::string& name) {
  constexpr std::string_view form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  return name.size() == form.size() &&
         std::equal(name.begin(), name.end(), form.begin(), [](char c, char wanted) {
           return wanted == '-' ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

/// The note was written since the domain was started, which libxl writes as seconds of the epoch.
Result<bool> is_younger_than(const fs::path& file, DomId domid, StoreView& store) {
  const auto vm = store.read(fmt::format("/local/domain/{}/vm", domid));
  if (!vm) return tl::unexpected<Error>(vm.error());
  if (!*vm || (*vm)->empty()) return false;
  const auto started = store.read(**vm + "/start_time");
  if (!started) return tl::unexpected<Error>(started.error());
  std::int64_t seconds = 0;
  struct stat info {};
  return *started &&
         std::from_chars((*started)->data(), (*started)->data() + (*started)->size(), seconds).ec ==
             std::errc{} &&
         ::stat(file.c_str(), &info) == 0 && info.st_mtime + kSlack >= seconds;
}

/// Of a release before this one: a note on the domain that is there and paused, written since that
/// was started.
Result<bool> is_pause_of_this_boot(const fs::path& file, const std::vector<std::string>& lines,
                                   Hypervisor& xen, StoreView& store) {
  const auto domid = domid_of(file.filename());
  if (!domid || lines.empty()) return false;
  const auto info = xen.domain(*domid);
  if (!info && info.error().kind != ErrorKind::not_found)
    return tl::unexpected<Error>(info.error());
  if (!info || info->uuid_str() != lines.front() || !info->paused) return false;
  return is_younger_than(file, *domid, store);
}

}  // namespace

fs::path StateFiles::paused_file(DomId domid) const {
  return directory_ / "paused" / std::to_string(domid);
}
fs::path StateFiles::created_file(const DomainInfo& domain) const {
  return directory_ / "created" / domain.uuid_str();
}

Result<void> StateFiles::write(const fs::path& file, const std::vector<std::string>& lines) {
  std::error_code ec;
  fs::create_directories(file.parent_path(), ec);
  const fs::path fresh = file.string() + ".new";
  {
    std::ofstream out(fresh, std::ios::trunc);
    out << kBoot << boot_ << '\n';
    for (const std::string& line : lines) out << line << '\n';
    out.close();
    if (!out) return fail_errno("cannot write " + fresh.string());
  }
  fs::rename(fresh, file, ec);
  if (ec) return fail_errno("cannot write " + file.string(), ec.value());
  return {};
}

std::vector<std::string> StateFiles::read(const fs::path& file) const {
  std::vector<std::string> lines = lines_of(file);
  if (lines.empty() || boot_.empty() || lines.front() != std::string(kBoot) + boot_) return {};
  lines.erase(lines.begin());
  return lines;
}

Result<std::vector<StateFiles::Settled>> StateFiles::settle(const fs::path& directory,
                                                            Hypervisor& xen, StoreView& store) {
  std::vector<Settled> settled;
  const auto drop = [&](const fs::path& file, std::string why) {
    std::error_code ec;
    fs::remove(file, ec);
    settled.push_back({file, false, std::move(why)});
  };
  using IsOurs = bool (*)(const std::string&);
  for (const auto& [kind, is_ours] :
       {std::pair<std::string_view, IsOurs>{"paused", is_domid}, {"created", is_uuid}}) {
    for (const fs::path& file : files_in(directory / kind, is_ours)) {
      const std::vector<std::string> lines = lines_of(file);
      const fs::path place = directory_ / kind / file.filename();
      std::error_code ec;
      if (!lines.empty() && lines.front().starts_with(kBoot)) {
        if (lines.front() != std::string(kBoot) + boot_) drop(file, "it is of another boot");
        continue;
      }
      const auto ours = kind == "paused" ? is_pause_of_this_boot(file, lines, xen, store)
                                         : has_marked_device(store, file.filename());
      if (!ours) return tl::unexpected<Error>(ours.error());
      if (!*ours) {
        drop(file, "it does not say of which boot it is, and no domain proves that it is of this");
        continue;
      }
      if (!fs::exists(place, ec) || fs::equivalent(place, file, ec)) {
        if (auto written = write(place, lines); !written)
          return tl::unexpected<Error>(written.error());
      }
      if (!fs::equivalent(place, file, ec)) fs::remove(file, ec);
      settled.push_back({file, true, "it is of this boot, as its domain proves"});
    }
  }
  return settled;
}

Result<void> StateFiles::set_pause(const DomainInfo& domain, Pause pause) {
  std::vector<std::string> lines{domain.uuid_str()};
  if (pause == Pause::releasing) lines.emplace_back("releasing");
  return write(paused_file(domain.domid), lines);
}

void StateFiles::clear_pause(DomId domid) {
  std::error_code ec;
  fs::remove(paused_file(domid), ec);
}

StateFiles::Pause StateFiles::pause_of(const DomainInfo& domain) const {
  const std::vector<std::string> lines = read(paused_file(domain.domid));
  if (lines.empty() || lines.front() != domain.uuid_str()) return Pause::none;
  return lines.size() > 1 && lines[1] == "releasing" ? Pause::releasing : Pause::ours;
}

Result<void> StateFiles::set_created(const DomainInfo& domain,
                                     const std::vector<DeviceSpec>& devices) {
  std::vector<std::string> lines;
  for (const DeviceSpec& spec : devices) lines.push_back(spec.str());
  return write(created_file(domain), lines);
}

std::vector<DeviceSpec> StateFiles::created(const DomainInfo& domain) const {
  std::vector<DeviceSpec> devices;
  for (const std::string& line : read(created_file(domain))) {
    if (Result<DeviceSpec> spec = DeviceSpec::parse(line)) devices.push_back(std::move(*spec));
  }
  return devices;
}

void StateFiles::forget_created(const DomainInfo& domain, const std::vector<Sbdf>& devices) {
  std::vector<DeviceSpec> kept = created(domain);
  const auto gone = std::remove_if(kept.begin(), kept.end(), [&](const DeviceSpec& spec) {
    return spec.name.empty() &&
           std::find(devices.begin(), devices.end(), spec.sbdf) != devices.end();
  });
  if (gone == kept.end()) return;
  kept.erase(gone, kept.end());
  std::error_code ec;
  if (kept.empty()) {
    fs::remove(created_file(domain), ec);
  } else {
    (void)set_created(domain, kept);  // At worst the domain gets the device again.
  }
}

}  // namespace pciassign::daemon
