// SPDX-License-Identifier: GPL-2.0-or-later
// What a supervisor does: names, xl, fences and reconnections, each followed by another look.
#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "supervisor.hpp"

namespace pciassign::daemon {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

/// A creation ends long before; one that hangs would keep the name.
constexpr seconds kXlLimit{60};

std::vector<std::string> arguments_of(std::vector<std::string> command) {
  if (!command.empty() && command.front() == "xl") command.erase(command.begin());
  return command;
}

}  // namespace

void Supervisor::perform(Entry& entry, const supervision::Action& action) {
  namespace s = supervision;
  std::visit(
      [&](const auto& what) {
        using T = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<T, s::Rename>) {
          begin_rename(what);
        } else if constexpr (std::is_same_v<T, s::Create>) {
          begin_create(entry, what);
        } else if constexpr (std::is_same_v<T, s::Destroy>) {
          begin_destroy(entry, what);
        } else if constexpr (std::is_same_v<T, s::Fence>) {
          begin_fence(entry, what);
        } else if constexpr (std::is_same_v<T, s::ShutDown>) {
          begin_shut_down(what);
        } else if constexpr (std::is_same_v<T, s::GiveDevices>) {
          if (is_same(what.domid, what.uuid))
            watcher_.take_over(what.domid, entry.core.config().name);
        } else if constexpr (std::is_same_v<T, s::Reconnect>) {
          begin_reconnect(entry, what);
        } else if constexpr (std::is_same_v<T, s::Remove>) {
          begin_remove(entry, what);
        } else if constexpr (std::is_same_v<T, s::Add>) {
          begin_add(entry, what);
        } else {
          tell(entry, what);
        }
      },
      action);
}

bool Supervisor::is_same(DomId domid, const std::string& uuid) {
  const auto info = toolstack_.ports().xen.domain(domid);
  return info && info->uuid_str() == uuid;
}

bool Supervisor::is_its_guest(const Entry& entry, const Dependent& former) {
  const auto& additions = entry.core.state().additions;
  const auto pending = std::find_if(additions.begin(), additions.end(),
                                    [&](const auto& one) { return one.former == former; });
  return pending != additions.end() && is_same(former.guest, pending->guest_uuid);
}

void Supervisor::begin_shut_down(const supervision::ShutDown& what) {
  if (!is_same(what.domid, what.uuid)) return;
  (void)toolstack_.ports().store.write(fmt::format("/local/domain/{}/control/shutdown", what.domid),
                                       "poweroff");
}

/// xl finds domains by this node alone: no two may have the same.
void Supervisor::begin_rename(const supervision::Rename& rename) {
  if (!is_same(rename.domid, rename.uuid)) return;
  const std::string home = fmt::format("/local/domain/{}", rename.domid);
  Store& store = toolstack_.ports().store;
  const Result<void> done = store.transaction([&](StoreView& view) -> Result<void> {
    const auto name = view.read(home + "/name");
    // A write would bring the directory of a domain that is gone back to life.
    if (!name || !*name) return {};
    for (const DomainInfo& info : domains_) {
      if (rename.dead || info.domid == rename.domid || info.gone()) continue;
      const auto other = view.read(fmt::format("/local/domain/{}/name", info.domid));
      if (!other) return tl::unexpected<Error>(other.error());
      if (*other == rename.name)
        return fail(ErrorKind::refused,
                    fmt::format("domain {} cannot be called {}: domain {} is called so",
                                rename.domid, rename.name, info.domid));
    }
    if (auto written = view.write(home + "/name", rename.name); !written) return written;
    const auto vm = view.read(home + "/vm");
    if (!vm || !*vm || (*vm)->empty()) return {};
    const auto vm_name = view.read(**vm + "/name");
    return vm_name && *vm_name ? view.write(**vm + "/name", rename.name) : Result<void>{};
  });
  if (!done) log_.warning("driver-domain", done.error().message);
  // Nobody attaches to what is to be gone.
  if (rename.dead) watcher_.adopt(rename.domid);
}

/// The list of dependents follows. Another look at every guest's devices would take dom0's time now
/// that the guests need it: it comes when they are connected.
void Supervisor::begin_reconnect(Entry& entry, const supervision::Reconnect& what) {
  const auto done = reconnect(toolstack_.ports().store, what.dependent, what.domid);
  if (done && entry.dependents) {
    for (supervision::DependentFacts& one : *entry.dependents)
      if (one.dependent == what.dependent) one.dependent.backend = what.domid;
    entry.moved = true;
    return;
  }
  entry.dependents.reset();
  if (!done && done.error().kind != ErrorKind::not_found)
    log_.warning("driver-domain", done.error().message, {{"domain", entry.core.config().name}});
}

