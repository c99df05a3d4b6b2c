// SPDX-License-Identifier: GPL-2.0-or-later
// The methods of driver domains: what the supervisor knows of them, and what it is asked to do.
#include "commands.hpp"
#include "pciassign/config_names.hpp"
#include "pciassign/rpc_domains.hpp"

namespace pciassign::daemon {
namespace {

/// What cannot be a driver domain's name is a mistake in the request, not one that is not there.
bool is_name(const Call& call, const std::string& name) {
  const auto parsed = config::DriverDomainName::parse(name);
  if (!parsed) call.fail(parsed.error());
  return parsed.has_value();
}

}  // namespace

void Commands::driver_domains(const Call& call, const Params&) {
  call.result(rpc::to_json(rpc::DriverDomainsResult{supervisor_.views()}));
}

Error Commands::or_bad_entry(const std::string& name, const Error& error) const {
  const auto good = watcher_.readable(name);
  return error.kind == ErrorKind::not_found && !good ? good.error() : error;
}

void Commands::driver_domain(const Call& call, const Params& params) {
  const auto read = read_params<rpc::DriverDomainParams>(call, params);
  if (!read) return;
  if (!is_name(call, read->name)) return;
  const auto view = supervisor_.view(read->name);
  if (!view) {
    call.fail(or_bad_entry(read->name, view.error()));
    return;
  }
  call.result(rpc::to_json(*view));
}

void Commands::change_driver_domain(const Call& call, const Params& params,
                                    Supervisor::Change what) {
  const auto read = read_params<rpc::DriverDomainChangeParams>(call, params);
  if (!read) return;
  if (!is_name(call, read->name)) return;
  std::optional<Supervisor::Waiter> waiter;
  if (read->wait) {
    waiter.emplace();
    waiter->change = what;
    waiter->done = [call](const Result<rpc::DriverDomainView>& view) {
      if (view) {
        call.result(rpc::to_json(*view));
      } else {
        call.fail(view.error());
      }
    };
    waiter->on_phase = [call, index = std::size_t{0}](const StepReport& report) mutable {
      call.notify("step",
                  rpc::to_json(rpc::StepEvent{call.number(), index, index + 1, "done", report}));
      ++index;
    };
  }
  const Result<void> begun = supervisor_.change(read->name, what, std::move(waiter));
  if (!begun) {
    call.fail(or_bad_entry(read->name, begun.error()));
  } else if (!read->wait) {
    driver_domain(call, {{"name", read->name}});
  }
}

void Commands::driver_domain_start(const Call& call, const Params& params) {
  change_driver_domain(call, params, Supervisor::Change::start);
}
void Commands::driver_domain_stop(const Call& call, const Params& params) {
  change_driver_domain(call, params, Supervisor::Change::stop);
}
void Commands::driver_domain_recover(const Call& call, const Params& params) {
  change_driver_domain(call, params, Supervisor::Change::recover);
}

}  // namespace pciassign::daemon
