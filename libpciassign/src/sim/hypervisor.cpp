// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/sim/hypervisor.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pciassign::sim {
namespace {

tl::unexpected<Error> refuse(const char* what, int error) {
  return fail_errno(std::string("sim: ") + what, error);
}

template <class Set>
void change(Set& set, std::uint64_t first, std::uint64_t count, bool add) {
  for (std::uint64_t i = first; i < first + count; ++i)
    if (add)
      set.insert(static_cast<typename Set::value_type>(i));
    else
      set.erase(static_cast<typename Set::value_type>(i));
}

}  // namespace

Domain* Hypervisor::find(DomId domid) {
  const auto at = all.find(domid);
  return at == all.end() ? nullptr : &at->second;
}

void Hypervisor::destroy(DomId domid) {
  for (auto& [sbdf, device] : devices)
    if (device.owner == domid) device.owner = kDomIo;
  all.erase(domid);
}

Result<HostInfo> Hypervisor::host() {
  return faults_.call<Result<HostInfo>>("xen.host", [&] { return host_info; });
}

Result<DomainInfo> Hypervisor::domain(DomId domid) {
  return faults_.call<Result<DomainInfo>>("xen.domain", [&]() -> Result<DomainInfo> {
    if (const auto* domain = find(domid)) return domain->info;
    return fail(ErrorKind::not_found, fmt::format("there is no domain {}", domid));
  });
}

Result<std::vector<DomainInfo>> Hypervisor::domains() {
  return faults_.call<Result<std::vector<DomainInfo>>>("xen.domains", [&] {
    std::vector<DomainInfo> list;
    for (const auto& [domid, domain] : all) {
      const auto before = outdated.find(domid);
      list.push_back(before == outdated.end() ? domain.info : before->second);
    }
    return list;
  });
}

Result<void> Hypervisor::pause(DomId domid) {
  return faults_.call<Result<void>>("xen.pause", [&]() -> Result<void> {
    auto* domain = find(domid);
    if (domain == nullptr) return refuse("pause", ESRCH);
    domain->info.paused = ++domain->pause_count > 0;
    return {};
  });
}

Result<void> Hypervisor::unpause(DomId domid) {
  return faults_.call<Result<void>>("xen.unpause", [&]() -> Result<void> {
    auto* domain = find(domid);
    if (domain == nullptr) return refuse("unpause", ESRCH);
    if (domain->pause_count == 0) return refuse("unpause", EINVAL);
    domain->info.paused = --domain->pause_count > 0;
    return {};
  });
}

Result<void> Hypervisor::assignable(DomId domid, const Sbdf& sbdf) {
  if (!host_info.iommu) return refuse("assign", EOPNOTSUPP);
  if (domid != kDomIo && domid != kDomInvalid) {
    const auto* domain = find(domid);
    if (domain == nullptr) return refuse("assign", ESRCH);
    if (!domain->passthrough) return refuse("assign", EOPNOTSUPP);
    if (domain->info.dying) return refuse("assign", EINVAL);
  }
  const auto at = devices.find(sbdf);
  if (at == devices.end()) return refuse("assign", ENODEV);
  if (at->second.owner != kDom0 && at->second.owner != kDomIo) return refuse("assign", EBUSY);
  return {};
}

bool Hypervisor::reserved_is_shared(const Sbdf& sbdf) const {
  const auto& own = devices.at(sbdf).reserved;
  for (const auto& [other, device] : devices)
    for (const auto& region : device.reserved)
      if (other != sbdf && std::find(own.begin(), own.end(), region) != own.end()) return true;
  return false;
}

Result<std::vector<ReservedMemory>> Hypervisor::reserved_memory(const Sbdf& sbdf) {
  return faults_.call<Result<std::vector<ReservedMemory>>>("xen.reserved_memory", [&] {
    const auto at = devices.find(sbdf);
    return at == devices.end() ? std::vector<ReservedMemory>{} : at->second.reserved;
  });
}

Result<void> Hypervisor::assign(DomId domid, const Sbdf& sbdf, RdmPolicy rdm) {
  return faults_.call<Result<void>>("xen.assign", [&]() -> Result<void> {
    if (auto ok = assignable(domid, sbdf); !ok) return ok;
    auto& device = devices[sbdf];
    if (device.msix_maskall && domid != kDomIo) return refuse("assign: MSI-X MASKALL", EBUSY);
    if (rdm == RdmPolicy::strict && reserved_is_shared(sbdf))
      return refuse("assign: RMRR shared", EPERM);
    device.owner = domid;
    return {};
  });
}

