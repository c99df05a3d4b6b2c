// SPDX-License-Identifier: GPL-2.0-or-later
// The methods that change something: each makes a plan and lets the scheduler run it.
#include <fmt/format.h>

#include <algorithm>

#include "commands.hpp"

namespace pciassign::daemon {
namespace json = boost::json;

void Commands::run_plan(const Call& call, Plan plan, std::function<void()> after) {
  const auto session = call.session();
  const std::int64_t number = call.number();
  JobHandlers handlers;
  handlers.on_step = [call, number](const rpc::StepEvent& event) {
    rpc::StepEvent told = event;
    told.request = number;
    call.notify("step", rpc::to_json(told));
  };
  handlers.on_done = [call, number, after = std::move(after)](const Plan& done,
                                                              const PlanReport& report) {
    if (const auto still = call.session()) still->running.erase(number);
    const json::array steps = rpc::to_json_array(report.steps);
    if (report.error) {
      json::array undo_errors = rpc::to_json_array(report.undo_errors);
      call.fail(*report.error, {{"steps", steps}, {"undo_errors", std::move(undo_errors)}});
      return;
    }
    if (after) after();
    call.result(rpc::to_json(rpc::ChangeResult{rpc::view_of(done), report.steps}));
  };
  const Result<JobId> job = scheduler_.submit(std::move(plan), std::move(handlers));
  if (!job) {
    call.fail(job.error());
  } else if (session && number != 0) {
    session->running[number] = *job;
  }
}

void Commands::attach_to(const Call& call, const DomainInfo& domain,
                         const std::vector<DeviceSpec>& specs, AttachMode mode) {
  // Before planning: a plan that is under way would look like a device in use by another.
  if (const auto busy = scheduler_.conflict(specs, domain.domid)) {
    call.fail(*busy);
    return;
  }
  Result<Plan> plan = toolstack_.plan_attach(domain.domid, specs, mode);
  if (!plan) {
    call.fail(plan.error());
    return;
  }
  run_plan(call, std::move(*plan));
}

void Commands::attach(const Call& call, const Params& params) {
  const auto read = read_params<rpc::AttachParams>(call, params);
  if (!read) return;
  const auto specs = rpc::parse_specs(read->devices);
  if (!specs) {
    call.fail(specs.error());
    return;
  }
  if (read->mode != "auto" && read->mode != "hot" && read->mode != "cold") {
    call.fail({ErrorKind::usage, {}, "the mode is auto, hot or cold", {}, 0});
    return;
  }
  const Result<DomainInfo> domain = toolstack_.find_domain(read->domain);
  if (!domain) {
    call.fail(domain.error());
    return;
  }
  AttachMode mode = rpc::mode_for(*domain);
  if (read->mode == "hot") mode = AttachMode::hot;
  if (read->mode == "cold") mode = AttachMode::cold;
  attach_to(call, *domain, *specs, mode);
}

void Commands::detach(const Call& call, const Params& params) {
  const auto read = read_params<rpc::DetachParams>(call, params);
  if (!read) return;
  const auto devices = rpc::parse_addresses(read->devices);
  if (!devices) {
    call.fail(devices.error());
    return;
  }
  const Result<DomainInfo> domain = toolstack_.find_domain(read->domain);
  if (!domain) {
    call.fail(domain.error());
    return;
  }
  if (const auto busy = scheduler_.conflict(*devices, domain->domid)) {
    call.fail(*busy);
    return;
  }
  Result<Plan> plan = toolstack_.plan_detach(domain->domid, *devices);
  if (!plan) {
    call.fail(plan.error());
    return;
  }
  run_plan(call, std::move(*plan),
           [this, info = *domain, gone = *devices] { files_.forget_created(info, gone); });
}

void Commands::change_one(const Call& call, const Params& params, PlanOfOne make) {
  const auto read = read_params<rpc::DeviceParams>(call, params);
  if (!read) return;
  const Result<Sbdf> device = Sbdf::parse(read->device);
  if (!device) {
    call.fail(device.error());
    return;
  }
  if (const auto busy = scheduler_.conflict(std::vector<Sbdf>{*device}, std::nullopt)) {
    call.fail(*busy);
    return;
  }
  Result<Plan> plan = (toolstack_.*make)(*device);
  if (!plan) {
    call.fail(plan.error());
    return;
  }
  run_plan(call, std::move(*plan));
}

void Commands::reserve(const Call& call, const Params& params) {
  change_one(call, params, &Toolstack::plan_reserve);
}
void Commands::release(const Call& call, const Params& params) {
  change_one(call, params, &Toolstack::plan_release);
}
void Commands::reset(const Call& call, const Params& params) {
  change_one(call, params, &Toolstack::plan_reset);
}

void Commands::reload(const Call& call, const Params&) {
  const Result<void> read = read_configuration ? read_configuration() : Result<void>{};
  if (!read) {
    Error error = read.error();
    error.hint = "the former configuration stays";
    call.fail(error);
    return;
  }
  rpc::ReloadResult result{.configured = watcher_.configured_names(), .problems = {}};
  if (problems) result.problems = problems();
  call.result(rpc::to_json(result));
}

void Commands::create_prepare(const Call& call, const Params& params) {
  const auto read = read_params<rpc::CreatePrepareParams>(call, params);
  if (!read) return;
  const auto session = call.session();
  if (!session) return;
  if (read->name.find_first_not_of("0123456789") == std::string::npos) {
    call.fail(
        {ErrorKind::usage,
         {},
         fmt::format("the name \"{}\" is empty, or a number, which xl takes for that of a domain",
                     read->name),
         "give the domain another name",
         0});
    return;
  }
  const auto free = [&](const Result<DomainInfo>& existing, const std::string& what) {
    if (existing) {
      call.fail({ErrorKind::refused, "E-EXISTS",
                 fmt::format("a domain {} exists (domain {})", what, existing->domid),
                 "destroy it first, or attach to it: pciassign attach", 0});
    } else if (existing.error().kind != ErrorKind::not_found) {
      call.fail(existing.error());
    }
    return !existing && existing.error().kind == ErrorKind::not_found;
  };
  if (!free(toolstack_.find_domain(read->name), "named " + read->name)) return;
  if (!read->uuid.empty() &&
      !free(toolstack_.domain_with_uuid(read->uuid), "with the uuid " + read->uuid))
    return;
  if (const auto good = watcher_.readable(read->name); !good) {
    call.fail(good.error());
    return;
  }
  std::vector<DeviceSpec> specs;
  if (!read->devices.empty()) {
    auto parsed = rpc::parse_specs(read->devices);
    if (!parsed) {
      call.fail(parsed.error());
      return;
    }
    specs = std::move(*parsed);
    if (const auto busy = scheduler_.conflict(specs, std::nullopt)) {
      call.fail(*busy);
      return;
    }
    const auto findings = toolstack_.explain(specs, std::nullopt);
    if (!findings) {
      call.fail(findings.error());
      return;
    }
    if (const auto refused = refusal(*findings)) {
      call.fail(*refused, {{"findings", rpc::to_json_array(*findings)}});
      return;
    }
  }
  if (const auto held = watcher_.hold(read->name, session->number); !held) {
    call.fail(held.error());
    return;
  }
  call.result(json::object{{"name", read->name}});
}

void Commands::create_complete(const Call& call, const Params& params) {
  const auto read = read_params<rpc::CreateCompleteParams>(call, params);
  if (!read) return;
  const Result<DomainInfo> domain = toolstack_.ports().xen.domain(read->domid);
  if (!domain) {
    call.fail(domain.error());
    return;
  }
  // A number is used again: nothing is done to whoever has got it since.
  if (!read->uuid.empty() && domain->uuid_str() != read->uuid) {
    call.fail({ErrorKind::not_found,
               {},
               fmt::format("domain {} has not the uuid {}: it is another domain by now",
                           read->domid, read->uuid),
               {},
               0});
    return;
  }
  if (!domain->paused) {
    call.fail({ErrorKind::refused, "E-RUNNING", fmt::format("domain {} is not paused", read->domid),
               "create it with: xl create -p", 0});
    return;
  }
  const std::string name =
      toolstack_.domain_name(read->domid).value_or(std::to_string(read->domid));
  if (const auto good = watcher_.readable(name); !good) {  // Since create_prepare().
    call.fail(good.error());
    return;
  }
  std::vector<DeviceSpec> specs;
  if (!read->devices.empty()) {
    auto parsed = rpc::parse_specs(read->devices);
    if (!parsed) {
      call.fail(parsed.error());
      return;
    }
    specs = std::move(*parsed);
  }
  const std::vector<DeviceSpec> own = specs;
  for (DeviceSpec& spec : watcher_.configured(*domain, name)) {
    const bool twice = std::any_of(specs.begin(), specs.end(), [&](const DeviceSpec& other) {
      return other.name == spec.name && other.sbdf == spec.sbdf;
    });
    if (!twice) specs.push_back(std::move(spec));
  }
  watcher_.adopt(read->domid);
  Plan plan;
  if (specs.empty()) {
    plan.title = fmt::format("start {} (domain {}) without devices", name, read->domid);
    plan.domid = read->domid;
    plan.domain_name = name;
  } else {
    if (const auto busy = scheduler_.conflict(specs, read->domid)) {
      call.fail(*busy);
      return;
    }
    Result<Plan> made = toolstack_.plan_attach(read->domid, specs, AttachMode::cold);
    if (!made) {
      call.fail(made.error());
      return;
    }
    plan = std::move(*made);
  }
  if (read->unpause) plan.steps.push_back(unpause_step(*domain, name));
  plan.undo_command = fmt::format("xl destroy {}", read->domid);
  run_plan(call, std::move(plan), [this, info = *domain, own] {
    if (own.empty()) return;
    if (const auto noted = files_.set_created(info, own); !noted) {
      log_.warning("create-not-noted", noted.error().message,
                   {{"domid", std::to_string(info.domid)}});
    }
  });
}

void Commands::cancel(const Call& call, const Params& params) {
  const auto read = read_params<rpc::CancelParams>(call, params);
  if (!read) return;
  const auto session = call.session();
  if (!session) return;
  const auto found = session->running.find(read->request);
  if (found == session->running.end()) {
    call.fail({ErrorKind::not_found,
               {},
               fmt::format("request {} is not under way", read->request),
               {},
               0});
    return;
  }
  scheduler_.cancel(found->second,
                    {ErrorKind::failed, "E-CANCELLED", "cancelled at your request", {}, 0});
  call.result(json::object{{"cancelling", read->request}});
}

}  // namespace pciassign::daemon
