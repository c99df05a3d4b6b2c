// SPDX-License-Identifier: GPL-2.0-or-later
// The methods that only ask.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "commands.hpp"
#include "version.hpp"

namespace pciassign::daemon {
namespace json = boost::json;
namespace {

std::string_view kind_name(DomainKind kind) {
  switch (kind) {
    case DomainKind::pv:
      return "pv";
    case DomainKind::hvm:
      return "hvm";
    case DomainKind::pvh:
      return "pvh";
  }
  return "pv";
}

}  // namespace

rpc::VersionResult Commands::version_result() {
  rpc::VersionResult result{.version = kVersion, .protocol = rpc::kProtocolVersion, .xen = {}};
  if (const Result<HostInfo> host = toolstack_.ports().xen.host()) {
    result.xen = fmt::format("{}.{}", host->xen_major, host->xen_minor);
  }
  return result;
}

void Commands::list_commands(const Call& call, const Params&) {
  std::vector<rpc::CommandInfo> commands;
  for (const Method& method : methods()) {
    commands.push_back({std::string(method.name), std::string(method.words), method.changes});
  }
  call.result(rpc::to_json_array(commands));
}

void Commands::version(const Call& call, const Params&) {
  call.result(rpc::to_json(version_result()));
}

void Commands::status(const Call& call, const Params&) {
  rpc::StatusResult status;
  status.version = version_result();
  status.pid = ::getpid();
  status.jobs = scheduler_.jobs();
  status.retries = reconciler_.retries();
  for (rpc::RetryView& domain : watcher_.retries()) status.retries.push_back(std::move(domain));
  for (rpc::RetryView& blocked : supervisor_.blocked())
    status.retries.push_back(std::move(blocked));
  status.configured = watcher_.configured_names();
  // What is in the way of the journal is one of the problems.
  if (const auto records = toolstack_.ports().journal.all()) status.attachments = records->size();
  if (problems) status.problems = problems();
  call.result(rpc::to_json(status));
}

void Commands::list(const Call& call, const Params&) {
  const auto devices = toolstack_.list();
  if (!devices) {
    call.fail(devices.error());
    return;
  }
  call.result(rpc::to_json_array(*devices));
}

void Commands::show(const Call& call, const Params& params) {
  const auto read = read_params<rpc::DeviceParams>(call, params);
  if (!read) return;
  const auto view = Sbdf::parse(read->device).and_then([this](const Sbdf& sbdf) {
    return toolstack_.show(sbdf);
  });
  if (!view) {
    call.fail(view.error());
    return;
  }
  call.result(rpc::to_json(*view));
}

void Commands::domain(const Call& call, const Params& params) {
  const auto read = read_params<rpc::DomainParams>(call, params);
  if (!read) return;
  const Result<DomainInfo> info = rpc::find_domain(toolstack_, *read);
  if (!info) {
    call.fail(info.error());
    return;
  }
  const rpc::DomainResult result{.domid = info->domid,
                                 .name = toolstack_.domain_name(info->domid).value_or(read->domain),
                                 .uuid = info->uuid_str(),
                                 .kind = std::string(kind_name(info->kind)),
                                 .paused = info->paused};
  call.result(rpc::to_json(result));
}

void Commands::plan(const Call& call, const Params& params) {
  const auto read = read_params<rpc::PlanParams>(call, params);
  if (!read) return;
  const Result<Plan> plan = rpc::make_plan(toolstack_, *read);
  if (!plan) {
    call.fail(plan.error());
    return;
  }
  call.result(rpc::to_json(rpc::view_of(*plan)));
}

void Commands::explain(const Call& call, const Params& params) {
  const auto read = read_params<rpc::ExplainParams>(call, params);
  if (!read) return;
  const auto findings = rpc::explain(toolstack_, *read);
  if (!findings) {
    call.fail(findings.error());
    return;
  }
  call.result(rpc::to_json_array(*findings));
}

void Commands::watch(const Call& call, const Params&) {
  const auto session = call.session();
  if (!session) return;
  const bool already =
      std::any_of(watchers_.begin(), watchers_.end(),
                  [&](const std::weak_ptr<Session>& other) { return other.lock() == session; });
  if (!already) watchers_.push_back(session);
  call.result(json::object{{"watching", true}});
}

}  // namespace pciassign::daemon
