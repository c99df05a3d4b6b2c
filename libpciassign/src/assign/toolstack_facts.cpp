// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "assign/claim.hpp"
#include "assign/facts.hpp"
#include "assign/nodes.hpp"

namespace pciassign::detail {

Result<std::vector<std::pair<Sbdf, DomId>>> read_owners(Ports& ports) {
  std::vector<std::pair<Sbdf, DomId>> owners;
  std::set<Sbdf> known;
  auto records = ports.journal.all();
  if (!records) return tl::unexpected(records.error());
  for (const auto& record : *records)
    if (known.insert(record.device).second) owners.emplace_back(record.device, record.domid);
  auto markers = read_markers(ports.store);
  if (!markers) return tl::unexpected(markers.error());
  for (const auto& marker : *markers) {
    if (known.contains(marker.device)) continue;
    auto info = ports.xen.domain(marker.domid);
    // A marker of a domain that is gone was left behind: nobody has the device.
    if (!info && info.error().kind == ErrorKind::not_found) continue;
    if (!info) return tl::unexpected(info.error());
    owners.emplace_back(marker.device, marker.domid);
  }
  return owners;
}

Result<std::vector<DeviceSpec>> expand(Ports& ports, const std::vector<DeviceSpec>& specs,
                                       const std::vector<Device>& all) {
  std::vector<DeviceSpec> wanted;
  for (auto spec : specs) {
    if (!spec.name.empty()) {
      auto named = device_named(ports.store, spec.name);
      if (!named) return tl::unexpected(named.error());
      if (!*named)
        return fail(ErrorKind::not_found, fmt::format("no device is named \"{}\"", spec.name),
                    "names are given with `xl pci-assignable-add -n NAME BDF`");
      spec.sbdf = **named;
      spec.name.clear();
    }
    if (!spec.all_functions) {
      wanted.push_back(spec);
      continue;
    }
    spec.all_functions = false;
    const auto before = wanted.size();
    for (const auto& device : all)
      if (device.sbdf.segment == spec.sbdf.segment && device.sbdf.bus == spec.sbdf.bus &&
          device.sbdf.device == spec.sbdf.device) {
        spec.sbdf = device.sbdf;
        wanted.push_back(spec);
      }
    if (wanted.size() == before) wanted.push_back(spec);  // absent: policy says so
  }
  std::set<Sbdf> seen;
  for (const auto& spec : wanted)
    if (!seen.insert(spec.sbdf).second)
      return fail(ErrorKind::usage, fmt::format("{} is given twice", spec.sbdf.str()),
                  "name each device once");
  return wanted;
}

Result<AttachFacts> gather(Ports& ports, const std::vector<DeviceSpec>& specs,
                           const std::optional<DomainInfo>& domain) {
  AttachFacts facts;
  facts.domain = domain;
  auto host = ports.xen.host();
  if (!host) return tl::unexpected(host.error());
  facts.host = *host;
  auto all = ports.pci.devices();
  if (!all) return tl::unexpected(all.error());
  facts.all_devices = std::move(*all);
  auto wanted = expand(ports, specs, facts.all_devices);
  if (!wanted) return tl::unexpected(wanted.error());
  facts.wanted = std::move(*wanted);
  auto owners = read_owners(ports);
  if (!owners) return tl::unexpected(owners.error());
  facts.owners = std::move(*owners);
  facts.pciback_present = ports.pci.pciback_present();
  if (domain) {
    auto entries = read_entries(ports.store, domain->domid);
    if (!entries) return tl::unexpected(entries.error());
    facts.already_attached = entries->size();
  }
  if (!facts.host.iommu) return facts;
  for (const auto& spec : facts.wanted) {
    if (domain) {
      auto can = ports.xen.test_assign(domain->domid, spec.sbdf);
      if (!can && can.error().sys_errno == EOPNOTSUPP) facts.domain_has_passthrough = false;
    }
    // Asked with dom0's id, Xen names the members that dom0 still has: those are the ones that
    // matter. An error means that Xen does not know the device; the topology still counts.
    if (auto group = ports.xen.device_group(kDom0, spec.sbdf); group && !group->empty())
      facts.xen_groups.emplace_back(spec.sbdf, std::move(*group));
  }
  return facts;
}

Result<std::string> name_of(Ports& ports, DomId domid) {
  auto name = ports.store.read(fmt::format("/local/domain/{}/name", domid));
  if (!name) return tl::unexpected(name.error());
  return name->value_or(fmt::format("domain-{}", domid));
}

}  // namespace pciassign::detail
