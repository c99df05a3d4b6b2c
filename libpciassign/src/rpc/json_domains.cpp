// SPDX-License-Identifier: LGPL-2.1-or-later
#include "json_fields.hpp"
#include "pciassign/rpc_domains.hpp"

namespace pciassign::rpc {
namespace json = boost::json;

json::object to_json(const DependentView& d) {
  return {{"guest", d.guest}, {"domid", d.domid}, {"kind", d.kind},        {"devid", d.devid},
          {"name", d.name},   {"state", d.state}, {"recovery", d.recovery}};
}

json::object to_json(const RecoveryPhase& p) {
  return {{"phase", p.phase}, {"seconds", p.seconds}, {"at", p.at}};
}

json::object to_json(const DriverDomainParams& p) {
  return {{"name", p.name}};
}
template <>
Result<DriverDomainParams> from_json<DriverDomainParams>(const json::value& value) {
  DriverDomainParams p;
  Fields fields(value);
  fields.required("name", p.name);
  return finish(fields.no_others(), std::move(p));
}

json::object to_json(const DriverDomainChangeParams& p) {
  return {{"name", p.name}, {"wait", p.wait}};
}
template <>
Result<DriverDomainChangeParams> from_json<DriverDomainChangeParams>(const json::value& value) {
  DriverDomainChangeParams p;
  Fields fields(value);
  fields.required("name", p.name).optional("wait", p.wait);
  return finish(fields.no_others(), std::move(p));
}

template <>
Result<DependentView> from_json<DependentView>(const json::value& value) {
  DependentView d;
  Fields fields(value);
  fields.required("guest", d.guest)
      .required("domid", d.domid)
      .required("kind", d.kind)
      .required("devid", d.devid)
      .optional("name", d.name)
      .optional("state", d.state)
      .optional("recovery", d.recovery);
  return finish(fields, std::move(d));
}

template <>
Result<RecoveryPhase> from_json<RecoveryPhase>(const json::value& value) {
  RecoveryPhase p;
  Fields fields(value);
  fields.required("phase", p.phase).required("seconds", p.seconds).optional("at", p.at);
  return finish(fields, std::move(p));
}

template <>
Result<StandbyView> from_json<StandbyView>(const json::value& value) {
  StandbyView s;
  Fields fields(value);
  fields.optional("domid", s.domid).required("state", s.state);
  return finish(fields, std::move(s));
}

json::object to_json(const RecoveryView& r) {
  return {{"cause", r.cause},
          {"way", r.way},
          {"result", r.result},
          {"began", r.began},
          {"phases", to_json_array(r.phases)}};
}
template <>
Result<RecoveryView> from_json<RecoveryView>(const json::value& value) {
  RecoveryView r;
  Fields fields(value);
  fields.required("cause", r.cause)
      .required("way", r.way)
      .optional("result", r.result)
      .optional("began", r.began)
      .optional("phases", r.phases);
  return finish(fields, std::move(r));
}

json::object to_json(const DriverDomainView& d) {
  json::object object{{"name", d.name},
                      {"class", d.driver_class},
                      {"devices", strings(d.devices)},
                      {"state", d.state},
                      {"phase", d.phase},
                      {"domid", or_null(d.domid)},
                      {"agent", d.agent},
                      {"crashes", d.crashes},
                      {"message", d.message},
                      {"dependents", to_json_array(d.dependents)}};
  if (d.standby)
    object["standby"] =
        json::object{{"domid", or_null(d.standby->domid)}, {"state", d.standby->state}};
  if (d.retry_seconds) object["retry_seconds"] = *d.retry_seconds;
  if (d.last_recovery) object["last_recovery"] = to_json(*d.last_recovery);
  return object;
}
template <>
Result<DriverDomainView> from_json<DriverDomainView>(const json::value& value) {
  DriverDomainView d;
  Fields fields(value);
  fields.required("name", d.name)
      .required("class", d.driver_class)
      .optional("devices", d.devices)
      .required("state", d.state)
      .optional("phase", d.phase)
      .optional("domid", d.domid)
      .optional("agent", d.agent)
      .optional("standby", d.standby)
      .optional("crashes", d.crashes)
      .optional("retry_seconds", d.retry_seconds)
      .optional("message", d.message)
      .optional("last_recovery", d.last_recovery)
      .optional("dependents", d.dependents);
  return finish(fields, std::move(d));
}

json::object to_json(const DriverDomainsResult& r) {
  return {{"domains", to_json_array(r.domains)}};
}
template <>
Result<DriverDomainsResult> from_json<DriverDomainsResult>(const json::value& value) {
  DriverDomainsResult r;
  Fields fields(value);
  fields.required("domains", r.domains);
  return finish(fields, std::move(r));
}

}  // namespace pciassign::rpc
