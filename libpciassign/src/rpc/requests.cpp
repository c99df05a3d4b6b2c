// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/rpc_requests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace pciassign::rpc {

Result<std::vector<DeviceSpec>> parse_specs(const std::vector<std::string>& texts) {
  if (texts.empty()) return fail(ErrorKind::usage, "no device is named");
  std::vector<DeviceSpec> specs;
  for (const std::string& text : texts) {
    Result<DeviceSpec> spec = DeviceSpec::parse(text);
    if (!spec) return tl::unexpected<Error>(spec.error());
    const bool twice = std::any_of(specs.begin(), specs.end(), [&](const DeviceSpec& other) {
      return other.name == spec->name && (!spec->name.empty() || other.sbdf == spec->sbdf);
    });
    if (twice) return fail(ErrorKind::usage, fmt::format("{} is named twice", text));
    specs.push_back(std::move(*spec));
  }
  return specs;
}

Result<std::vector<Sbdf>> parse_addresses(const std::vector<std::string>& texts) {
  if (texts.empty()) return fail(ErrorKind::usage, "no device is named");
  std::vector<Sbdf> devices;
  for (const std::string& text : texts) {
    const Result<Sbdf> device = Sbdf::parse(text);
    if (!device) return tl::unexpected<Error>(device.error());
    if (std::find(devices.begin(), devices.end(), *device) != devices.end()) {
      return fail(ErrorKind::usage, fmt::format("{} is named twice", text));
    }
    devices.push_back(*device);
  }
  return devices;
}

AttachMode mode_for(const DomainInfo& domain) noexcept {
  return domain.paused ? AttachMode::cold : AttachMode::hot;
}

Result<std::vector<Finding>> explain(Toolstack& toolstack, const ExplainParams& params) {
  const auto specs = parse_specs(params.devices);
  if (!specs) return tl::unexpected<Error>(specs.error());
  std::optional<DomId> domid;
  if (!params.domain.empty()) {
    const Result<DomainInfo> domain = toolstack.find_domain(params.domain);
    if (!domain) return tl::unexpected<Error>(domain.error());
    domid = domain->domid;
  }
  return toolstack.explain(*specs, domid);
}

Result<DomainInfo> find_domain(Toolstack& toolstack, const DomainParams& params) {
  if (params.uuid.empty()) return toolstack.find_domain(params.domain);
  auto found = toolstack.domain_with_uuid(params.uuid);
  if (found && found->dying)
    return fail(ErrorKind::not_found, fmt::format("domain {} with the uuid {} is being destroyed",
                                                  found->domid, params.uuid));
  return found;
}

Result<Plan> make_plan(Toolstack& toolstack, const PlanParams& params) {
  using OfOne = Result<Plan> (Toolstack::*)(const Sbdf&);
  static const std::map<std::string_view, OfOne> of_one{{"reserve", &Toolstack::plan_reserve},
                                                        {"release", &Toolstack::plan_release},
                                                        {"reset", &Toolstack::plan_reset}};
  if (const auto found = of_one.find(params.action); found != of_one.end()) {
    const auto devices = parse_addresses(params.devices);
    if (!devices) return tl::unexpected<Error>(devices.error());
    if (devices->size() != 1) return fail(ErrorKind::usage, params.action + " takes one device");
    return (toolstack.*found->second)(devices->front());
  }
  const bool attach = params.action == "attach";
  if (!attach && params.action != "detach") {
    return fail(ErrorKind::usage, "the action is attach, detach, reserve, release or reset");
  }
  // The words first, so that a bad address is told even where there is no such domain.
  const auto specs = attach ? parse_specs(params.devices) : Result<std::vector<DeviceSpec>>{};
  if (!specs) return tl::unexpected<Error>(specs.error());
  const auto devices = attach ? Result<std::vector<Sbdf>>{} : parse_addresses(params.devices);
  if (!devices) return tl::unexpected<Error>(devices.error());
  const Result<DomainInfo> domain = toolstack.find_domain(params.domain);
  if (!domain) return tl::unexpected<Error>(domain.error());
  return attach ? toolstack.plan_attach(domain->domid, *specs, mode_for(*domain))
                : toolstack.plan_detach(domain->domid, *devices);
}

}  // namespace pciassign::rpc
