// SPDX-License-Identifier: GPL-2.0-or-later
// attach, detach, reserve, release, reset: asked of the daemon, which runs them.
#include <ostream>

#include "commands.hpp"
#include "pciassign/rpc_requests.hpp"
#include "progress.hpp"
#include "source.hpp"
#include "text.hpp"

namespace pciassign::cli {
namespace {

/// The request's parameters; what is wrong with the words is told before the daemon is asked.
Result<boost::json::object> parameters(const Options& options) {
  if (options.command == "attach") {
    return rpc::parse_specs(options.devices).map([&](const auto&) {
      return rpc::to_json(rpc::AttachParams{options.domain, options.devices, "auto"});
    });
  }
  return rpc::parse_addresses(options.devices).map([&](const std::vector<Sbdf>& devices) {
    return options.command == "detach"
               ? rpc::to_json(rpc::DetachParams{options.domain, options.devices})
               : rpc::to_json(rpc::DeviceParams{devices.front().str()});
  });
}

}  // namespace

int change(Environment& environment, const Options& options, Output& output) {
  if (options.dry_run) return show_plan(environment, options, output);
  Result<boost::json::object> params = parameters(options);
  if (!params) return output.fail(params.error());
  auto client = rpc::Client::connect(options.socket);
  if (!client) return output.fail(client.error());

  Progress progress(environment, !output.json());
  client->on_step = [&](const rpc::StepEvent& event) { progress.step(event); };
  client->interrupted = environment.interrupted;
  const auto done = call_as<rpc::ChangeResult>(*client, options.command, std::move(*params));
  progress.clear();
  if (!done) return output.fail(done.error(), client->last_error_data());
  if (output.json()) {
    output.result(rpc::to_json(*done));
  } else {
    print_change(output.text(), Paint(output.colour()), *done, options.verbose);
  }
  return 0;
}

}  // namespace pciassign::cli
