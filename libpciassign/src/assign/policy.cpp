// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/policy.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "assign/policy_checks.hpp"

namespace pciassign {
namespace detail {

Finding passed(const char* code, const Sbdf& device, std::string evidence) {
  return {code, Severity::ok, device, std::move(evidence), {}, {}};
}

Finding refused(const Subject& subject, const char* code, std::string evidence, std::string remedy,
                std::string word) {
  const auto& allow = subject.spec.options.allow;
  const bool accepted = !word.empty() && std::find(allow.begin(), allow.end(), word) != allow.end();
  return {code,
          accepted ? Severity::warning : Severity::refusal,
          subject.device.sbdf,
          std::move(evidence),
          std::move(remedy),
          std::move(word)};
}

std::optional<DomId> owner_of(const AttachFacts& facts, const Sbdf& device) {
  for (const auto& [owned, domid] : facts.owners)
    if (owned == device) return domid;
  return std::nullopt;
}

bool stays_together(const AttachFacts& facts, const Sbdf& device) {
  if (std::any_of(facts.wanted.begin(), facts.wanted.end(),
                  [&](const DeviceSpec& spec) { return spec.sbdf == device; }))
    return true;
  const auto owner = owner_of(facts, device);
  return owner && facts.domain && *owner == facts.domain->domid;
}

}  // namespace detail

namespace {

constexpr std::size_t kVirtualSlots = 32;

Finding of_domain(const char* code, Severity severity, std::string evidence,
                  std::string remedy = {}) {
  return {code, severity, std::nullopt, std::move(evidence), std::move(remedy), {}};
}

std::vector<Finding> judge_domain(const AttachFacts& facts) {
  std::vector<Finding> findings;
  const auto count = facts.already_attached + facts.wanted.size();
  if (count > kVirtualSlots)
    findings.push_back(of_domain("E-TOO-MANY", Severity::refusal,
                                 fmt::format("the domain would have {} devices; pciback's virtual "
                                             "bus has {} slots",
                                             count, kVirtualSlots),
                                 "attach fewer devices to this domain"));
  else
    findings.push_back(
        of_domain("E-TOO-MANY", Severity::ok,
                  fmt::format("{} of {} virtual slots used then", count, kVirtualSlots)));
  if (!facts.domain) return findings;
  const auto& domain = *facts.domain;
  if (domain.kind == DomainKind::pv)
    findings.push_back(of_domain("E-DOMAIN-KIND", Severity::ok, "the domain is PV"));
  else if (domain.kind == DomainKind::hvm)
    findings.push_back(
        of_domain("E-DOMAIN-KIND", Severity::refusal,
                  fmt::format("domain {} is HVM, whose devices go through its QEMU", domain.domid),
                  "use a PV domain (type=\"pv\") as driver domain, or xl for this one"));
  else
    findings.push_back(
        of_domain("E-DOMAIN-KIND", Severity::refusal,
                  fmt::format("domain {} is PVH, to which Xen gives no devices", domain.domid),
                  "use a PV domain: type=\"pv\""));
  if (domain.gone())
    findings.push_back(
        of_domain("E-DOMAIN-DYING", Severity::refusal,
                  fmt::format("domain {} {}", domain.domid,
                              domain.dying ? "is being destroyed" : "has shut down or crashed"),
                  "start it again"));
  else
    findings.push_back(of_domain("E-DOMAIN-DYING", Severity::ok, "the domain is alive"));
  // Without an IOMMU no domain has it; E-NO-IOMMU says so for each device.
  if (facts.host.iommu && !facts.domain_has_passthrough)
    findings.push_back(of_domain(
        "E-NO-PASSTHROUGH", Severity::refusal,
        fmt::format("domain {} was created without passthrough, which is fixed at creation",
                    domain.domid),
        "add passthrough=\"enabled\" and e820_host=1 to its configuration and create it again, or "
        "use `pciassign create`"));
  else if (facts.host.iommu)
    findings.push_back(of_domain("E-NO-PASSTHROUGH", Severity::ok, "the domain can have devices"));
  return findings;
}

std::vector<Finding> judge_device(const AttachFacts& facts, const DeviceSpec& spec) {
  const auto at = std::find_if(facts.all_devices.begin(), facts.all_devices.end(),
                               [&](const Device& device) { return device.sbdf == spec.sbdf; });
  if (at == facts.all_devices.end())
    return {{"E-ABSENT",
             Severity::refusal,
             spec.sbdf,
             fmt::format("there is no PCI device {}", spec.sbdf.str()),
             "`pciassign list --all` shows all devices",
             {}}};
  const detail::Subject subject{facts, spec, *at};
  return {
      detail::passed("E-ABSENT", spec.sbdf,
                     fmt::format("present: {:04x}:{:04x} {}", at->vendor, at->device, at->name)),
      detail::check_endpoint(subject),
      detail::check_owner(subject),
      detail::check_dom0_use(subject),
      detail::check_reserved(subject),
      detail::check_iommu(subject),
      detail::check_remapping(subject),
      detail::check_reset(subject),
      detail::check_group(subject),
      detail::check_interrupt(subject),
      detail::check_pages(subject),
  };
}

}  // namespace

std::vector<Finding> judge_attach(const AttachFacts& facts) {
  auto findings = judge_domain(facts);
  for (const auto& spec : facts.wanted)
    for (auto& finding : judge_device(facts, spec)) findings.push_back(std::move(finding));
  return findings;
}

std::optional<Error> first_refusal(const std::vector<Finding>& findings) {
  for (const auto& finding : findings) {
    if (finding.severity != Severity::refusal) continue;
    const auto kind = finding.code == "E-ABSENT"  ? ErrorKind::not_found
                      : finding.code == "E-OWNED" ? ErrorKind::busy
                                                  : ErrorKind::refused;
    auto message = finding.device && finding.code != "E-ABSENT"
                       ? fmt::format("{}: {}", finding.device->str(), finding.evidence)
                       : finding.evidence;
    auto hint = finding.remedy;
    if (!finding.accept.empty()) hint += fmt::format(" (allow={} accepts it)", finding.accept);
    return Error{kind, finding.code, std::move(message), std::move(hint), 0};
  }
  return std::nullopt;
}

}  // namespace pciassign
