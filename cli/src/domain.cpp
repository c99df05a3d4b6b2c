// SPDX-License-Identifier: GPL-2.0-or-later
// domain list, show, start, stop, recover: asked of the daemon, which supervises.
#include <fmt/format.h>

#include <ostream>

#include "commands.hpp"
#include "configured.hpp"
#include "domain_files.hpp"
#include "domain_text.hpp"
#include "pciassign/shell_words.hpp"
#include "progress.hpp"
#include "source.hpp"

namespace pciassign::cli {
namespace {

/// What the entries alone tell.
Result<rpc::DriverDomainsResult> of_entries(const Environment& environment, Output& output) {
  const auto places = DomainPlaces::find(environment);
  if (!places) return tl::unexpected<Error>(places.error());
  const auto all = config::load_driver_domains(places->domains);
  remark_problems(output, all.problems);
  rpc::DriverDomainsResult result;
  for (const auto& [name, domain] : all.good) {
    rpc::DriverDomainView view;
    view.name = name;
    view.driver_class = config::to_string(domain.driver_class);
    for (const DeviceSpec& spec : domain.devices) view.devices.push_back(spec.str());
    view.state = "unknown";
    if (domain.standby) view.standby = rpc::StandbyView{{}, "unknown"};
    result.domains.push_back(std::move(view));
  }
  return result;
}

Result<rpc::DriverDomainView> ask(rpc::Client& client, const std::string& name) {
  return call_as<rpc::DriverDomainView>(client, "driver-domain",
                                        rpc::to_json(rpc::DriverDomainParams{name}));
}

std::string devices_of(const rpc::DriverDomainView& view) {
  return fmt::format("{}", fmt::join(view.devices, " "));
}

/// The steps in words; their times and places the supervisor finds as it goes.
rpc::PlanView outline(const std::string& action, const rpc::DriverDomainView& view) {
  rpc::PlanView plan;
  plan.title = fmt::format("{} the driver domain {} ({})", action, view.name, view.state);
  plan.domain_name = view.name;
  plan.domid = view.domid;
  const auto step = [&](const char* id, std::string words) {
    plan.steps.push_back({id, std::move(words)});
  };
  const bool runs = view.domid.has_value();
  const std::size_t served = view.dependents.size();
  if (action == "stop") {
    if (runs) step("shutdown", fmt::format("shut domain {} down, and destroy it", *view.domid));
    if (runs) step("take-back", fmt::format("reset and verify {}", devices_of(view)));
    if (view.standby && view.standby->domid)
      step("standby", fmt::format("destroy the standby, domain {}", *view.standby->domid));
    if (served > 0) step("wait", fmt::format("{} devices of guests wait for its return", served));
    return plan;
  }
  if (action == "start" && view.state == "ready") return plan;
  if (runs) {
    step("fence",
         fmt::format("destroy domain {}, reset and verify {}", *view.domid, devices_of(view)));
  }
  const bool warm = action == "recover" && view.standby && view.standby->domid;
  if (warm) {
    step("standby", fmt::format("attach {} to the standby, domain {}", devices_of(view),
                                *view.standby->domid));
  } else {
    step("create",
         fmt::format("xl creates it; it gets {} before its first instruction", devices_of(view)));
  }
  step("ready", "wait until it is ready");
  for (const rpc::DependentView& one : view.dependents)
    step("reattach", fmt::format("{} {} of {}: {}", one.kind, one.devid, one.guest, one.recovery));
  return plan;
}

std::string undo_of(const std::string& action, const std::string& name) {
  if (action == "start") return shell_command("pciassign domain stop", {name});
  if (action == "stop") return shell_command("pciassign domain start", {name});
  return "";
}

}  // namespace

int domain_list(Environment& environment, const Options& options, Output& output) {
  auto client = rpc::Client::connect(options.socket);
  if (!client) output.remark("pciassignd is not running; this is what is configured");
  const auto all = client ? call_as<rpc::DriverDomainsResult>(*client, "driver-domains", {})
                          : of_entries(environment, output);
  if (!all) return output.fail(all.error());
  if (output.json()) {
    output.result(rpc::to_json(*all));
  } else {
    print_domains(output.text(), Paint(output.colour()), all->domains);
  }
  return 0;
}

int domain_show(Environment&, const Options& options, Output& output) {
  if (const auto name = config::DriverDomainName::parse(options.domain); !name)
    return output.fail(name.error());
  auto client = rpc::Client::connect(options.socket);
  if (!client) return output.fail(client.error());
  const auto view = ask(*client, options.domain);
  if (!view) return output.fail(view.error());
  if (output.json()) {
    output.result(rpc::to_json(*view));
  } else {
    print_domain(output.text(), Paint(output.colour()), *view);
  }
  return 0;
}

int domain_change(Environment& environment, const Options& options, Output& output) {
  if (const auto name = config::DriverDomainName::parse(options.domain); !name)
    return output.fail(name.error());
  const std::string action = options.command.substr(options.command.find(' ') + 1);
  auto client = rpc::Client::connect(options.socket);
  if (!client) return output.fail(client.error());
  const Paint paint(output.colour());
  if (options.dry_run) {
    const auto view = ask(*client, options.domain);
    if (!view) return output.fail(view.error());
    rpc::PlanView plan = outline(action, *view);
    if (!plan.steps.empty()) plan.undo_command = undo_of(action, options.domain);
    if (output.json()) {
      output.result(rpc::to_json(plan));
    } else {
      print_plan(output.text(), paint, plan, false);
    }
    return 0;
  }
  Progress progress(environment, !output.json());
  client->on_step = [&](const rpc::StepEvent& event) { progress.step(event); };
  client->interrupted = environment.interrupted;
  const auto view = call_as<rpc::DriverDomainView>(
      *client, "driver-domain-" + action,
      rpc::to_json(rpc::DriverDomainChangeParams{options.domain, !options.no_wait}));
  progress.clear();
  if (!view) return output.fail(view.error(), client->last_error_data());
  const std::string undo = undo_of(action, options.domain);
  if (output.json()) {
    output.result(domain_done_json(options.domain, *view, undo));
    return 0;
  }
  output.text() << paint.green("done") << ": " << printable(view->name) << " is "
                << printable(view->state) << '\n';
  if (!undo.empty()) output.text() << "undo: " << printable(undo) << '\n';
  return 0;
}

}  // namespace pciassign::cli
