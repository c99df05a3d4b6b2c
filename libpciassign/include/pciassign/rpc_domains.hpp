// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// What the control protocol tells of driver domains: how they are, how their last recovery went,
/// and the devices of other guests that they serve.
#pragma once
#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "pciassign/hypervisor.hpp"
#include "pciassign/rpc_json.hpp"

namespace pciassign::rpc {

/// `driver-domain`.
struct DriverDomainParams {
  std::string name;
};
/// `driver-domain-start`, `driver-domain-stop`, `driver-domain-recover`.
struct DriverDomainChangeParams {
  std::string name;
  bool wait = true;  ///< Answer when it is done, rather than when it was begun.
};

/// One device of another guest with its back end in the driver domain.
struct DependentView {
  std::string guest;  ///< Its name.
  DomId domid = 0;
  std::string kind;  ///< vif, vbd.
  unsigned devid = 0;
  std::string name;      ///< A MAC address, or the virtual device: "xvda".
  std::string state;     ///< connected, reconnecting, waiting, failed.
  std::string recovery;  ///< "in place" or "remove and add".
};

struct RecoveryPhase {
  std::string phase;   ///< detect, fence, reset, boot, ready, reattach, first-packet.
  double seconds = 0;  ///< Its own length. Phases overlap: they do not add up to the whole.
  double at = 0;       ///< Its end, from the begin of the recovery.
};
struct RecoveryView {
  std::string cause;   ///< crash, shutdown, gone, hang, request.
  std::string way;     ///< cold, standby.
  std::string result;  ///< done, failed, or running: not over yet.
  std::string began;   ///< In UTC: 2026-01-31T12:00:00Z.
  std::vector<RecoveryPhase> phases;
};

struct StandbyView {
  std::optional<DomId> domid;
  std::string state;  ///< starting, waiting, absent.
};

struct DriverDomainView {
  std::string name, driver_class;
  std::vector<std::string> devices;
  /// stopped, starting, ready, recovering, stopping, backing-off, given-up, blocked.
  std::string state;
  std::string phase;  ///< Words, while something is under way.
  std::optional<DomId> domid;
  std::string
      agent;  ///< What the agent says: starting, waiting, ready, stopping, failed; or empty.
  std::optional<StandbyView> standby;  ///< Where one is configured.
  unsigned crashes = 0;                ///< Within the window.
  std::optional<double> retry_seconds;
  std::string message;  ///< Of the last failure.
  std::optional<RecoveryView> last_recovery;
  std::vector<DependentView> dependents;
};

struct DriverDomainsResult {
  std::vector<DriverDomainView> domains;
};

boost::json::object to_json(const DriverDomainParams& value);
boost::json::object to_json(const DriverDomainChangeParams& value);
boost::json::object to_json(const DependentView& value);
boost::json::object to_json(const RecoveryPhase& value);
boost::json::object to_json(const RecoveryView& value);
boost::json::object to_json(const DriverDomainView& value);
boost::json::object to_json(const DriverDomainsResult& value);

template <>
Result<DriverDomainParams> from_json<DriverDomainParams>(const boost::json::value&);
template <>
Result<DriverDomainChangeParams> from_json<DriverDomainChangeParams>(const boost::json::value&);
template <>
Result<DependentView> from_json<DependentView>(const boost::json::value&);
template <>
Result<RecoveryPhase> from_json<RecoveryPhase>(const boost::json::value&);
template <>
Result<StandbyView> from_json<StandbyView>(const boost::json::value&);
template <>
Result<RecoveryView> from_json<RecoveryView>(const boost::json::value&);
template <>
Result<DriverDomainView> from_json<DriverDomainView>(const boost::json::value&);
template <>
Result<DriverDomainsResult> from_json<DriverDomainsResult>(const boost::json::value&);

}  // namespace pciassign::rpc
