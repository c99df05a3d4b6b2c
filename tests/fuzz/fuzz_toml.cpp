// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's configuration, driver domains and assignments: an edit of a file of assignments that
// is read leaves one that is read.
#include "check.hpp"
#include "pciassign/config_domains.hpp"

using namespace pciassign;

namespace {

/// What is read is fit to be run: the daemon makes paths and commands of it.
void driver_domains(const std::string& text) {
  const auto domains = config::parse_driver_domains(text, "f.toml");
  if (!domains) {
    fuzz::require(
        domains.error().kind == ErrorKind::usage && domains.error().message.starts_with("f.toml:"),
        "an error does not say where", domains.error().message);
    return;
  }
  for (const auto& [name, domain] : *domains) {
    fuzz::require(name == domain.name && !name.empty() && name.front() != '.' &&
                      name.find_first_of(std::string("/\0\n ", 4)) == std::string::npos,
                  "a name is no file's name", name);
    fuzz::require(!domain.devices.empty(), "a driver domain has no device", name);
    fuzz::require(domain.config.is_absolute(), "a path is relative", domain.config.string());
    fuzz::require(domain.most_crashes > 0 && domain.start_timeout.count() > 0, "never given up",
                  name);
    fuzz::require(!domains->contains(domain.standby_name()), "a standby's name is taken", name);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  (void)config::parse_daemon_config(text, "f.toml");
  driver_domains(text);
  const auto before = config::parse_assignments(text, "f.toml");
  const DeviceSpec nic = *DeviceSpec::parse("0000:00:04.0,permissive=1");
  std::string domain = "net";
  if (before && !before->empty()) domain = before->begin()->first;
  const auto with = config::with_devices(text, "f.toml", domain, {nic}, std::nullopt);
  if (!before) {
    fuzz::require(!with.has_value(), "a broken file was edited");
    return 0;
  }
  if (!with) return 0;  // Written in a form that only a person should edit.
  const auto after = config::parse_assignments(*with, "f.toml");
  fuzz::require(after.has_value(), "the edited file is not read", *with);
  const auto entry = after->find(domain);
  fuzz::require(entry != after->end(), "the domain is not in the edited file", *with);
  bool there = false;
  for (const auto& device : entry->second.devices) there = there || device == nic;
  fuzz::require(there, "the device is not in the edited file", *with);
  for (const auto& [name, old] : *before)
    fuzz::require(
        name == domain || (after->contains(name) && after->at(name).devices == old.devices),
        "another domain was changed", *with);
  const auto without = config::without_devices(*with, "f.toml", domain, {nic.sbdf});
  fuzz::require(!without || config::parse_assignments(*without, "f.toml"),
                "taking it out breaks the file", *with);
  return 0;
}
