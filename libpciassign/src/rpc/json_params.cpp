// SPDX-License-Identifier: LGPL-2.1-or-later
#include "json_fields.hpp"

namespace pciassign::rpc {
namespace json = boost::json;

json::object to_json(const PlanParams& p) {
  return {{"action", p.action}, {"domain", p.domain}, {"devices", strings(p.devices)}};
}
template <>
Result<PlanParams> from_json<PlanParams>(const json::value& value) {
  PlanParams p;
  Fields fields(value);
  fields.required("action", p.action).optional("domain", p.domain).required("devices", p.devices);
  return finish(fields.no_others(), std::move(p));
}

json::object to_json(const ExplainParams& p) {
  return {{"devices", strings(p.devices)}, {"domain", p.domain}};
}
template <>
Result<ExplainParams> from_json<ExplainParams>(const json::value& value) {
  ExplainParams p;
  Fields fields(value);
  fields.required("devices", p.devices).optional("domain", p.domain);
  return finish(fields.no_others(), std::move(p));
}

json::object to_json(const AttachParams& p) {
  return {{"domain", p.domain}, {"devices", strings(p.devices)}, {"mode", p.mode}};
}
template <>
Result<AttachParams> from_json<AttachParams>(const json::value& value) {
  AttachParams p;
  Fields fields(value);
  fields.required("domain", p.domain).required("devices", p.devices).optional("mode", p.mode);
  return finish(fields.no_others(), std::move(p));
}

json::object to_json(const DetachParams& p) {
  return {{"domain", p.domain}, {"devices", strings(p.devices)}};
}
template <>
Result<DetachParams> from_json<DetachParams>(const json::value& value) {
  DetachParams p;
  Fields fields(value);
  fields.required("domain", p.domain).required("devices", p.devices);
  return finish(fields.no_others(), std::move(p));
}

json::object to_json(const DeviceParams& p) {
  return {{"device", p.device}};
}
template <>
Result<DeviceParams> from_json<DeviceParams>(const json::value& value) {
  DeviceParams p;
  Fields fields(value);
  fields.required("device", p.device);
  return finish(fields.no_others(), std::move(p));
}

json::object to_json(const DomainParams& p) {
  json::object object{{"domain", p.domain}};
  if (!p.uuid.empty()) object["uuid"] = p.uuid;
  return object;
}
template <>
Result<DomainParams> from_json<DomainParams>(const json::value& value) {
  DomainParams p;
  Fields fields(value);
  fields.required("domain", p.domain).optional("uuid", p.uuid);
  return finish(fields.no_others(), std::move(p));
}

json::object to_json(const CreatePrepareParams& p) {
  json::object object{{"name", p.name}, {"devices", strings(p.devices)}};
  if (!p.uuid.empty()) object["uuid"] = p.uuid;
  return object;
}
template <>
Result<CreatePrepareParams> from_json<CreatePrepareParams>(const json::value& value) {
  CreatePrepareParams p;
  Fields fields(value);
  fields.required("name", p.name).required("devices", p.devices).optional("uuid", p.uuid);
  return finish(fields.no_others(), std::move(p));
}

json::object to_json(const CreateCompleteParams& p) {
  json::object object{{"domid", p.domid}, {"devices", strings(p.devices)}, {"unpause", p.unpause}};
  if (!p.uuid.empty()) object["uuid"] = p.uuid;
  return object;
}
template <>
Result<CreateCompleteParams> from_json<CreateCompleteParams>(const json::value& value) {
  CreateCompleteParams p;
  Fields fields(value);
  fields.required("domid", p.domid)
      .required("devices", p.devices)
      .optional("unpause", p.unpause)
      .optional("uuid", p.uuid);
  return finish(fields.no_others(), std::move(p));
}

json::object to_json(const CancelParams& p) {
  return {{"request", p.request}};
}
template <>
Result<CancelParams> from_json<CancelParams>(const json::value& value) {
  CancelParams p;
  Fields fields(value);
  fields.required("request", p.request);
  return finish(fields.no_others(), std::move(p));
}

}  // namespace pciassign::rpc
