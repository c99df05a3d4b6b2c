// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// A hypervisor that keeps rangesets and device owners and refuses as Xen 4.17 does.
#pragma once
#include <map>
#include <set>

#include "pciassign/hypervisor.hpp"
#include "pciassign/sim/faults.hpp"

namespace pciassign::sim {

/// A domain as Xen keeps it: the rights are what a test looks at.
struct Domain {
  DomainInfo info;
  bool passthrough = true;  ///< XEN_DOMCTL_CDF_iommu
  int pause_count = 0;
  std::set<std::uint64_t> frames;  ///< I/O memory rangeset, by 4 KiB frame.
  std::set<std::uint32_t> ports;   ///< I/O port rangeset.
  std::set<int> irqs;              ///< Interrupt rangeset.
  std::map<int, int> pirqs;        ///< pirq -> irq
  [[nodiscard]] bool has_rights() const {
    return !frames.empty() || !ports.empty() || !irqs.empty() || !pirqs.empty();
  }
};

struct PhysicalDevice {
  DomId owner = kDom0;
  std::vector<ReservedMemory> reserved;
  bool msix_maskall = false;  ///< Left over from a driver: assign says EBUSY until a reset.
};

class Hypervisor final : public pciassign::Hypervisor {
 public:
  explicit Hypervisor(Faults& faults) : faults_(faults) {}

  // The simulated machine, for tests.
  HostInfo host_info{4, 17, true, true};
  std::map<DomId, Domain> all;
  std::map<Sbdf, PhysicalDevice> devices;
  std::map<Sbdf, std::vector<Sbdf>> groups;
  /// What domains() still says of them: a list is older than what is done by it.
  std::map<DomId, DomainInfo> outdated;
  std::set<int> irqs_dom0_lacks;  ///< irq_permission: EPERM for these.
  /// The domain is destroyed: its devices go to DOMID_IO, its rights vanish.
  void destroy(DomId domid);

  Result<HostInfo> host() override;
  Result<DomainInfo> domain(DomId domid) override;
  Result<std::vector<DomainInfo>> domains() override;
  Result<void> pause(DomId domid) override;
  Result<void> unpause(DomId domid) override;
  Result<void> assign(DomId domid, const Sbdf& sbdf, RdmPolicy rdm) override;
  Result<void> deassign(DomId domid, const Sbdf& sbdf) override;
  Result<void> test_assign(DomId domid, const Sbdf& sbdf) override;
  Result<std::vector<Sbdf>> device_group(DomId domid, const Sbdf& sbdf) override;
  Result<std::vector<ReservedMemory>> reserved_memory(const Sbdf& sbdf) override;
  Result<void> iomem_permission(DomId domid, std::uint64_t first, std::uint64_t frames,
                                bool allow) override;
  Result<void> ioport_permission(DomId domid, std::uint32_t first, std::uint32_t count,
                                 bool allow) override;
  Result<int> map_gsi(DomId domid, int gsi) override;
  Result<void> unmap_pirq(DomId domid, int pirq) override;
  Result<void> irq_permission(DomId domid, int pirq, bool allow) override;

 private:
  Domain* find(DomId domid);
  Result<void> assignable(DomId domid, const Sbdf& sbdf);
  [[nodiscard]] bool reserved_is_shared(const Sbdf& sbdf) const;
  Faults& faults_;
};

}  // namespace pciassign::sim