std::function<void(Result<void>)> Supervisor::then(
    const std::string& name, std::function<void(Supervision&, const std::optional<Error>&)> what) {
  return [this, name, what = std::move(what)](const Result<void>& result) {
    const auto found = entries_.find(name);
    if (found == entries_.end() || stopped_) return;
    what(found->second.core, result ? std::nullopt : std::optional<Error>(result.error()));
    found->second.dirty = true;
    found->second.dependents.reset();
    settle();
  };
}

void Supervisor::begin_create(Entry& entry, const supervision::Create& create) {
  const config::DriverDomain& config = entry.core.config();
  const fs::path file = create.standby ? config.standby_config() : config.config;
  xl_.run({"create", "-e", "-q", file.string(), fmt::format("uuid=\"{}\"", create.uuid)},
          std::max(kXlLimit, config.start_timeout),
          then(config.name, [uuid = create.uuid](Supervision& core, const auto& error) {
            core.created(uuid, error, std::chrono::steady_clock::now());
          }));
}

void Supervisor::begin_destroy(Entry& entry, const supervision::Destroy& destroy) {
  auto over =
      then(entry.core.config().name, [uuid = destroy.uuid](Supervision& core, const auto& error) {
        core.destroyed(uuid, error, std::chrono::steady_clock::now());
      });
  // xl takes no uuid; it is started at once.
  if (is_same(destroy.domid, destroy.uuid))
    xl_.run({"destroy", std::to_string(destroy.domid)}, kXlLimit, std::move(over));
  else
    reactor_.post([over = std::move(over)] { over({}); });
}

void Supervisor::begin_fence(Entry& entry, const supervision::Fence& fence) {
  const DomId domid = fence.domid;
  const auto over = then(entry.core.config().name, [domid](Supervision& core, const auto& error) {
    core.fenced(domid, error, std::chrono::steady_clock::now());
  });
  // Of one that is gone the clean-up takes the devices.
  if (!is_same(domid, fence.uuid)) {
    reactor_.post([over] { over({}); });
    return;
  }
  Result<void> done;
  const auto info = toolstack_.ports().xen.domain(domid);
  if (info && !info->paused && !info->gone()) done = toolstack_.ports().xen.pause(domid);
  Result<Plan> plan =
      done ? toolstack_.plan_fence(domid) : Result<Plan>(tl::unexpected<Error>(done.error()));
  if (plan) {
    JobHandlers handlers;
    handlers.on_done = [over](const Plan&, const PlanReport& report) {
      over(report.error ? Result<void>(tl::unexpected<Error>(*report.error)) : Result<void>{});
    };
    const Result<JobId> job = scheduler_.submit(std::move(*plan), std::move(handlers));
    if (job) return;
    done = tl::unexpected<Error>(job.error());
  } else {
    done = tl::unexpected<Error>(plan.error());
  }
  reactor_.post([over, done] { over(done); });
}

/// Removing takes as long as the guest makes it: others go on meanwhile.
void Supervisor::begin_remove(Entry& entry, const supervision::Remove& remove) {
  auto over = then(entry.core.config().name,
                   [former = remove.former](Supervision& core, const auto& error) {
                     core.removed(former, error);
                   });
  if (is_its_guest(entry, remove.former))
    xl_.run(arguments_of(remove.command), kXlLimit, std::move(over));
  else
    reactor_.post([over = std::move(over)] { over(fail(ErrorKind::not_found, "it is gone")); });
}

void Supervisor::begin_add(Entry& entry, const supervision::Add& add) {
  auto over =
      then(entry.core.config().name, [former = add.former](Supervision& core, const auto& error) {
        core.added(former, error, std::chrono::steady_clock::now());
      });
  const auto& instance = entry.core.state().instance;
  if (is_its_guest(entry, add.former) && instance && instance->domid &&
      is_same(*instance->domid, instance->uuid))
    xl_.run(arguments_of(add.command), kXlLimit, std::move(over));
  else
    reactor_.post([over = std::move(over)] { over(fail(ErrorKind::not_found, "it is gone")); });
}

}  // namespace pciassign::daemon
