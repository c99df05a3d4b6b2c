// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "assign/claim.hpp"
#include "assign/facts.hpp"
#include "assign/isolation.hpp"
#include "assign/nodes.hpp"

namespace pciassign {
namespace {

std::string free_state(const Device& device) {
  if (device.on_pciback()) return "reserved";
  if (!device.driver.empty()) return "in use by dom0";
  return "free";
}

/// Looked up once for a whole list.
struct Assignments {
  std::map<Sbdf, AttachmentRecord> records;
  std::map<Sbdf, DomId> markers;
  std::map<DomId, std::vector<detail::Entry>> entries;
  std::map<Sbdf, std::string> unreadable;
};

Result<Assignments> read_assignments(Ports& ports) {
  Assignments found;
  auto records = ports.journal.all();
  if (!records) return tl::unexpected(records.error());
  auto unreadable = detail::read_unreadable(ports);
  if (!unreadable) return tl::unexpected(unreadable.error());
  found.unreadable = std::move(*unreadable);
  for (auto& record : *records) found.records.emplace(record.device, std::move(record));
  auto owners = detail::read_owners(ports);
  if (!owners) return tl::unexpected(owners.error());
  for (const auto& owner : *owners) {
    found.markers.emplace(owner.device, owner.domid);
    if (found.entries.contains(owner.domid)) continue;
    auto entries = detail::read_entries(ports.store, owner.domid);
    if (!entries) return tl::unexpected(entries.error());
    found.entries.emplace(owner.domid, std::move(*entries));
  }
  return found;
}

using Groups = std::map<Sbdf, Sbdf>;

Result<DeviceView> view_of(Ports& ports, Device device, const Assignments& found,
                           const Groups& groups) {
  DeviceView view;
  const auto sbdf = device.sbdf;
  if (const auto at = groups.find(sbdf); at != groups.end()) view.group = at->second;
  view.device = std::move(device);
  if (found.unreadable.contains(sbdf)) {
    view.state = "unknown";
    return view;
  }
  if (const auto at = found.records.find(sbdf); at != found.records.end()) {
    view.state = to_string(at->second.phase);
    view.domid = at->second.domid;
    view.domain_name = at->second.domain_name;
  } else if (const auto marker = found.markers.find(sbdf); marker != found.markers.end()) {
    view.state = "attached by libxl";
    view.domid = marker->second;
    auto name = detail::name_of(ports, marker->second);
    if (!name) return tl::unexpected(name.error());
    view.domain_name = *name;
  } else {
    view.state = free_state(view.device);
    return view;
  }
  if (const auto at = found.entries.find(*view.domid); at != found.entries.end())
    for (const auto& entry : at->second)
      if (entry.device == sbdf) view.virtual_slot = entry.vdev;
  return view;
}

}  // namespace

Toolstack::Toolstack(Ports ports, Settings settings) : ports_(ports), settings_(settings) {}

Result<std::vector<DeviceView>> Toolstack::list() {
  auto devices = ports_.pci.devices();
  if (!devices) return tl::unexpected(devices.error());
  auto found = read_assignments(ports_);
  if (!found) return tl::unexpected(found.error());
  const auto groups = detail::isolation_groups(*devices);
  std::vector<DeviceView> views;
  views.reserve(devices->size());
  for (auto& device : *devices) {
    auto view = view_of(ports_, std::move(device), *found, groups);
    if (!view) return tl::unexpected(view.error());
    views.push_back(std::move(*view));
  }
  return views;
}

Result<DeviceView> Toolstack::show(const Sbdf& sbdf) {
  auto device = ports_.pci.device(sbdf);
  if (!device) return tl::unexpected(device.error());
  auto found = read_assignments(ports_);
  if (!found) return tl::unexpected(found.error());
  auto all = ports_.pci.devices();
  if (!all) return tl::unexpected(all.error());
  return view_of(ports_, std::move(*device), *found, detail::isolation_groups(*all));
}

Result<DomainInfo> Toolstack::find_domain(const std::string& name_or_id) {
  DomId domid = 0;
  const auto end = name_or_id.data() + name_or_id.size();
  const auto [at, error] = std::from_chars(name_or_id.data(), end, domid);
  if (!name_or_id.empty() && error == std::errc{} && at == end) return ports_.xen.domain(domid);
  auto domains = ports_.xen.domains();
  if (!domains) return tl::unexpected(domains.error());
  for (const auto& domain : *domains) {
    auto name = ports_.store.read(fmt::format("/local/domain/{}/name", domain.domid));
    if (!name) return tl::unexpected(name.error());
    if (*name && **name == name_or_id) return domain;
  }
  return fail(ErrorKind::not_found, fmt::format("there is no domain \"{}\"", name_or_id),
              "`xl list` shows the domains");
}

Result<DomainInfo> Toolstack::domain_with_uuid(const std::string& uuid) {
  auto domains = ports_.xen.domains();
  if (!domains) return tl::unexpected(domains.error());
  const DomainInfo* dying = nullptr;
  for (const auto& domain : *domains) {
    if (domain.uuid_str() != uuid) continue;
    if (!domain.dying) return domain;
    dying = &domain;
  }
  if (dying != nullptr) return *dying;
  return fail(ErrorKind::not_found, fmt::format("there is no domain with the uuid {}", uuid),
              "`xl list -v` shows the domains with theirs");
}

Result<std::string> Toolstack::domain_name(DomId domid) {
  return detail::name_of(ports_, domid);
}

}  // namespace pciassign
