// SPDX-License-Identifier: GPL-2.0-or-later
// The commands that only ask.
#include <algorithm>
#include <ostream>

#include "commands.hpp"
#include "pciassign/rpc_requests.hpp"
#include "source.hpp"
#include "text.hpp"
#include "version.hpp"

namespace pciassign::cli {
namespace json = boost::json;

int list_devices(Environment& environment, const Options& options, Output& output) {
  auto source = Source::open(environment, options, output);
  if (!source) return output.fail(source.error());
  auto devices = source->list();
  if (!devices) return output.fail(devices.error());
  std::erase_if(*devices, [&](const DeviceView& view) {
    const Device& device = view.device;
    // The bridges are what the tree consists of.
    if (device.is_bridge() && !options.all && !options.tree) return true;
    return !options.device_class.empty() && !is_of_class(device.class_code, options.device_class);
  });
  if (output.json()) {
    output.result(rpc::to_json_array(*devices));
  } else if (options.tree) {
    print_tree(output.text(), Paint(output.colour()), *devices);
  } else {
    print_devices(output.text(), Paint(output.colour()), *devices);
  }
  return 0;
}

int show_device(Environment& environment, const Options& options, Output& output) {
  // A malformed address is told before anything is opened.
  if (const auto address = Sbdf::parse(options.devices.front()); !address)
    return output.fail(address.error());
  auto source = Source::open(environment, options, output);
  if (!source) return output.fail(source.error());
  const auto device = source->show(options.devices.front());
  if (!device) return output.fail(device.error());
  if (output.json()) {
    output.result(rpc::to_json(*device));
  } else {
    print_device(output.text(), Paint(output.colour()), *device);
  }
  return 0;
}

int explain(Environment& environment, const Options& options, Output& output) {
  if (const auto specs = rpc::parse_specs(options.devices); !specs)
    return output.fail(specs.error());
  auto source = Source::open(environment, options, output);
  if (!source) return output.fail(source.error());
  const auto findings = source->explain({options.devices, options.domain});
  if (!findings) return output.fail(findings.error());
  if (output.json()) {
    output.result(rpc::to_json_array(*findings));
  } else {
    print_checks(output.text(), Paint(output.colour()), *findings);
  }
  const bool refused = std::any_of(findings->begin(), findings->end(), [](const Finding& finding) {
    return finding.severity == Severity::refusal;
  });
  return refused ? exit_status(ErrorKind::refused) : 0;
}

int show_plan(Environment& environment, const Options& options, Output& output) {
  auto source = Source::open(environment, options, output);
  if (!source) return output.fail(source.error());
  const auto plan = source->plan({options.action(), options.domain, options.devices});
  if (!plan) return output.fail(plan.error());
  if (output.json()) {
    output.result(rpc::to_json(*plan));
  } else {
    print_plan(output.text(), Paint(output.colour()), *plan, options.all);
  }
  return 0;
}

int show_status(Environment&, const Options& options, Output& output) {
  auto client = rpc::Client::connect(options.socket);
  if (!client) return output.fail(client.error());
  const auto status = call_as<rpc::StatusResult>(*client, "status", {});
  if (!status) return output.fail(status.error());
  if (output.json()) {
    output.result(rpc::to_json(*status));
  } else {
    print_status(output.text(), Paint(output.colour()), *status);
  }
  return 0;
}

int show_version(Environment&, const Options& options, Output& output) {
  json::object all{{"cli", kVersion},
                   {"daemon", nullptr},
                   {"protocol", rpc::kProtocolVersion},
                   {"xen", nullptr}};
  auto client = rpc::Client::connect(options.socket);
  if (client) {
    const auto version = call_as<rpc::VersionResult>(*client, "version", {});
    if (!version) return output.fail(version.error());
    all["daemon"] = version->version;
    if (!version->xen.empty()) all["xen"] = version->xen;
  }
  if (output.json()) {
    output.result(all);
    return 0;
  }
  output.text() << "pciassign   " << kVersion << "\npciassignd  "
                << (client ? std::string(all["daemon"].as_string()) : "does not answer") << '\n';
  if (all["xen"].is_string())
    output.text() << "Xen         " << std::string(all["xen"].as_string()) << '\n';
  return 0;
}

}  // namespace pciassign::cli
