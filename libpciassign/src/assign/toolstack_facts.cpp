// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "assign/claim.hpp"
#include "assign/facts.hpp"
#include "assign/nodes.hpp"

namespace pciassign::detail {

namespace {

DeviceInXen::Says meaning_of(const Result<void>& answer) {
  if (answer) return DeviceInXen::Says::assignable;
  switch (answer.error().sys_errno) {
    case EBUSY:
      return DeviceInXen::Says::taken;
    case ENODEV:
      return DeviceInXen::Says::unknown;
    default:
      return DeviceInXen::Says::nothing;
  }
}

/// Only a device that has reserved memory is worth asking every other one about theirs.
Result<void> read_reserved(Ports& ports, const std::vector<Device>& all, const Sbdf& sbdf,
                           DeviceInXen& in_xen) {
  auto own = ports.xen.reserved_memory(sbdf);
  if (!own) return tl::unexpected(own.error());
  in_xen.reserved = std::move(*own);
  if (in_xen.reserved.empty()) return {};
  for (const auto& other : all) {
    if (other.sbdf == sbdf || other.sbdf.segment != sbdf.segment) continue;
    auto theirs = ports.xen.reserved_memory(other.sbdf);
    if (!theirs) return tl::unexpected(theirs.error());
    if (std::find_first_of(theirs->begin(), theirs->end(), in_xen.reserved.begin(),
                           in_xen.reserved.end()) != theirs->end())
      in_xen.reserved_with.push_back(other.sbdf);
  }
  return {};
}

}  // namespace

Result<std::vector<Owner>> read_owners(Ports& ports) {
  std::vector<Owner> owners;
  std::set<Sbdf> known;
  auto records = ports.journal.all();
  if (!records) return tl::unexpected(records.error());
  for (const auto& record : *records)
    if (known.insert(record.device).second) owners.push_back({record.device, record.domid, false});
  auto markers = read_markers(ports.store);
  if (!markers) return tl::unexpected(markers.error());
  for (const auto& marker : *markers) {
    if (known.contains(marker.device)) continue;
    auto left = is_stale(ports, marker.device, marker.domid);
    if (!left) return tl::unexpected(left.error());
    if (!*left) owners.push_back({marker.device, marker.domid, true});
  }
  return owners;
}

Result<std::map<Sbdf, std::string>> read_unreadable(Ports& ports) {
  auto faults = ports.journal.faults();
  if (!faults) return tl::unexpected(faults.error());
  std::map<Sbdf, std::string> unreadable;
  for (const auto& fault : *faults)
    if (fault.kind == JournalFault::Kind::damaged) unreadable.emplace(*fault.device, fault.why);
  return unreadable;
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
  auto unreadable = read_unreadable(ports);
  if (!unreadable) return tl::unexpected(unreadable.error());
  facts.unreadable = std::move(*unreadable);
  facts.pciback_present = ports.pci.pciback_present();
  if (domain) {
    auto entries = read_entries(ports.store, domain->domid);
    if (!entries) return tl::unexpected(entries.error());
    facts.already_attached = entries->size();
  }
  if (!facts.host.iommu) return facts;
  for (const auto& spec : facts.wanted) {
    auto& in_xen = facts.in_xen[spec.sbdf];
    const auto can = ports.xen.test_assign(domain ? domain->domid : kDomInvalid, spec.sbdf);
    in_xen.says = meaning_of(can);
    if (domain && !can && can.error().sys_errno == EOPNOTSUPP) facts.domain_has_passthrough = false;
    // Asked with dom0's id, Xen names the members that dom0 still has: those are the ones that
    // matter. An error means that Xen does not know the device; the topology still counts.
    if (auto group = ports.xen.device_group(kDom0, spec.sbdf); group)
      in_xen.group = std::move(*group);
    if (auto read = read_reserved(ports, facts.all_devices, spec.sbdf, in_xen); !read)
      return tl::unexpected(read.error());
  }
  return facts;
}

Result<std::string> name_of(Ports& ports, DomId domid) {
  auto name = ports.store.read(fmt::format("/local/domain/{}/name", domid));
  if (!name) return tl::unexpected(name.error());
  return name->value_or(fmt::format("domain-{}", domid));
}

}  // namespace pciassign::detail
