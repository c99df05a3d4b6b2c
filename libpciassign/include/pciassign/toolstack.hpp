// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The front door: facts, findings and plans for the goals that a user or the daemon has.
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pciassign/journal.hpp"
#include "pciassign/plan.hpp"

namespace pciassign {

/// How long is waited for others; see [limits] of pciassignd.toml(5).
struct Settings {
  std::chrono::milliseconds connect_limit{30'000};  ///< Both ends Connected after a hot attach.
  std::chrono::milliseconds backend_limit{10'000};  ///< pciback exported the devices (cold attach).
  std::chrono::milliseconds detach_limit{10'000};   ///< The guest's answer to a detach.
};

/// A device with what is known about its assignment.
struct DeviceView {
  Device device;  ///< As dom0 sees it.
  /// "in use by dom0", "free", "reserved" (on pciback), "attaching", "attached", "detaching",
  /// "attached by libxl", "unknown" (its record in the journal is damaged).
  std::string state;
  std::optional<DomId> domid;  ///< Who has it.
  std::string domain_name;     ///< Its name; empty when it has none, or nobody has the device.
  std::string virtual_slot;    ///< vdev-N as the backend published it, or empty.
  /// The lowest address among those that the topology cannot isolate it from; empty: it is alone.
  std::optional<Sbdf> group;
};

/// Whether there is a guest that can answer.
enum class AttachMode {
  hot,   ///< The domain runs: wait until both ends are Connected.
  cold,  ///< The domain is paused before its first instruction: wait for the back end only.
};

/// Facts, findings and plans on one machine. It changes nothing: that is what Execution does with a
/// plan. Not thread-safe. Every call may fail with what its ports fail with.
class Toolstack {
 public:
  /// What the ports refer to has to outlive it.
  explicit Toolstack(Ports ports, Settings settings = {});

  /// Every function of the host, bridges too, by address.
  Result<std::vector<DeviceView>> list();
  /// One of them; not_found when there is no such device.
  Result<DeviceView> show(const Sbdf& sbdf);
  /// A domain by name or number, from xenstore and Xen. not_found names what was looked for.
  Result<DomainInfo> find_domain(const std::string& name_or_id);
  /// The domain with that uuid, whatever it is called: a living one if there is, else one that is
  /// being destroyed.
  Result<DomainInfo> domain_with_uuid(const std::string& uuid);
  /// As xenstore has it; "domain-N" where it has none (yet).
  Result<std::string> domain_name(DomId domid);

  /// Findings with evidence for each check; does not fail on refusals.
  Result<std::vector<Finding>> explain(const std::vector<DeviceSpec>& specs,
                                       std::optional<DomId> domid);
  /// A plan whose findings hold no refusal; otherwise all refusals as the error (refusal()).
  /// All devices go into one plan and are published in one transaction.
  Result<Plan> plan_attach(DomId domid, const std::vector<DeviceSpec>& specs, AttachMode mode);
  /// Orderly: tells the guest and waits (bounded). If the domain is gone: does not wait.
  Result<Plan> plan_detach(DomId domid, const std::vector<Sbdf>& devices);
  /// Takes all devices from a paused domain that will never run again, as from one that is gone:
  /// it is not asked. not_found: it has none.
  Result<Plan> plan_fence(DomId domid);
  /// Seize for later use: to pciback, then quarantine. Release: back to its dom0 driver.
  Result<Plan> plan_reserve(const Sbdf& sbdf);
  /// The inverse of plan_reserve(): dom0's driver has it again.
  Result<Plan> plan_release(const Sbdf& sbdf);
  /// Why the devices cannot be had yet although nobody uses them: one is still to be taken back
  /// from a domain that is gone (reconcile() does that). Empty: no such thing.
  Result<std::optional<Error>> awaits_clean_up(const std::vector<DeviceSpec>& specs);
  /// Resets and verifies a device that pciback has and no domain uses.
  Result<Plan> plan_reset(const Sbdf& sbdf);
  /// What has to be put right now: attachments of domains that are gone (or whose domid was
  /// reused), and interrupted plans that the journal tells of. One plan per domain. `busy`
  /// devices (plans under way) are left alone.
  Result<std::vector<Plan>> reconcile(const std::vector<Sbdf>& busy);

  /// For plans that are made from now on.
  void set_settings(const Settings& settings) { settings_ = settings; }
  /// What it was made with.
  [[nodiscard]] Ports& ports() noexcept { return ports_; }

 private:
  /// A device on pciback that belongs to nobody; `purpose` completes "only a device on pciback can
  /// be".
  Result<Device> unused_device(const Sbdf& sbdf, std::string_view purpose);

  bool was_rested(const Sbdf& device);

  Ports ports_;
  Settings settings_;
  /// What a fence has reset, verified and put into quarantine, and when. Plans that are under way
  /// hold it too.
  std::shared_ptr<std::map<Sbdf, Clock::TimePoint>> rested_ =
      std::make_shared<std::map<Sbdf, Clock::TimePoint>>();
};

}  // namespace pciassign
