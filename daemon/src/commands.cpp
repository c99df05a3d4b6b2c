// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pciassign::daemon {

const std::vector<Commands::Method>& Commands::methods() {
  static const std::vector<Method> table{
      {"list-commands", "the methods of this daemon", false, &Commands::list_commands},
      {"version", "version of the daemon, the protocol and Xen", false, &Commands::version},
      {"status", "what runs, what is tried again, what is configured", false, &Commands::status},
      {"list", "all devices and their assignment", false, &Commands::list},
      {"show", "one device", false, &Commands::show},
      {"domain", "one domain by name or number", false, &Commands::domain},
      {"plan", "what a change would do", false, &Commands::plan},
      {"explain", "every check that a device has to pass", false, &Commands::explain},
      {"watch", "send an event notification for each change, from now on", false, &Commands::watch},
      {"attach", "give devices to a domain", true, &Commands::attach},
      {"detach", "take devices from a domain", true, &Commands::detach},
      {"reserve", "take a device from dom0's driver into quarantine", true, &Commands::reserve},
      {"release", "give a device back to dom0's driver", true, &Commands::release},
      {"reset", "reset a reserved device and verify it", true, &Commands::reset},
      {"reload", "read the configuration again", true, &Commands::reload},
      {"create-prepare", "judge devices for a domain that is about to be created", true,
       &Commands::create_prepare},
      {"create-complete", "attach to a domain that was created paused, and let it run", true,
       &Commands::create_complete},
      {"driver-domains", "all supervised driver domains", false, &Commands::driver_domains},
      {"driver-domain", "one of them", false, &Commands::driver_domain},
      {"driver-domain-start", "create a driver domain, and keep it alive", true,
       &Commands::driver_domain_start},
      {"driver-domain-stop", "shut a driver domain down", true, &Commands::driver_domain_stop},
      {"driver-domain-recover", "replace a driver domain as after a crash", true,
       &Commands::driver_domain_recover},
      {"cancel", "undo a request of this connection that is under way", true, &Commands::cancel},
  };
  return table;
}

Commands::Commands(Toolstack& toolstack, Scheduler& scheduler, Reconciler& reconciler,
                   DomainWatcher& watcher, Supervisor& supervisor, StateFiles& files, Log& log,
                   Metrics& metrics)
    : toolstack_(toolstack),
      scheduler_(scheduler),
      reconciler_(reconciler),
      watcher_(watcher),
      supervisor_(supervisor),
      files_(files),
      log_(log),
      metrics_(metrics) {}

void Commands::handle(const std::shared_ptr<Session>& session, std::string_view line) {
  const auto request = rpc::parse_request(line);
  if (!request) {
    log_.debug("bad-message", request.error().message,
               {{"uid", std::to_string(session->peer.uid)}});
    Call(session, request.error().id).bad(request.error().code, request.error().message);
    return;
  }
  const auto& table = methods();
  const auto method = std::find_if(table.begin(), table.end(), [&](const Method& entry) {
    return entry.name == request->method;
  });
  if (method == table.end()) {
    Call(session, request->id)
        .bad(rpc::kMethodNotFound, fmt::format("no method \"{}\"; list-commands tells them all",
                                               request->method.substr(0, 64)));
    return;
  }
  const Call call(session, request->id, method->changes ? &metrics_ : nullptr);
  if (method->changes && !session->peer.root()) {
    log_.warning(
        "not-root", fmt::format("{} was refused", method->name),
        {{"uid", std::to_string(session->peer.uid)}, {"pid", std::to_string(session->peer.pid)}});
    call.fail({ErrorKind::refused, "E-NOT-ROOT", fmt::format("{} is for root only", method->name),
               "run it as root", 0});
    return;
  }
  (this->*method->run)(call, request->params);
}

void Commands::session_closed(Session& session) {
  if (!session.running.empty()) {
    log_.info("client-gone", "a client left before its plan was over; the plan goes on",
              {{"pid", std::to_string(session.peer.pid)}});
  }
  if (watcher_.release_holds(session.number) && compare) compare();
}

void Commands::tell(const rpc::ChangeEvent& event) {
  if (watchers_.empty()) return;
  const std::string line = rpc::notification_line("event", rpc::to_json(event));
  std::erase_if(watchers_, [&](const std::weak_ptr<Session>& watcher) {
    const auto session = watcher.lock();
    if (!session || !session->send) return true;
    session->send(line);
    return false;
  });
}

}  // namespace pciassign::daemon
