// SPDX-License-Identifier: LGPL-2.1-or-later
#include "assign/actions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "assign/facts.hpp"
#include "assign/guards.hpp"
#include "assign/nodes.hpp"

namespace pciassign::detail {
namespace {

constexpr unsigned kVendorId = 0x00, kCommand = 0x04;
constexpr std::uint32_t kBusMaster = 0x0004;
constexpr int kNoLine = 255;  ///< INTERRUPT_LINE "unknown or no connection" (PCI 3.0, 6.2.4).

struct Frames {
  std::uint64_t first, count;
};

/// `whole` without the frames of `other`.
std::vector<Frames> without(const std::vector<Frames>& whole, const Region& other) {
  const auto low = other.first_frame(), high = low + other.frames();
  std::vector<Frames> rest;
  for (const auto& part : whole) {
    const auto end = part.first + part.count;
    if (high <= part.first || low >= end) {
      rest.push_back(part);
      continue;
    }
    if (part.first < low) rest.push_back({part.first, low - part.first});
    if (high < end) rest.push_back({high, end - high});
  }
  return rest;
}

/// What xl gave to the domain, as far as sysfs tells: libxl keeps no record of what it granted.
Result<void> add_given_by_xl(Ports& ports, const AttachmentRecord& record,
                             std::vector<AttachmentRecord>& all) {
  auto where = presence(ports, record);
  if (!where) return tl::unexpected(where.error());
  if (*where != Presence::here) return {};
  auto entries = read_entries(ports.store, record.domid);
  if (!entries) return tl::unexpected(entries.error());
  for (const auto& entry : *entries) {
    if (std::any_of(all.begin(), all.end(),
                    [&](const AttachmentRecord& known) { return known.device == entry.device; }))
      continue;
    auto device = ports.pci.device(entry.device);
    if (!device && device.error().kind == ErrorKind::not_found) continue;
    if (!device) return tl::unexpected(device.error());
    AttachmentRecord other;
    other.device = entry.device;
    other.domid = record.domid;
    other.domain_uuid = record.domain_uuid;
    other.phase = Phase::attached;
    other.regions = device->regions;
    // With MSI on, `irq` is not the line; but then the line is not in use.
    if (device->interrupt_pin != 0 && !device->interrupt_is_msi && device->irq > 0)
      other.gsi = device->irq;
    all.push_back(std::move(other));
  }
  return {};
}

/// The other devices that the same domain keeps, whoever gave them.
Result<std::vector<AttachmentRecord>> staying(Ports& ports, const AttachmentRecord& record,
                                              const std::vector<Sbdf>& together) {
  auto all = ports.journal.all();
  if (!all) return all;
  if (auto added = add_given_by_xl(ports, record, *all); !added)
    return tl::unexpected(added.error());
  std::erase_if(*all, [&](const AttachmentRecord& other) {
    return other.domid != record.domid || other.domain_uuid != record.domain_uuid ||
           other.device == record.device || other.phase == Phase::detaching ||
           std::find(together.begin(), together.end(), other.device) != together.end();
  });
  return all;
}

/// A reset of the bus hits every function on it. Those that leave or arrive with this one, and
/// those that are nobody's, do not mind; policy has asked the same, but that was before.
Result<std::string> reset_bus(Ports& ports, const AttachmentRecord& record, const Device& device) {
  if (device.path.empty())
    return fail(ErrorKind::failed, fmt::format("{} is on a root bus", device.sbdf.str()), {},
                "E-NO-RESET");
  const auto bridge = device.path.back();
  auto all = ports.pci.devices();
  if (!all) return tl::unexpected(all.error());
  auto owners = read_owners(ports);
  if (!owners) return tl::unexpected(owners.error());
  for (const auto& other : *all) {
    if (other.sbdf == device.sbdf || other.is_bridge() ||
        std::find(other.path.begin(), other.path.end(), bridge) == other.path.end())
      continue;
    auto known = ports.journal.find(other.sbdf);
    if (!known) return tl::unexpected(known.error());
    const bool together = *known && (*known)->domid == record.domid &&
                          (*known)->domain_uuid == record.domain_uuid &&
                          (*known)->phase != Phase::attached;
    const bool owned = std::any_of(owners->begin(), owners->end(),
                                   [&](const Owner& owner) { return owner.device == other.sbdf; });
    const bool driven = !other.driver.empty() && !other.on_pciback();
    if (driven || (owned && !together))
      return fail(ErrorKind::failed,
                  fmt::format("a reset of the bus of {} would hit {}, which is in use",
                              device.sbdf.str(), other.sbdf.str()),
                  "detach it too", "E-NO-RESET");
  }
  auto done = ports.pci.reset_below(bridge);
  if (!done) return tl::unexpected(done.error());
  return "the bus";
}

/// As far as the attachment's policy wants it; says by what.
Result<std::string> reset(Ports& ports, const AttachmentRecord& record, const Device& device) {
  const auto policy = record.options.reset;
  if (policy == ResetPolicy::none) return "nothing";
  if (!device.reset_methods.empty()) {
    auto done = ports.pci.reset(device.sbdf);
    if (!done && policy == ResetPolicy::best_effort) return "nothing that worked";
    return done;
  }
  if (policy == ResetPolicy::bus) return reset_bus(ports, record, device);
  if (record.reset_acknowledged) return "nothing";
  return fail(ErrorKind::failed, fmt::format("{} cannot be reset", device.sbdf.str()),
              "allow=no-reset accepts it", "E-NO-RESET");
}

Result<void> unless_gone(Result<void> outcome) {
  if (!outcome && means_gone(outcome.error())) return {};
  return outcome;
}

}  // namespace

bool means_gone(const Error& error) {
  return error.kind == ErrorKind::not_found || error.sys_errno == ENODEV ||
         error.sys_errno == ESRCH || error.sys_errno == ENOENT;
}

Result<Presence> presence(Ports& ports, const AttachmentRecord& record) {
  auto info = ports.xen.domain(record.domid);
  if (!info) {
    if (info.error().kind == ErrorKind::not_found) return Presence::gone;
    return tl::unexpected(info.error());
  }
  return info->uuid_str() == record.domain_uuid ? Presence::here : Presence::replaced;
}

Result<void> grant(Ports& ports, const AttachmentRecord& record, const Region& region) {
  if (region.io)
    return ports.xen.ioport_permission(record.domid, static_cast<std::uint32_t>(region.start),
                                       static_cast<std::uint32_t>(region.size), true);
  return ports.xen.iomem_permission(record.domid, region.first_frame(), region.frames(), true);
}

Result<void> revoke(Ports& ports, const AttachmentRecord& record, const Region& region,
                    const std::vector<Sbdf>& together) {
  auto where = presence(ports, record);
  if (!where) return tl::unexpected(where.error());
  if (*where != Presence::here) return {};  // its rangesets went with it
  if (region.io)
    return unless_gone(ports.xen.ioport_permission(record.domid,
                                                   static_cast<std::uint32_t>(region.start),
                                                   static_cast<std::uint32_t>(region.size), false));
  auto others = staying(ports, record, together);
  if (!others) return tl::unexpected(others.error());
  std::vector<Frames> frames = {{region.first_frame(), region.frames()}};
  for (const auto& other : *others)
    for (const auto& theirs : other.regions)
      if (!theirs.io) frames = without(frames, theirs);
  for (const auto& part : frames) {
    auto done =
        unless_gone(ports.xen.iomem_permission(record.domid, part.first, part.count, false));
    if (!done) return done;
  }
  return {};
}

namespace {

/// Xen answers "done" to a mapping as well when the pirq, or the line, is mapped to something else
/// already, and leaves that as it is. So a line that no other device of the domain uses is unmapped
/// first, and a trial shows whether a mapping takes effect: what is mapped can be unmapped.
Result<void> make_line_free(Ports& ports, const AttachmentRecord& record) {
  auto others = staying(ports, record, {});
  if (!others) return tl::unexpected(others.error());
  for (const auto& other : *others)
    if (other.gsi == record.gsi) return {};  // mapped for that one, which needs it
  const auto unmap = [&] { return ports.xen.unmap_pirq(record.domid, *record.gsi); };
  auto before = unmap();
  if (!before && before.error().sys_errno != EINVAL) return before;  // EINVAL: it was not mapped
  if (auto trial = ports.xen.map_gsi(record.domid, *record.gsi); !trial)
    return tl::unexpected(trial.error());
  auto after = unmap();
  if (!after && after.error().sys_errno == EINVAL)
    return fail(ErrorKind::failed,
                fmt::format("Xen has GSI {} mapped to another pirq of domain {}", *record.gsi,
                            record.domid),
                "something else mapped it, or the domain has not let go of it; restart the domain");
  return after;
}

}  // namespace

Result<void> map_interrupt(Ports& ports, AttachmentRecord& record) {
  auto device = ports.pci.device(record.device);
  if (!device) return tl::unexpected(device.error());
  if (device->interrupt_pin == 0) return {};
  if (device->interrupt_is_msi)
    return fail(ErrorKind::failed,
                fmt::format("{} still has MSI on, so its GSI cannot be known", record.device.str()),
                "reset the device: `pciassign reset`");
  if (device->irq <= 0 || device->irq >= kNoLine) return {};
  record.gsi = device->irq;
  record.pirq = device->irq;
  // Before the grant: if this process dies now, the record tells what to take back.
  if (auto kept = ports.journal.put(record); !kept) return kept;
  if (auto free = make_line_free(ports, record); !free) return free;
  auto pirq = ports.xen.map_gsi(record.domid, *record.gsi);
  if (!pirq) return tl::unexpected(pirq.error());
  if (*pirq != *record.pirq) {
    record.pirq = *pirq;
    if (auto kept = ports.journal.put(record); !kept) return kept;
    return fail(ErrorKind::failed,
                fmt::format("Xen mapped GSI {} to pirq {} of domain {}; a PV guest expects pirq {}",
                            *record.gsi, *pirq, record.domid, *record.gsi));
  }
  return ports.xen.irq_permission(record.domid, *record.pirq, true);
}

Result<void> unmap_interrupt(Ports& ports, const AttachmentRecord& record,
                             const std::vector<Sbdf>& together) {
  if (!record.pirq) return {};
  auto where = presence(ports, record);
  if (!where) return tl::unexpected(where.error());
  if (*where != Presence::here) return {};
  auto others = staying(ports, record, together);
  if (!others) return tl::unexpected(others.error());
  for (const auto& other : *others)
    if (other.gsi == record.gsi) return {};  // a shared line, which that device still needs
  auto unmapped = ports.xen.unmap_pirq(record.domid, *record.pirq);
  // EINVAL: it is not mapped.
  if (!unmapped && !means_gone(unmapped.error()) && unmapped.error().sys_errno != EINVAL)
    return unmapped;
  auto denied = ports.xen.irq_permission(record.domid, *record.pirq, false);
  // Xen resolves the number in dom0's own table: EINVAL and EPERM say that dom0 does not have this
  // line any more. The unmap above has denied it already.
  if (!denied && !means_gone(denied.error()) && denied.error().sys_errno != EINVAL &&
      denied.error().sys_errno != EPERM)
    return denied;
  return {};
}

Result<void> into_quarantine(Ports& ports, const Sbdf& device) {
  // DOMID_IO has no memory of its own, so reserved regions are no reason to refuse: relaxed.
  return ports.xen.assign(kDomIo, device, RdmPolicy::relaxed);
}

Result<void> take_from_domain(Ports& ports, const AttachmentRecord& record) {
  if (!record.iommu) return {};
  auto where = presence(ports, record);
  if (!where) return tl::unexpected(where.error());
  if (*where == Presence::here) {
    auto taken = unless_gone(ports.xen.deassign(record.domid, record.device));
    if (!taken) return taken;
  }
  // Xen moves it to DOMID_IO by itself unless it was told iommu=no-quarantine: make sure.
  auto kept = into_quarantine(ports, record.device);
  if (!kept && *where != Presence::here && kept.error().sys_errno == EBUSY)
    return {};  // the domain died and the device has a new owner already
  return unless_gone(kept);
}

Result<void> give_back_to_dom0(Ports& ports, const AttachmentRecord& record) {
  if (record.seized_from.empty()) return {};
  if (record.iommu) {
    // ENODEV: it is not in DOMID_IO.
    auto out = unless_gone(ports.xen.deassign(kDomIo, record.device));
    if (!out) return out;
  }
  const auto driver = record.seized_from == "none" ? std::string{} : record.seized_from;
  return unless_gone(ports.pci.unbind_pciback(record.device, driver));
}

Result<void> reset_and_verify(Ports& ports, const AttachmentRecord& record) {
  auto device = ports.pci.device(record.device);
  if (!device) return tl::unexpected(device.error());
  auto done = reset(ports, record, *device);
  if (!done) return tl::unexpected(done.error());
  return verify_reset(ports, record, *done);
}

Result<void> verify_reset(Ports& ports, const AttachmentRecord& record, const std::string& method) {
  auto vendor = ports.pci.read_config(record.device, kVendorId, 2);
  if (!vendor) return tl::unexpected(vendor.error());
  if (*vendor != record.vendor)
    return fail(
        ErrorKind::failed,
        fmt::format("{} does not answer after reset by {} (vendor id {:04x}, expected {:04x})",
                    record.device.str(), method, *vendor, record.vendor),
        "it may need a power cycle");
  auto command = ports.pci.read_config(record.device, kCommand, 2);
  if (!command) return tl::unexpected(command.error());
  if ((*command & kBusMaster) != 0)
    return fail(ErrorKind::failed,
                fmt::format("{} can still do DMA after reset by {} (command {:04x}: bus master on)",
                            record.device.str(), method, *command));
  return {};
}

Result<void> check_identity(Ports& ports, const AttachmentRecord& record) {
  auto device = ports.pci.device(record.device);
  if (!device) return tl::unexpected(device.error());
  if (const auto how = differences(record, *device); !how.empty())
    return fail(ErrorKind::refused,
                fmt::format("{} is another device than planned: {}", record.device.str(), how),
                "devices were exchanged or renumbered: check the address", "E-CHANGED");
  if (!device->on_pciback())
    return fail(
        ErrorKind::failed,
        fmt::format("{} is not on pciback but on \"{}\"", record.device.str(), device->driver),
        "seize=1 or `pciassign reserve`", "E-NOT-RESERVED");
  if (device->regions != record.regions)
    return fail(
        ErrorKind::failed,
        fmt::format("the regions of {} changed since the plan was made", record.device.str()),
        "ask again: the plan is made anew");
  return {};
}

}  // namespace pciassign::detail
