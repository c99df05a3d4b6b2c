// SPDX-License-Identifier: LGPL-2.1-or-later
#include "assign/guards.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace pciassign::detail {
namespace {

constexpr const char* kNoDriver = "none";

/// `get` gives the record when it is asked, `lost` what becomes of the step without its operation.
template <class Get, class Lost>
Operation guarded(Get get, Operation run, Lost lost) {
  return [get = std::move(get), run = std::move(run),
          lost = std::move(lost)](Ports& p) -> Result<void> {
    auto why = hands_off(p, get());
    if (!why) return tl::unexpected(why.error());
    return *why ? lost(p, **why) : run(p);
  };
}

Result<void> is_an_error(Ports&, const Error& why) {
  return tl::unexpected(why);
}
Result<void> is_success(Ports&, const Error&) {
  return {};
}

auto record_in(AttachmentPtr attachment) {
  return [it = std::move(attachment)]() -> const AttachmentRecord& { return it->record; };
}
auto constant(AttachmentRecord record) {
  return [record = std::move(record)]() -> const AttachmentRecord& { return record; };
}

Error another(const AttachmentRecord& record, const std::string& how) {
  return {ErrorKind::refused, "E-CHANGED",
          fmt::format("{} is another device than the one that this is about: {}",
                      record.device.str(), how),
          "devices were exchanged or renumbered: `pciassign list` shows what is where", 0};
}

}  // namespace

AttachmentRecord record_of(const Device& device) {
  AttachmentRecord record;
  record.device = device.sbdf;
  record.vendor = device.vendor;
  record.device_id = device.device;
  record.class_code = device.class_code;
  record.serial = device.serial;
  record.location = device.location();
  record.regions = device.regions;
  if (!device.on_pciback()) record.seized_from = device.driver.empty() ? kNoDriver : device.driver;
  return record;
}

std::string differences(const AttachmentRecord& record, const Device& device) {
  std::vector<std::string> all;
  const auto differs = [&](const char* what, const auto& now, const auto& then) {
    if (now != then) all.push_back(fmt::format("{} {} instead of {}", what, now, then));
  };
  const auto id = [](unsigned vendor, unsigned device_id) {
    return fmt::format("{:04x}:{:04x}", vendor, device_id);
  };
  differs("id", id(device.vendor, device.device), id(record.vendor, record.device_id));
  if (record.class_code != 0)
    differs("class", fmt::format("{:06x}", device.class_code),
            fmt::format("{:06x}", record.class_code));
  if (!record.location.empty()) {
    differs("place", device.location(), record.location);
    if (!device.serial.empty())
      differs("serial number", device.serial, record.serial.empty() ? "none" : record.serial);
  }
  return fmt::format("{}", fmt::join(all, ", "));
}

Result<std::optional<Error>> hands_off(Ports& ports, const AttachmentRecord& record) {
  auto device = ports.pci.identify(record.device);
  if (!device && device.error().kind == ErrorKind::not_found) return std::nullopt;
  if (!device) return tl::unexpected(device.error());
  if (const auto how = differences(record, *device); !how.empty()) return another(record, how);
  if (device->driver.empty() || device->on_pciback()) return std::nullopt;
  return Error{ErrorKind::busy, "E-NOT-RESERVED",
               fmt::format("{} is dom0's: its driver \"{}\" has it, so nothing is done to it",
                           record.device.str(), device->driver),
               fmt::format("unbind it from {} first, if it is not to stay there", device->driver),
               0};
}

Operation if_ours(AttachmentPtr attachment, Operation run) {
  return guarded(record_in(std::move(attachment)), std::move(run), is_an_error);
}
Operation if_ours(AttachmentRecord record, Operation run) {
  return guarded(constant(std::move(record)), std::move(run), is_an_error);
}
Operation unless_lost(AttachmentPtr attachment, Operation run) {
  return guarded(record_in(std::move(attachment)), std::move(run), is_success);
}
Operation unless_lost(AttachmentRecord record, Operation run) {
  return guarded(constant(std::move(record)), std::move(run), is_success);
}
Operation unless_lost_by_all(AttachmentPtr attachment, Operation run) {
  const auto lost = [attachment](Ports& p, const Error& why) -> Result<void> {
    if (!attachment->record.iommu) return {};
    // EBUSY: a domain has it. ENODEV: Xen does not know it any more.
    const auto assignable = p.xen.test_assign(kDomInvalid, attachment->record.device);
    if (assignable || assignable.error().sys_errno == ENODEV) return {};
    if (assignable.error().sys_errno == EBUSY) return tl::unexpected(why);
    return assignable;
  };
  return guarded(record_in(std::move(attachment)), std::move(run), lost);
}

Result<void> seize(Ports& ports, const AttachmentRecord& record) {
  auto device = ports.pci.device(record.device);
  if (!device) return tl::unexpected(device.error());
  if (const auto how = differences(record, *device); !how.empty())
    return tl::unexpected(another(record, how));
  if (device->on_pciback()) return {};
  const auto planned = record.seized_from == kNoDriver ? std::string{} : record.seized_from;
  if (!device->driver.empty() && device->driver != planned)
    return fail(ErrorKind::busy,
                fmt::format("{} has got the driver \"{}\" since the plan was made (it had {})",
                            record.device.str(), device->driver,
                            planned.empty() ? "none" : fmt::format("\"{}\"", planned)),
                "ask again: the plan is made anew", "E-NOT-RESERVED");
  const auto& allow = record.options.allow;
  if (!device->in_use.empty() && std::find(allow.begin(), allow.end(), "dom0-uses") == allow.end())
    return fail(ErrorKind::refused,
                fmt::format("{}: dom0 uses it since the plan was made: {}", record.device.str(),
                            fmt::join(device->in_use, ", ")),
                "unmount it, or move the route or the console to another device, before it is "
                "taken away",
                "E-DOM0-USES");
  return ports.pci.bind_pciback(record.device);
}

}  // namespace pciassign::detail