Result<void> Hypervisor::deassign(DomId domid, const Sbdf& sbdf) {
  return faults_.call<Result<void>>("xen.deassign", [&]() -> Result<void> {
    if (!host_info.iommu) return refuse("deassign", EOPNOTSUPP);
    if (domid != kDomIo && find(domid) == nullptr) return refuse("deassign", ESRCH);
    const auto at = devices.find(sbdf);
    if (at == devices.end() || at->second.owner != domid) return refuse("deassign", ENODEV);
    // Leaving a domain means quarantine, leaving quarantine means dom0 (iommu=quarantine).
    at->second.owner = domid == kDomIo ? kDom0 : kDomIo;
    return {};
  });
}

Result<void> Hypervisor::test_assign(DomId domid, const Sbdf& sbdf) {
  return faults_.call<Result<void>>("xen.test_assign", [&] { return assignable(domid, sbdf); });
}

Result<std::vector<Sbdf>> Hypervisor::device_group(DomId domid, const Sbdf& sbdf) {
  return faults_.call<Result<std::vector<Sbdf>>>("xen.device_group", [&] {
    std::vector<Sbdf> members;
    // Only devices of that domain, and not the one that was asked about.
    for (const auto& member : groups[sbdf])
      if (member != sbdf && devices.contains(member) && devices[member].owner == domid)
        members.push_back(member);
    return members;
  });
}

Result<void> Hypervisor::iomem_permission(DomId domid, std::uint64_t first, std::uint64_t frames,
                                          bool allow) {
  return faults_.call<Result<void>>("xen.iomem_permission", [&]() -> Result<void> {
    auto* domain = find(domid);
    if (domain == nullptr) return refuse("iomem_permission", ESRCH);
    if (frames == 0) return refuse("iomem_permission", EINVAL);
    change(domain->frames, first, frames, allow);
    return {};
  });
}

Result<void> Hypervisor::ioport_permission(DomId domid, std::uint32_t first, std::uint32_t count,
                                           bool allow) {
  return faults_.call<Result<void>>("xen.ioport_permission", [&]() -> Result<void> {
    auto* domain = find(domid);
    if (domain == nullptr) return refuse("ioport_permission", ESRCH);
    if (count == 0 || first + count > 0x10000) return refuse("ioport_permission", EINVAL);
    change(domain->ports, first, count, allow);
    return {};
  });
}

Result<int> Hypervisor::map_gsi(DomId domid, int gsi) {
  return faults_.call<Result<int>>("xen.map_gsi", [&]() -> Result<int> {
    auto* domain = find(domid);
    if (domain == nullptr) return refuse("map_pirq", ESRCH);
    if (irqs_dom0_lacks.contains(gsi)) return refuse("map_pirq", EPERM);
    // The trap: a pirq that means another interrupt already is left so, and 0 is returned.
    if (const auto at = domain->pirqs.find(gsi); at != domain->pirqs.end() && at->second != gsi)
      return gsi;
    // And so is a line that another pirq means.
    for (const auto& [pirq, irq] : domain->pirqs)
      if (irq == gsi && pirq != gsi) return gsi;
    domain->pirqs[gsi] = gsi;
    domain->irqs.insert(gsi);  // mapping grants by itself
    return gsi;
  });
}

Result<void> Hypervisor::unmap_pirq(DomId domid, int pirq) {
  return faults_.call<Result<void>>("xen.unmap_pirq", [&]() -> Result<void> {
    auto* domain = find(domid);
    if (domain == nullptr) return refuse("unmap_pirq", ESRCH);
    const auto at = domain->pirqs.find(pirq);
    if (at == domain->pirqs.end()) return refuse("unmap_pirq", EINVAL);
    domain->irqs.erase(at->second);  // unmapping denies
    domain->pirqs.erase(at);
    return {};
  });
}

Result<void> Hypervisor::irq_permission(DomId domid, int pirq, bool allow) {
  return faults_.call<Result<void>>("xen.irq_permission", [&]() -> Result<void> {
    auto* domain = find(domid);
    if (domain == nullptr) return refuse("irq_permission", ESRCH);
    // The number is looked up in dom0's table, where pirq and irq are the same for a GSI.
    if (irqs_dom0_lacks.contains(pirq)) return refuse("irq_permission", EPERM);
    change(domain->irqs, static_cast<std::uint64_t>(pirq), 1, allow);
    return {};
  });
}

}  // namespace pciassign::sim
