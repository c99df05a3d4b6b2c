// SPDX-License-Identifier: GPL-2.0-or-later
#include "state_files.hpp"

#include <algorithm>
#include <fstream>

namespace pciassign::daemon {
namespace fs = std::filesystem;

fs::path StateFiles::paused_file(DomId domid) const {
  return directory_ / "paused" / std::to_string(domid);
}
fs::path StateFiles::created_file(const DomainInfo& domain) const {
  return directory_ / "created" / domain.uuid_str();
}

Result<void> StateFiles::write(const fs::path& file, const std::string& text) {
  std::error_code ec;
  fs::create_directories(file.parent_path(), ec);
  const fs::path fresh = file.string() + ".new";
  {
    std::ofstream out(fresh, std::ios::trunc);
    out << text;
    out.close();
    if (!out) return fail_errno("cannot write " + fresh.string());
  }
  fs::rename(fresh, file, ec);
  if (ec) return fail_errno("cannot write " + file.string(), ec.value());
  return {};
}

Result<void> StateFiles::set_pause(const DomainInfo& domain, Pause pause) {
  return write(paused_file(domain.domid),
               domain.uuid_str() + (pause == Pause::releasing ? "\nreleasing\n" : "\n"));
}

void StateFiles::clear_pause(DomId domid) {
  std::error_code ec;
  fs::remove(paused_file(domid), ec);
}

StateFiles::Pause StateFiles::pause_of(const DomainInfo& domain) const {
  std::ifstream in(paused_file(domain.domid));
  std::string uuid, word;
  if (!std::getline(in, uuid) || uuid != domain.uuid_str()) return Pause::none;
  return std::getline(in, word) && word == "releasing" ? Pause::releasing : Pause::ours;
}

Result<void> StateFiles::set_created(const DomainInfo& domain,
                                     const std::vector<DeviceSpec>& devices) {
  std::string text;
  for (const DeviceSpec& spec : devices) text += spec.str() + "\n";
  return write(created_file(domain), text);
}

std::vector<DeviceSpec> StateFiles::created(const DomainInfo& domain) const {
  std::ifstream in(created_file(domain));
  std::vector<DeviceSpec> devices;
  for (std::string line; std::getline(in, line);) {
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
