// SPDX-License-Identifier: GPL-2.0-or-later
// The names and the output of xl's pci-* commands, so that a script for xl works unchanged.
#include <fmt/format.h>

#include <charconv>
#include <ostream>

#include "commands.hpp"
#include "source.hpp"

namespace pciassign::cli {
namespace {

/// Runs the change of this name; where xl says nothing on success, nothing is said.
int quietly(Environment& environment, const Options& options, Output& output,
            const std::string& command) {
  Options changed = options;
  changed.command = command;
  if (options.json) return change(environment, changed, output);
  std::ostream nowhere(nullptr);
  Environment quiet{.out = nowhere,
                    .err = environment.err,
                    .open_local = environment.open_local,
                    .interrupted = environment.interrupted,
                    .xl = environment.xl,
                    .config_file = environment.config_file,
                    .root = environment.root};
  Output hushed(quiet, changed);
  return change(quiet, changed, hushed);
}

}  // namespace

int xl_list(Environment& environment, const Options& options, Output& output) {
  auto source = Source::open(environment, options, output);
  if (!source) return output.fail(source.error());
  const auto devices = source->list();
  if (!devices) return output.fail(devices.error());
  std::vector<DeviceView> of_domain;
  for (const DeviceView& view : *devices) {
    if (view.domid &&
        (view.domain_name == options.domain || std::to_string(*view.domid) == options.domain))
      of_domain.push_back(view);
  }
  if (output.json()) {
    output.result(rpc::to_json_array(of_domain));
    return 0;
  }
  if (of_domain.empty()) return 0;
  output.text() << "Vdev Device\n";
  for (const DeviceView& view : of_domain) {
    // xl's own columns: slot.function of the guest, then the address.
    const Result<Sbdf> slot = Sbdf::parse(view.virtual_slot);
    output.text() << (slot ? fmt::format("{:02x}.{:x}", slot->device, slot->function)
                           : std::string("00.0"))
                  << ' ' << view.device.sbdf.str() << '\n';
  }
  return 0;
}

int xl_attach(Environment& environment, const Options& options, Output& output) {
  Options changed = options;
  if (!options.virtual_slot.empty()) {
    unsigned slot = 0;
    std::string_view text = options.virtual_slot;
    if (text.starts_with("0x")) text.remove_prefix(2);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), slot, 16);
    if (error != std::errc{} || end != text.data() + text.size() || slot > 0x1f) {
      return output.fail({ErrorKind::usage,
                          {},
                          fmt::format("\"{}\" is no virtual slot", options.virtual_slot),
                          "a virtual slot is a hexadecimal number from 0 to 1f",
                          0});
    }
    changed.devices.front() += fmt::format(",vslot={:x}", slot);
  }
  return quietly(environment, changed, output, "attach");
}

int xl_detach(Environment& environment, const Options& options, Output& output) {
  return quietly(environment, options, output, "detach");
}

int xl_assignable_list(Environment& environment, const Options& options, Output& output) {
  auto source = Source::open(environment, options, output);
  if (!source) return output.fail(source.error());
  auto devices = source->list();
  if (!devices) return output.fail(devices.error());
  std::erase_if(*devices, [](const DeviceView& view) {
    return !view.device.on_pciback() || view.domid.has_value();
  });
  if (output.json()) {
    output.result(rpc::to_json_array(*devices));
    return 0;
  }
  for (const DeviceView& view : *devices) output.text() << view.device.sbdf.str() << '\n';
  return 0;
}

int xl_assignable_add(Environment& environment, const Options& options, Output& output) {
  return quietly(environment, options, output, "reserve");
}

int xl_assignable_remove(Environment& environment, const Options& options, Output& output) {
  return quietly(environment, options, output, "release");
}

}  // namespace pciassign::cli
