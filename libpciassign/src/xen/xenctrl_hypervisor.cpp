// SPDX-License-Identifier: LGPL-2.1-or-later
// The only place that sees libxenctrl.
extern "C" {  // xenctrl.h does not say it itself
#include <xenctrl.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "pciassign/hypervisor.hpp"
#include "xen/console_ring.hpp"

namespace pciassign {
namespace {

constexpr std::uint32_t kEmulatesLapic = 1U << 0;  // XEN_X86_EMU_LAPIC (arch-x86/xen.h)
constexpr std::uint32_t kEmulatesPit = 1U << 8;    // XEN_X86_EMU_PIT: an HVM has it, a PVH has not

constexpr std::uint32_t kMostReserved = 4096;  // regions; a sane table has a handful

DomainInfo convert(const xc_domaininfo_t& raw) {
  DomainInfo info;
  info.domid = raw.domain;
  std::memcpy(info.uuid.data(), raw.handle, info.uuid.size());
  info.dying = (raw.flags & XEN_DOMINF_dying) != 0;
  info.shutdown = (raw.flags & XEN_DOMINF_shutdown) != 0;
  info.shutdown_code =
      static_cast<int>(raw.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask);
  info.paused = (raw.flags & XEN_DOMINF_paused) != 0;
  if ((raw.flags & XEN_DOMINF_hvm_guest) != 0) {
    const auto emulation = raw.arch_config.emulation_flags;
    const bool full = (emulation & kEmulatesLapic) != 0 && (emulation & kEmulatesPit) != 0;
    info.kind = full ? DomainKind::hvm : DomainKind::pvh;
  }
  return info;
}

/// libxenctrl prints every error by default; here errors are values, and an ENODEV on the way back
/// is none at all.
struct CloseLogger {
  void operator()(xentoollog_logger* logger) const { xtl_logger_destroy(logger); }
};
using Logger = std::unique_ptr<xentoollog_logger, CloseLogger>;

Logger quiet_logger() {
  return Logger(
      reinterpret_cast<xentoollog_logger*>(xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0)));
}

class XenctrlHypervisor final : public Hypervisor {
 public:
  XenctrlHypervisor(xc_interface* xch, Logger logger)
      : logger_(std::move(logger)),
        xch_(xch),
        remapping_(detail::interrupt_remapping_from(console_ring())) {}
  ~XenctrlHypervisor() override { xc_interface_close(xch_); }
  XenctrlHypervisor(const XenctrlHypervisor&) = delete;
  XenctrlHypervisor& operator=(const XenctrlHypervisor&) = delete;

  Result<HostInfo> host() override {
    HostInfo info;
    const int version = xc_version(xch_, XENVER_version, nullptr);
    if (version < 0) return failed("asking for Xen's version");
    info.xen_major = version >> 16;
    info.xen_minor = version & 0xffff;
    xc_physinfo_t physical{};
    if (xc_physinfo(xch_, &physical) != 0) return failed("asking Xen about the machine");
    info.iommu = (physical.capabilities & XEN_SYSCTL_PHYSCAP_directio) != 0;
    info.interrupt_remapping = remapping_;
    return info;
  }

  Result<DomainInfo> domain(DomId domid) override {
    xc_domaininfo_t raw{};
    // getinfolist starts at domid: the next higher domain answers when domid does not exist.
    const int got = xc_domain_getinfolist(xch_, domid, 1, &raw);
    if (got < 0) return failed(fmt::format("asking Xen about domain {}", domid));
    if (got == 0 || raw.domain != domid)
      return fail(ErrorKind::not_found, fmt::format("there is no domain {}", domid),
                  "`xl list` shows the domains");
    return convert(raw);
  }

  Result<std::vector<DomainInfo>> domains() override {
    std::vector<DomainInfo> list;
    DomId next = 0;
    while (true) {
      std::array<xc_domaininfo_t, 64> raw{};
      const int got = xc_domain_getinfolist(xch_, next, raw.size(), raw.data());
      if (got < 0) return failed("listing the domains");
      for (int i = 0; i < got; ++i) list.push_back(convert(raw[static_cast<std::size_t>(i)]));
      if (got < static_cast<int>(raw.size())) return list;
      next = list.back().domid + 1;
    }
  }

  Result<void> pause(DomId domid) override {
    return done(xc_domain_pause(xch_, domid),
                [&] { return fmt::format("pausing domain {}", domid); });
  }
  Result<void> unpause(DomId domid) override {
    return done(xc_domain_unpause(xch_, domid),
                [&] { return fmt::format("unpausing domain {}", domid); });
  }

  Result<void> assign(DomId domid, const Sbdf& sbdf, RdmPolicy rdm) override {
    const std::uint32_t flag = rdm == RdmPolicy::relaxed ? XEN_DOMCTL_DEV_RDM_RELAXED : 0;
    return done(xc_assign_device(xch_, domid, sbdf.machine(), flag),
                [&] { return fmt::format("Xen, assigning {} to domain {}", sbdf.str(), domid); });
  }
  Result<void> deassign(DomId domid, const Sbdf& sbdf) override {
    return done(xc_deassign_device(xch_, domid, sbdf.machine()),
                [&] { return fmt::format("Xen, taking {} from domain {}", sbdf.str(), domid); });
  }
  Result<void> test_assign(DomId domid, const Sbdf& sbdf) override {
    return done(xc_test_assign_device(xch_, domid, sbdf.machine()), [&] {
      return fmt::format("Xen, asked whether domain {} can have {}", domid, sbdf.str());
    });
  }

  Result<std::vector<Sbdf>> device_group(DomId domid, const Sbdf& sbdf) override {
    std::array<std::uint32_t, 256> raw{};
    std::uint32_t count = 0;
    if (xc_get_device_group(xch_, domid, sbdf.machine(), raw.size(), &count, raw.data()) != 0)
      return failed(fmt::format("asking Xen for the group of {}", sbdf.str()));
    std::vector<Sbdf> group;
    for (std::uint32_t i = 0; i < count && i < raw.size(); ++i) {
      // Entries carry bus << 16 | devfn << 8 and no segment.
      Sbdf member = sbdf;
      member.bus = static_cast<std::uint8_t>(raw[i] >> 16 & 0xff);
      member.device = static_cast<std::uint8_t>(raw[i] >> 11 & 0x1f);
      member.function = static_cast<std::uint8_t>(raw[i] >> 8 & 7);
      group.push_back(member);
    }
    return group;
  }

  Result<std::vector<ReservedMemory>> reserved_memory(const Sbdf& sbdf) override {
    // ENOBUFS with the number that there are (the header says ERANGE); nothing for most devices.
    std::vector<xen_reserved_device_memory> raw(8);
    for (int tries = 0; tries < 3; ++tries) {
      auto count = static_cast<std::uint32_t>(raw.size());
      const auto devfn = static_cast<std::uint8_t>(sbdf.device << 3 | sbdf.function);
      if (xc_reserved_device_memory_map(xch_, 0, sbdf.segment, sbdf.bus, devfn, raw.data(),
                                        &count) == 0) {
        std::vector<ReservedMemory> found;
        for (std::uint32_t i = 0; i < count && i < raw.size(); ++i)
          found.push_back({raw[i].start_pfn, raw[i].nr_pages});
        return found;
      }
      // Without an IOMMU there is nothing that could be reserved.
      if (errno == ENODEV || errno == EOPNOTSUPP || errno == ENOSYS)
        return std::vector<ReservedMemory>{};
      if (errno != ENOBUFS || count > kMostReserved)
        return failed(fmt::format("asking Xen for memory reserved for {}", sbdf.str()));
      raw.resize(count);
    }
    return fail(ErrorKind::failed, "Xen's list of reserved memory keeps growing");
  }

  Result<void> iomem_permission(DomId domid, std::uint64_t first, std::uint64_t frames,
                                bool allow) override {
    return done(xc_domain_iomem_permission(xch_, domid, first, frames, allow ? 1 : 0), [&] {
      return fmt::format("Xen, {} domain {} I/O memory frames {:x}-{:x}",
                         allow ? "granting" : "taking from", domid, first, first + frames - 1);
    });
  }
  Result<void> ioport_permission(DomId domid, std::uint32_t first, std::uint32_t count,
                                 bool allow) override {
    return done(xc_domain_ioport_permission(xch_, domid, first, count, allow ? 1 : 0), [&] {
      return fmt::format("Xen, {} domain {} I/O ports {:x}-{:x}",
                         allow ? "granting" : "taking from", domid, first, first + count - 1);
    });
  }
  Result<int> map_gsi(DomId domid, int gsi) override {
    int pirq = gsi;  // PV guests take the GSI itself for the pirq
    if (xc_physdev_map_pirq(xch_, domid, gsi, &pirq) != 0)
      return failed(fmt::format("Xen, mapping GSI {} for domain {}", gsi, domid));
    return pirq;
  }
  Result<void> unmap_pirq(DomId domid, int pirq) override {
    return done(xc_physdev_unmap_pirq(xch_, domid, pirq),
                [&] { return fmt::format("Xen, unmapping pirq {} of domain {}", pirq, domid); });
  }
  Result<void> irq_permission(DomId domid, int pirq, bool allow) override {
    return done(xc_domain_irq_permission(xch_, domid, static_cast<std::uint32_t>(pirq), allow),
                [&] {
                  return fmt::format("Xen, {} domain {} pirq {}",
                                     allow ? "granting" : "taking from", domid, pirq);
                });
  }

 private:
  static tl::unexpected<Error> failed(std::string what) {
    const int error = errno;
    // A domctl of another version: the library is built for one minor version of Xen.
    if (error == EACCES)
      return fail_errno(std::move(what), error,
                        "libxenctrl and the running Xen are of different versions");
    return fail_errno(std::move(what), error);
  }
  template <class Words>
  static Result<void> done(int rc, Words words) {
    if (rc == 0) return {};
    const int error = errno;
    std::string what = words();
    errno = error;
    return failed(std::move(what));
  }

  std::string console_ring() {
    std::string text(1U << 18, '\0');
    auto size = static_cast<unsigned>(text.size());
    std::uint32_t index = 0;
    if (xc_readconsolering(xch_, text.data(), &size, 0, 0, &index) != 0) return {};
    text.resize(std::min<std::size_t>(size, text.size()));
    return text;
  }

  Logger logger_;  // outlives xch_
  xc_interface* xch_;
  // Read as early as can be and kept: the ring forgets, the machine does not change.
  const std::optional<bool> remapping_;
};

}  // namespace

Result<std::unique_ptr<Hypervisor>> open_hypervisor() {
  auto logger = quiet_logger();
  xc_interface* xch = xc_interface_open(logger.get(), logger.get(), 0);
  if (xch == nullptr)
    return fail(ErrorKind::unavailable, "Xen does not answer: this is not dom0 of a running Xen",
                "boot this machine with Xen, and run as root in dom0");
  return std::make_unique<XenctrlHypervisor>(xch, std::move(logger));
}

}  // namespace pciassign
