// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "assign/policy_checks.hpp"

namespace pciassign {
namespace detail {
namespace {

const FindingCode& entry_of(std::string_view code) {
  for (const auto& entry : finding_codes())
    if (entry.code == code) return entry;
  throw std::logic_error("a finding without an entry in the table of codes");
}

bool accepts(const AssignOptions& options, std::string_view option) {
  constexpr std::string_view kAllow = "allow=";
  if (option.starts_with(kAllow))
    return std::find(options.allow.begin(), options.allow.end(), option.substr(kAllow.size())) !=
           options.allow.end();
  if (option == "seize=1") return options.seize;
  return option == "rdm_policy=relaxed" && options.rdm_policy == RdmPolicy::relaxed;
}

}  // namespace

Context::Context(const AttachFacts& all) : facts(all) {
  devices_.reserve(facts.all_devices.size());
  for (const auto& device : facts.all_devices) devices_.emplace(device.sbdf.machine(), &device);
  for (const auto& owner : facts.owners) owners_.emplace(owner.device, &owner);
  for (const auto& spec : facts.wanted) wanted_.insert(spec.sbdf);
}

const Device* Context::find(const Sbdf& sbdf) const {
  const auto at = devices_.find(sbdf.machine());
  return at == devices_.end() ? nullptr : at->second;
}

const Owner* Context::owner_of(const Sbdf& sbdf) const {
  const auto at = owners_.find(sbdf);
  return at == owners_.end() ? nullptr : at->second;
}

bool Context::stays_together(const Sbdf& sbdf) const {
  if (wanted(sbdf)) return true;
  const auto* owner = owner_of(sbdf);
  return owner != nullptr && facts.domain && owner->domid == facts.domain->domid;
}

bool Context::used_elsewhere(const Device& device) const {
  if (stays_together(device.sbdf)) return false;
  if (owner_of(device.sbdf) != nullptr || facts.unreadable.contains(device.sbdf)) return true;
  return !device.driver.empty() && !device.on_pciback();
}

std::string Context::who_uses(const Device& device) const {
  const auto* owner = owner_of(device.sbdf);
  if (owner != nullptr) return fmt::format("{} (domain {})", device.sbdf.str(), owner->domid);
  if (facts.unreadable.contains(device.sbdf))
    return fmt::format("{} (its record cannot be read)", device.sbdf.str());
  return fmt::format("{} ({})", device.sbdf.str(),
                     device.driver.empty() ? "no driver" : device.driver);
}

Finding passed(const char* code, const std::optional<Sbdf>& device, std::string evidence) {
  return {std::string(entry_of(code).code), Severity::ok, device, std::move(evidence), {}, {}};
}

Finding warned(const char* code, const std::optional<Sbdf>& device, std::string evidence,
               std::string remedy) {
  auto finding = passed(code, device, std::move(evidence));
  finding.severity = Severity::warning;
  finding.remedy = std::move(remedy);
  return finding;
}

Finding refused(const char* code, const std::optional<Sbdf>& device, const AssignOptions& options,
                std::string evidence, std::string remedy) {
  auto finding = warned(code, device, std::move(evidence), std::move(remedy));
  finding.accept = entry_of(code).accept;
  if (!accepts(options, finding.accept)) finding.severity = Severity::refusal;
  return finding;
}

Finding refused(const Subject& subject, const char* code, std::string evidence,
                std::string remedy) {
  return refused(code, subject.device.sbdf, subject.spec.options, std::move(evidence),
                 std::move(remedy));
}

bool below(const Device& device, const Sbdf& bridge) {
  return std::find(device.path.begin(), device.path.end(), bridge) != device.path.end();
}

}  // namespace detail

namespace {

using detail::passed;

constexpr std::size_t kVirtualSlots = 32;

/// Nothing that an option could accept.
Finding refused_domain(const char* code, std::string evidence, std::string remedy) {
  return detail::refused(code, std::nullopt, AssignOptions{}, std::move(evidence),
                         std::move(remedy));
}

Finding check_count(const AttachFacts& facts) {
  const auto count = facts.already_attached + facts.wanted.size();
  if (count <= kVirtualSlots)
    return passed("E-TOO-MANY", std::nullopt,
                  fmt::format("{} of {} virtual slots used then", count, kVirtualSlots));
  return refused_domain(
      "E-TOO-MANY",
      fmt::format("the domain would have {} devices; pciback's virtual bus has {} slots", count,
                  kVirtualSlots),
      "attach fewer devices to this domain");
}

Finding check_kind(const DomainInfo& domain) {
  if (domain.kind == DomainKind::pv)
    return passed("E-DOMAIN-KIND", std::nullopt, "the domain is PV");
  if (domain.kind == DomainKind::hvm)
    return refused_domain("E-DOMAIN-KIND",
                          fmt::format("domain {} is HVM: its devices come from its device model "
                                      "(QEMU), which pciassign does not speak to, and it has no "
                                      "PCI front end",
                                      domain.domid),
                          "use a PV domain (type=\"pv\") as driver domain, or xl for this one");
  return refused_domain("E-DOMAIN-KIND",
                        fmt::format("domain {} is PVH: Xen has no virtual PCI bus (vPCI) for such "
                                    "guests, and no device model stands in for it",
                                    domain.domid),
                        "use a PV domain: type=\"pv\"");
}

Finding check_life(const DomainInfo& domain) {
  if (!domain.gone()) return passed("E-DOMAIN-DYING", std::nullopt, "the domain is alive");
  return refused_domain("E-DOMAIN-DYING",
                        fmt::format("domain {} is {}", domain.domid,
                                    domain.dying                ? "being destroyed"
                                    : domain.shutdown_code == 3 ? "crashed"
                                                                : "shut down"),
                        "start it again first");
}

/// Without an IOMMU nothing has passthrough; then that is the finding that helps.
Finding check_passthrough(const AttachFacts& facts) {
  if (facts.domain_has_passthrough || !facts.host.iommu)
    return passed(
        "E-NO-PASSTHROUGH", std::nullopt,
        facts.host.iommu ? "the domain can have devices" : "not looked at without an IOMMU");
  return refused_domain(
      "E-NO-PASSTHROUGH",
      fmt::format("domain {} was created without passthrough, which is fixed at creation",
                  facts.domain->domid),
      "add passthrough=\"enabled\" and e820_host=1 to its configuration and create it again, or "
      "use `pciassign create`");
}

void judge_device(const detail::Context& context, const DeviceSpec& spec,
                  std::vector<Finding>& findings) {
  findings.push_back(detail::check_present(context, spec));
  const auto* device = context.find(spec.sbdf);
  if (device == nullptr) return;
  const detail::Subject subject{context, spec, *device};
  for (const auto check : {detail::check_identity, detail::check_endpoint, detail::check_owner,
                           detail::check_in_xen, detail::check_dom0_use, detail::check_reserved,
                           detail::check_iommu, detail::check_remapping,
                           detail::check_reserved_memory, detail::check_reset, detail::check_group,
                           detail::check_interrupt, detail::check_pages, detail::check_permissive})
    findings.push_back(check(subject));
}

Error error_from(const Finding& finding) {
  const auto kind = finding.code == "E-ABSENT"  ? ErrorKind::not_found
                    : finding.code == "E-OWNED" ? ErrorKind::busy
                                                : ErrorKind::refused;
  auto message = finding.device && finding.code != "E-ABSENT"
                     ? fmt::format("{}: {}", finding.device->str(), finding.evidence)
                     : finding.evidence;
  auto hint = finding.remedy;
  if (!finding.accept.empty()) hint += fmt::format(" ({} accepts it)", finding.accept);
  return {kind, finding.code, std::move(message), std::move(hint), 0};
}

}  // namespace

std::vector<Finding> judge_attach(const AttachFacts& facts) {
  std::vector<Finding> findings;
  findings.push_back(check_count(facts));
  if (facts.domain) {
    findings.push_back(check_kind(*facts.domain));
    findings.push_back(check_life(*facts.domain));
    findings.push_back(check_passthrough(facts));
  }
  const detail::Context context(facts);
  for (const auto& spec : facts.wanted) judge_device(context, spec, findings);
  return findings;
}

std::optional<Error> refusal(const std::vector<Finding>& findings) {
  std::optional<Error> first;
  for (const auto& finding : findings) {
    if (finding.severity != Severity::refusal) continue;
    auto error = error_from(finding);
    if (!first)
      first = std::move(error);
    else
      first->also.push_back(std::move(error));
  }
  return first;
}

}  // namespace pciassign
