// SPDX-License-Identifier: GPL-2.0-or-later
#include "domain_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <set>

namespace pciassign::cli {
namespace {

std::string state_cell(const Paint& paint, const std::string& state) {
  if (state == "ready") return paint.green(state);
  if (state == "given-up" || state == "backing-off" || state == "blocked") return paint.red(state);
  return state == "stopped" || state == "unknown" ? state : paint.yellow(state);
}

std::string seconds(double value) {
  return fmt::format("{:.2f} s", value);
}

std::string standby_words(const rpc::DriverDomainView& domain) {
  if (!domain.standby) return "none";
  const rpc::StandbyView& standby = *domain.standby;
  return printable(standby.state) +
         (standby.domid ? fmt::format(" (domain {})", *standby.domid) : "");
}

void print_recovery(std::ostream& out, const Paint& paint, const rpc::RecoveryView& recovery) {
  out << '\n'
      << paint.bold("last recovery")
      << fmt::format(": {}, {}", printable(recovery.cause), printable(recovery.way));
  if (!recovery.result.empty()) out << ", " << printable(recovery.result);
  if (!recovery.began.empty()) out << ", began " << printable(recovery.began);
  out << '\n';
  if (recovery.phases.empty()) return;
  Table table({"PHASE", "TOOK", "OVER AFTER"});
  for (const rpc::RecoveryPhase& phase : recovery.phases)
    table.row({printable(phase.phase), seconds(phase.seconds), seconds(phase.at)});
  table.print(out, paint);
}

void print_dependents(std::ostream& out, const Paint& paint,
                      const std::vector<rpc::DependentView>& dependents) {
  out << '\n' << paint.bold("devices that it serves") << (dependents.empty() ? ": none\n" : "\n");
  if (dependents.empty()) return;
  Table table({"GUEST", "DOMAIN", "DEVICE", "NAME", "STATE", "RECOVERY"});
  std::set<std::string> ways;
  for (const rpc::DependentView& one : dependents) {
    table.row({printable(one.guest), std::to_string(one.domid),
               fmt::format("{} {}", printable(one.kind), one.devid), printable(one.name),
               printable(one.state), printable(one.recovery)});
    ways.insert(one.recovery);
  }
  table.print(out, paint);
  if (ways.contains("in place"))
    out << "in place: the guest said that it reconnects its devices; addresses and mounts stay\n";
  if (ways.contains("remove and add"))
    out << "remove and add: the guest did not say so (no pvreconnect in it); it gets a new "
           "device\n";
}

}  // namespace

void print_domains(std::ostream& out, const Paint& paint,
                   const std::vector<rpc::DriverDomainView>& domains) {
  if (domains.empty()) {
    out << "no driver domains\n";
    return;
  }
  Table table({"NAME", "CLASS", "STATE", "DOMAIN", "STANDBY", "SERVES", "CRASHES", "DEVICES"});
  for (const rpc::DriverDomainView& domain : domains) {
    table.row({printable(domain.name), printable(domain.driver_class), printable(domain.state),
               domain.domid ? std::to_string(*domain.domid) : "-",
               domain.standby ? printable(domain.standby->state) : "-",
               std::to_string(domain.dependents.size()), std::to_string(domain.crashes),
               fmt::format("{}", fmt::join(domain.devices, " "))});
  }
  table.print(out, paint);
  for (const rpc::DriverDomainView& domain : domains)
    if (domain.state == "blocked")
      out << printable(domain.name) << ": " << printable(domain.message) << '\n';
}

void print_domain(std::ostream& out, const Paint& paint, const rpc::DriverDomainView& domain) {
  const auto line = [&](const char* key, const std::string& value) {
    if (!value.empty()) out << fmt::format("  {:<10}{}\n", key, value);
  };
  out << paint.bold(printable(domain.name)) << "  driver domain, " << printable(domain.driver_class)
      << '\n';
  std::string state = state_cell(paint, printable(domain.state));
  if (!domain.phase.empty()) state += ": " + printable(domain.phase);
  if (domain.retry_seconds) state += fmt::format(", again in {:.0f} s", *domain.retry_seconds);
  line("state", state);
  line("message", printable(domain.message));
  line("domain", domain.domid ? std::to_string(*domain.domid) : "-");
  line("agent", printable(domain.agent));
  line("standby", standby_words(domain));
  line("crashes", std::to_string(domain.crashes));
  line("devices", fmt::format("{}", fmt::join(domain.devices, " ")));
  if (domain.last_recovery) print_recovery(out, paint, *domain.last_recovery);
  print_dependents(out, paint, domain.dependents);
}

boost::json::object domain_done_json(const std::string& name,
                                     const std::optional<rpc::DriverDomainView>& domain,
                                     const std::string& undo_command) {
  return {{"name", name},
          {"domain", domain ? boost::json::value(rpc::to_json(*domain)) : nullptr},
          {"undo_command", undo_command}};
}

}  // namespace pciassign::cli
