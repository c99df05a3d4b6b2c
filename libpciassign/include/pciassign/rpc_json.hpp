// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The protocol's types to and from JSON. Machine addresses and sizes travel as hexadecimal
/// strings, since a JSON number is a double for many readers.
#pragma once
#include <boost/json.hpp>

#include "pciassign/rpc_types.hpp"

namespace pciassign::rpc {

boost::json::object to_json(const Error& value);
boost::json::object to_json(const Device& value);
boost::json::object to_json(const DeviceView& value);
boost::json::object to_json(const Finding& value);
boost::json::object to_json(const PlanView& value);
boost::json::object to_json(const StepReport& value);
boost::json::object to_json(const StepEvent& value);
boost::json::object to_json(const ChangeEvent& value);
boost::json::object to_json(const ChangeResult& value);
boost::json::object to_json(const DomainResult& value);
boost::json::object to_json(const VersionResult& value);
boost::json::object to_json(const CommandInfo& value);
boost::json::object to_json(const ProblemView& value);
boost::json::object to_json(const StatusResult& value);
boost::json::object to_json(const ReloadResult& value);
boost::json::object to_json(const PlanParams& value);
boost::json::object to_json(const ExplainParams& value);
boost::json::object to_json(const AttachParams& value);
boost::json::object to_json(const DetachParams& value);
boost::json::object to_json(const DeviceParams& value);
boost::json::object to_json(const DomainParams& value);
boost::json::object to_json(const CreatePrepareParams& value);
boost::json::object to_json(const CreateCompleteParams& value);
boost::json::object to_json(const CancelParams& value);

template <class T>
boost::json::array to_json_array(const std::vector<T>& values) {
  boost::json::array array;
  array.reserve(values.size());
  for (const T& value : values) array.push_back(to_json(value));
  return array;
}

/// Reads a T. Errors are ErrorKind::usage and name the member. Parameters refuse members that they
/// do not know (a misspelt option must not be ignored); results ignore them (a newer daemon).
template <class T>
Result<T> from_json(const boost::json::value& value);

template <>
Result<Error> from_json<Error>(const boost::json::value&);
template <>
Result<DeviceView> from_json<DeviceView>(const boost::json::value&);
template <>
Result<Finding> from_json<Finding>(const boost::json::value&);
template <>
Result<PlanView> from_json<PlanView>(const boost::json::value&);
template <>
Result<StepReport> from_json<StepReport>(const boost::json::value&);
template <>
Result<StepEvent> from_json<StepEvent>(const boost::json::value&);
template <>
Result<ChangeEvent> from_json<ChangeEvent>(const boost::json::value&);
template <>
Result<ChangeResult> from_json<ChangeResult>(const boost::json::value&);
template <>
Result<DomainResult> from_json<DomainResult>(const boost::json::value&);
template <>
Result<VersionResult> from_json<VersionResult>(const boost::json::value&);
template <>
Result<CommandInfo> from_json<CommandInfo>(const boost::json::value&);
template <>
Result<ProblemView> from_json<ProblemView>(const boost::json::value&);
template <>
Result<StatusResult> from_json<StatusResult>(const boost::json::value&);
template <>
Result<ReloadResult> from_json<ReloadResult>(const boost::json::value&);
template <>
Result<PlanParams> from_json<PlanParams>(const boost::json::value&);
template <>
Result<ExplainParams> from_json<ExplainParams>(const boost::json::value&);
template <>
Result<AttachParams> from_json<AttachParams>(const boost::json::value&);
template <>
Result<DetachParams> from_json<DetachParams>(const boost::json::value&);
template <>
Result<DeviceParams> from_json<DeviceParams>(const boost::json::value&);
template <>
Result<DomainParams> from_json<DomainParams>(const boost::json::value&);
template <>
Result<CreatePrepareParams> from_json<CreatePrepareParams>(const boost::json::value&);
template <>
Result<CreateCompleteParams> from_json<CreateCompleteParams>(const boost::json::value&);
template <>
Result<CancelParams> from_json<CancelParams>(const boost::json::value&);

/// "attach" and so on.
std::string_view to_string(PlanKind kind) noexcept;

}  // namespace pciassign::rpc
