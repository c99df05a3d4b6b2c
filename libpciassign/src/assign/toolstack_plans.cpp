// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "assign/claim.hpp"
#include "assign/facts.hpp"
#include "assign/nodes.hpp"
#include "assign/plans.hpp"
#include "pciassign/shell_words.hpp"

namespace pciassign {
namespace {

/// So soon after a fence an attachment is its second half, to a standby: nobody had the device.
constexpr std::chrono::seconds kRested{1};

const Device& device_in(const AttachFacts& facts, const Sbdf& sbdf) {
  return *std::find_if(facts.all_devices.begin(), facts.all_devices.end(),
                       [&](const Device& device) { return device.sbdf == sbdf; });
}

Error not_attached(const Sbdf& device, DomId domid, const std::vector<detail::Entry>& entries) {
  const bool by_libxl =
      std::any_of(entries.begin(), entries.end(),
                  [&](const detail::Entry& entry) { return entry.device == device; });
  if (by_libxl)
    return {
        ErrorKind::refused, "E-OWNED",
        fmt::format("{} was attached to domain {} by xl, not by pciassign", device.str(), domid),
        fmt::format("use `xl pci-detach {} {}`", domid, device.str()), 0};
  return {ErrorKind::not_found,
          {},
          fmt::format("{} is not attached to domain {}", device.str(), domid),
          "`pciassign list` shows what is attached where",
          0};
}

std::string attach_command(const std::vector<AttachmentRecord>& records) {
  const auto& first = records.front();
  std::vector<std::string> words{domain_operand(first.domain_name, first.domid)};
  for (const auto& record : records) {
    DeviceSpec spec;
    spec.sbdf = record.device;
    spec.options = record.options;
    words.push_back(spec.str());
  }
  return shell_command("pciassign attach", words);
}

}  // namespace

Result<std::vector<Finding>> Toolstack::explain(const std::vector<DeviceSpec>& specs,
                                                std::optional<DomId> domid) {
  std::optional<DomainInfo> domain;
  if (domid) {
    auto info = ports_.xen.domain(*domid);
    if (!info) return tl::unexpected(info.error());
    domain = *info;
  }
  auto facts = detail::gather(ports_, specs, domain);
  if (!facts) return tl::unexpected(facts.error());
  return judge_attach(*facts);
}

Result<Plan> Toolstack::plan_attach(DomId domid, const std::vector<DeviceSpec>& specs,
                                    AttachMode mode) {
  if (specs.empty()) return fail(ErrorKind::usage, "no device is named");
  auto domain = ports_.xen.domain(domid);
  if (!domain) return tl::unexpected(domain.error());
  if (domid == kDom0)
    return fail(ErrorKind::usage, "dom0 has its devices already",
                "`pciassign release` gives them back");
  auto facts = detail::gather(ports_, specs, *domain);
  if (!facts) return tl::unexpected(facts.error());
  auto findings = judge_attach(*facts);
  if (auto refused = refusal(findings)) return tl::unexpected(*refused);
  auto name = detail::name_of(ports_, domid);
  if (!name) return tl::unexpected(name.error());

  detail::AttachInput input;
  input.domain = *domain;
  input.domain_name = *name;
  input.iommu = facts->host.iommu;
  input.mode = mode;
  for (const auto& spec : facts->wanted) {
    input.devices.emplace_back(spec, device_in(*facts, spec.sbdf));
    if (was_rested(spec.sbdf) && spec.options.reset == ResetPolicy::required)
      input.rested.insert(spec.sbdf);
  }
  auto plan = detail::build_attach(input, settings_);
  plan.findings = std::move(findings);
  return plan;
}

Result<Plan> Toolstack::plan_detach(DomId domid, const std::vector<Sbdf>& devices) {
  auto all = ports_.journal.all();
  if (!all) return tl::unexpected(all.error());
  std::erase_if(*all, [&](const AttachmentRecord& record) { return record.domid != domid; });
  auto domain = ports_.xen.domain(domid);
  if (!domain && domain.error().kind != ErrorKind::not_found) return tl::unexpected(domain.error());
  if (!domain && all->empty()) return tl::unexpected(domain.error());
  auto entries = detail::read_entries(ports_.store, domid);
  if (!entries) return tl::unexpected(entries.error());

  detail::TakeBackInput input;
  for (const auto& record : *all)
    if (devices.empty() ||
        std::find(devices.begin(), devices.end(), record.device) != devices.end())
      input.records.push_back(record);
  for (const auto& device : devices)
    if (std::none_of(input.records.begin(), input.records.end(),
                     [&](const AttachmentRecord& record) { return record.device == device; })) {
      const auto readable = ports_.journal.find(device);
      return tl::unexpected(readable ? not_attached(device, domid, *entries) : readable.error());
    }
  if (input.records.empty())
    return fail(ErrorKind::not_found, fmt::format("nothing is attached to domain {}", domid));
  const auto& first = input.records.front();
  const bool same = domain && domain->uuid_str() == first.domain_uuid;
  input.domid_reused = domain && !same;
  input.tell_guest = same && !domain->gone();
  std::vector<std::string> names;
  for (const auto& record : input.records) names.push_back(record.device.str());
  input.title =
      fmt::format("detach {} from {} (domain {})", fmt::join(names, " "), first.domain_name, domid);
  auto plan = detail::build_take_back(input, settings_);
  // By its number nobody but the same domain may be meant.
  if (same || domain_operand(first.domain_name, domid) == first.domain_name)
    plan.undo_command = attach_command(input.records);
  return plan;
}

Result<Plan> Toolstack::plan_fence(DomId domid) {
  auto domain = ports_.xen.domain(domid);
  if (!domain) return tl::unexpected(domain.error());
  if (!domain->paused && !domain->gone())
    return fail(ErrorKind::refused, fmt::format("domain {} runs", domid));
  auto all = ports_.journal.all();
  if (!all) return tl::unexpected(all.error());
  std::erase_if(*all, [&](const AttachmentRecord& record) {
    return record.domid != domid || record.domain_uuid != domain->uuid_str();
  });
  if (all->empty())
    return fail(ErrorKind::not_found, fmt::format("nothing is attached to domain {}", domid));
  detail::TakeBackInput input;
  input.kind = PlanKind::cleanup;
  input.tell_guest = false;
  input.records = std::move(*all);
  input.title = fmt::format("fence {} (domain {})", input.records.front().domain_name, domid);
  input.rested = [rested = rested_, &clock = ports_.clock](const Sbdf& device) {
    (*rested)[device] = clock.now();
  };
  return detail::build_take_back(input, settings_);
}

/// Once: whatever is planned for the device next, it has not rested since.
bool Toolstack::was_rested(const Sbdf& device) {
  const auto found = rested_->extract(device);
  return !found.empty() && ports_.clock.now() - found.mapped() <= kRested;
}

Result<Plan> Toolstack::plan_reserve(const Sbdf& sbdf) {
  DeviceSpec spec;
  spec.sbdf = sbdf;
  spec.options.seize = true;
  auto facts = detail::gather(ports_, {spec}, std::nullopt);
  if (!facts) return tl::unexpected(facts.error());
  auto findings = judge_attach(*facts);
  // Whether it may go to a domain is decided later; here only whether dom0 can spare it.
  std::erase_if(findings, [](const Finding& finding) {
    for (const char* code :
         {"E-ABSENT", "E-NOT-ENDPOINT", "E-OWNED", "E-DOM0-USES", "E-NOT-RESERVED"})
      if (finding.code == code) return false;
    return true;
  });
  for (auto& finding : findings) finding.accept.clear();
  if (auto refused = refusal(findings)) return tl::unexpected(*refused);
  auto plan = detail::build_reserve({device_in(*facts, sbdf), facts->host.iommu, {}});
  plan.findings = std::move(findings);
  return plan;
}

Result<Device> Toolstack::unused_device(const Sbdf& sbdf, std::string_view purpose) {
  auto device = ports_.pci.device(sbdf);
  if (!device) return device;
  auto owners = detail::read_owners(ports_);
  if (!owners) return tl::unexpected(owners.error());
  for (const auto& owner : *owners)
    if (owner.device == sbdf)
      return fail(
          ErrorKind::busy, fmt::format("{} belongs to domain {}", sbdf.str(), owner.domid),
          fmt::format("`{} {} {}` first", owner.by_libxl ? "xl pci-detach" : "pciassign detach",
                      owner.domid, sbdf.str()),
          "E-OWNED");
  if (auto readable = ports_.journal.find(sbdf); !readable) return tl::unexpected(readable.error());
  if (!device->on_pciback())
    return fail(ErrorKind::refused,
                fmt::format("{} is not reserved (driver: {})", sbdf.str(),
                            device->driver.empty() ? "none" : device->driver),
                fmt::format("only a device on pciback can be {}", purpose), "E-NOT-RESERVED");
  return device;
}

Result<Plan> Toolstack::plan_release(const Sbdf& sbdf) {
  auto device = unused_device(sbdf, "released");
  if (!device) return tl::unexpected(device.error());
  auto host = ports_.xen.host();
  if (!host) return tl::unexpected(host.error());
  auto driver = detail::remembered_driver(ports_.store, sbdf);
  if (!driver) return tl::unexpected(driver.error());
  return detail::build_release({*device, host->iommu, *driver});
}

Result<Plan> Toolstack::plan_reset(const Sbdf& sbdf) {
  auto device = unused_device(sbdf, "reset here");
  if (!device) return tl::unexpected(device.error());
  if (device->reset_methods.empty())
    return fail(ErrorKind::refused, fmt::format("{} has no reset method", sbdf.str()),
                "only a power cycle resets it", "E-NO-RESET");
  return detail::build_reset(*device);
}

}  // namespace pciassign
