// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The hypervisor as a port. The real implementation (libxenctrl) is the only code that sees
/// xenctrl.h; the simulated one behaves as Xen does: rangesets, errors, traps.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pciassign/address.hpp"
#include "pciassign/result.hpp"

namespace pciassign {

/// Number of a domain; 0x7ff0 and above are Xen's own (xen.h, DOMID_FIRST_RESERVED).
using DomId = std::uint32_t;
inline constexpr DomId kDom0 = 0;                     ///< The domain that runs this code.
inline constexpr DomId kFirstReservedDomId = 0x7ff0;  ///< DOMID_FIRST_RESERVED (xen.h).
inline constexpr DomId kDomIo = 0x7ff1;               ///< DOMID_IO: quarantine (xen.h).
inline constexpr DomId kDomInvalid = 0x7ff4;  ///< DOMID_INVALID: test_assign() for nobody yet.

/// How a guest's hardware is made up; only pv can have pcifront.
enum class DomainKind { pv, hvm, pvh };

/// Facts of one domain (xen_domctl_getdomaininfo, domctl.h).
struct DomainInfo {
  DomId domid = 0;                      ///< Number, used again after the domain's end.
  std::array<std::uint8_t, 16> uuid{};  ///< The handle; survives nothing, tells a reused domid.
  DomainKind kind = DomainKind::pv;     ///< As it was created.
  bool dying = false;                   ///< Being destroyed: no operation on it succeeds any more.
  bool shutdown = false;                ///< Shut down or crashed, see shutdown_code.
  int shutdown_code = 0;  ///< SHUTDOWN_* (sched.h): 0 poweroff 1 reboot 2 suspend 3 crash ...
  bool paused = false;    ///< By the toolstack, at least once (XEN_DOMINF_paused).

  /// Gone for good as far as devices go: dying, or shut down for anything but suspend.
  [[nodiscard]] bool gone() const noexcept { return dying || (shutdown && shutdown_code != 2); }
  /// "8-4-4-4-12", lower case, as xl prints it.
  [[nodiscard]] std::string uuid_str() const;
};

/// Facts of the machine (sysctl.h, version.h).
struct HostInfo {
  int xen_major = 0;                        ///< Version of the running Xen: 4 of 4.17.
  int xen_minor = 0;                        ///< 17 of 4.17.
  bool iommu = false;                       ///< XEN_SYSCTL_PHYSCAP_directio.
  std::optional<bool> interrupt_remapping;  ///< From the console ring; empty when it cannot tell.
};

/// Memory that the firmware set aside for a device's DMA (VT-d RMRR, AMD-Vi unity map).
struct ReservedMemory {
  std::uint64_t first_frame = 0;  ///< Machine frame, 4 KiB each.
  std::uint64_t frames = 0;       ///< How many.
  /// Member by member.
  bool operator==(const ReservedMemory&) const = default;
};

/// Operations are synchronous and short. Errors carry the hypercall's errno in sys_errno.
class Hypervisor {
 public:
  virtual ~Hypervisor() = default;
  /// XEN_SYSCTL_physinfo and XENVER_version.
  virtual Result<HostInfo> host() = 0;
  /// ErrorKind::not_found when no such domain exists (getinfolist filtered on domid).
  virtual Result<DomainInfo> domain(DomId domid) = 0;
  /// All domains, dying ones too, by number.
  virtual Result<std::vector<DomainInfo>> domains() = 0;
  /// Pauses count: each pause needs its own unpause.
  virtual Result<void> pause(DomId domid) = 0;
  /// EINVAL: it was not paused.
  virtual Result<void> unpause(DomId domid) = 0;

  /// XEN_DOMCTL_assign_device. `domid` may be kDomIo (quarantine). EBUSY: owned by another domain
  /// or MSI-X MASKALL set. EOPNOTSUPP: domain without IOMMU (created without passthrough).
  virtual Result<void> assign(DomId domid, const Sbdf& sbdf, RdmPolicy rdm) = 0;
  /// XEN_DOMCTL_deassign_device; by Xen's default (iommu=quarantine) the device goes to DOMID_IO.
  /// ENODEV when the domain does not own it.
  virtual Result<void> deassign(DomId domid, const Sbdf& sbdf) = 0;
  /// XEN_DOMCTL_test_assign_device: could it be assigned? Errors as assign(); ENODEV: Xen does not
  /// know the device. kDomInvalid asks without regard to a domain.
  virtual Result<void> test_assign(DomId domid, const Sbdf& sbdf) = 0;
  /// Functions that must be assigned together with sbdf as Xen sees it; not ACS-aware.
  virtual Result<std::vector<Sbdf>> device_group(DomId domid, const Sbdf& sbdf) = 0;

  /// Memory reserved for the device (XENMEM_reserved_device_memory_map).
  virtual Result<std::vector<ReservedMemory>> reserved_memory(const Sbdf& sbdf) = 0;

  /// XEN_DOMCTL_iomem_permission: may the domain map these machine frames? Taking away does not
  /// unmap what a PV guest has mapped already.
  virtual Result<void> iomem_permission(DomId domid, std::uint64_t first_frame,
                                        std::uint64_t frames, bool allow) = 0;
  /// XEN_DOMCTL_ioport_permission of `count` ports from `first` on.
  virtual Result<void> ioport_permission(DomId domid, std::uint32_t first, std::uint32_t count,
                                         bool allow) = 0;
  /// PHYSDEVOP_map_pirq of a GSI; returns the domain's pirq. Grants irq access by itself.
  virtual Result<int> map_gsi(DomId domid, int gsi) = 0;
  /// PHYSDEVOP_unmap_pirq, which takes the right to the interrupt along.
  virtual Result<void> unmap_pirq(DomId domid, int pirq) = 0;
  /// XEN_DOMCTL_irq_permission: may the domain bind this pirq?
  virtual Result<void> irq_permission(DomId domid, int pirq, bool allow) = 0;
};

/// Opens libxenctrl. ErrorKind::unavailable when this is not dom0 of a running Xen.
Result<std::unique_ptr<Hypervisor>> open_hypervisor();

}  // namespace pciassign
