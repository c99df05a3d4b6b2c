// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The typed parameters and results of the control protocol's methods, shared by both sides.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pciassign/plan.hpp"
#include "pciassign/toolstack.hpp"

namespace pciassign::rpc {

/// A plan as words: what travels of a Plan.
struct PlanStep {
  std::string id, words;
  bool operator==(const PlanStep&) const = default;
};
struct PlanView {
  PlanKind kind = PlanKind::attach;
  std::string title;
  std::optional<DomId> domid;
  std::string domain_name;
  std::vector<Sbdf> devices;
  std::vector<Finding> findings;
  std::vector<PlanStep> steps;
  std::string undo_command;
};
PlanView view_of(const Plan& plan);

/// `plan`: action is attach, detach, reserve, release or reset; the last three take no domain.
struct PlanParams {
  std::string action, domain;
  std::vector<std::string> devices;
};
/// `explain`: devices are specifications; without a domain only they and the host are judged.
struct ExplainParams {
  std::vector<std::string> devices;
  std::string domain;
};
/// `attach`: devices are specifications (address and options); mode is auto, hot or cold.
struct AttachParams {
  std::string domain;
  std::vector<std::string> devices;
  std::string mode = "auto";
};
/// `detach`: devices are addresses.
struct DetachParams {
  std::string domain;
  std::vector<std::string> devices;
};
/// `show`, `reserve`, `release`, `reset`.
struct DeviceParams {
  std::string device;
};
/// `domain`.
struct DomainParams {
  std::string domain;
  /// With it: the domain with this uuid, whatever is called `domain` by now.
  std::string uuid;
};
/// `create-prepare`: judges the devices for a domain that does not exist yet and keeps the daemon
/// from acting on that name by itself while this connection lives.
struct CreatePrepareParams {
  std::string name;
  std::vector<std::string> devices;
  std::string uuid;  ///< That it is going to have. Empty: of an older client.
};
/// `create-complete`: attaches before the first instruction, then unpauses when asked to.
struct CreateCompleteParams {
  DomId domid = 0;
  std::vector<std::string> devices;
  bool unpause = true;
  std::string uuid;  ///< Of that domain: the number may be another one's. Empty: an older client.
};
/// `cancel`: the id of a request of the same connection; what it did is undone.
struct CancelParams {
  std::int64_t request = 0;
};

/// The result of every change.
struct ChangeResult {
  PlanView plan;
  std::vector<StepReport> steps;
};

struct DomainResult {
  DomId domid = 0;
  std::string name, uuid, kind;
  bool paused = false;
};

struct VersionResult {
  std::string version;
  int protocol = 0;
  std::string xen;  ///< "4.17", or empty when it cannot be told.
};

struct CommandInfo {
  std::string name, words;
  bool changes = false;  ///< Root only.
};

/// A plan under way.
struct JobView {
  std::string title;
  std::vector<Sbdf> devices;
  std::optional<DomId> domid;
  std::string step;  ///< Words of the current step.
  double seconds = 0;
};
/// What the daemon has not been able to do and tries again: to clean up, or to give a paused domain
/// its devices.
struct RetryView {
  std::string what;  ///< With the reason of the last failure.
  std::string code;  ///< Of that reason, "E-NO-IOMMU"; empty when it has none.
  std::optional<DomId> domid;
  std::string domain_name;
  std::optional<double> next_seconds;  ///< Empty: when what is in its way is over.
  unsigned failures = 0;
};
/// A file that the daemon cannot use, or only in part. It goes on without.
struct ProblemView {
  std::string file;
  std::string what;  ///< Begins with the file, and says where in it.
  std::string hint;
};
struct StatusResult {
  VersionResult version;
  std::int64_t pid = 0;
  std::vector<JobView> jobs;
  std::vector<RetryView> retries;
  std::vector<std::string> configured;  ///< Domains with configured assignments.
  std::size_t attachments = 0;
  std::vector<ProblemView> problems;
};

/// The answer to `reload`.
struct ReloadResult {
  std::vector<std::string> configured;  ///< Domains with configured assignments.
  std::vector<ProblemView> problems;
};

/// The `step` notification: a step of request `request` runs, or came to an end.
struct StepEvent {
  std::int64_t request = 0;
  std::size_t index = 0, total = 0;
  std::string state;  ///< running, done, failed, undone.
  StepReport step;
};

/// The `event` notification, which `watch` asks for: something happened to a change, whoever asked
/// for it.
struct ChangeEvent {
  std::string what;  ///< began, step, done, failed; phase: of a driver domain's recovery.
  std::string title;
  std::optional<DomId> domid;
  std::string domain_name;
  StepEvent step;       ///< With "step".
  std::string message;  ///< With "failed".
  std::string phase;    ///< With "phase"; see RecoveryPhase.
  std::optional<double> seconds;
};

}  // namespace pciassign::rpc
