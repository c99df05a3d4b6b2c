// SPDX-License-Identifier: LGPL-2.1-or-later
#include "json_fields.hpp"

namespace pciassign::rpc {
namespace json = boost::json;
namespace {

json::object to_json(const JobView& job) {
  return {{"title", job.title},
          {"devices", addresses(job.devices)},
          {"domain", or_null(job.domid)},
          {"step", job.step},
          {"seconds", job.seconds}};
}

json::object to_json(const RetryView& retry) {
  return {{"what", retry.what},
          {"code", retry.code},
          {"domain", or_null(retry.domid)},
          {"domain_name", retry.domain_name},
          {"next_seconds", or_null(retry.next_seconds)},
          {"failures", retry.failures}};
}

}  // namespace

json::object to_json(const DomainResult& d) {
  return {{"domid", d.domid},
          {"name", d.name},
          {"uuid", d.uuid},
          {"kind", d.kind},
          {"paused", d.paused}};
}
template <>
Result<DomainResult> from_json<DomainResult>(const json::value& value) {
  DomainResult d;
  Fields fields(value);
  fields.required("domid", d.domid)
      .required("name", d.name)
      .optional("uuid", d.uuid)
      .optional("kind", d.kind)
      .optional("paused", d.paused);
  return finish(fields, std::move(d));
}

json::object to_json(const VersionResult& v) {
  return {{"version", v.version}, {"protocol", v.protocol}, {"xen", v.xen}};
}
template <>
Result<VersionResult> from_json<VersionResult>(const json::value& value) {
  VersionResult v;
  Fields fields(value);
  fields.required("version", v.version).required("protocol", v.protocol).optional("xen", v.xen);
  return finish(fields, std::move(v));
}

json::object to_json(const CommandInfo& c) {
  return {{"name", c.name}, {"words", c.words}, {"changes", c.changes}};
}
template <>
Result<CommandInfo> from_json<CommandInfo>(const json::value& value) {
  CommandInfo c;
  Fields fields(value);
  fields.required("name", c.name).optional("words", c.words).optional("changes", c.changes);
  return finish(fields, std::move(c));
}

template <>
Result<JobView> from_json<JobView>(const json::value& value) {
  JobView job;
  Fields fields(value);
  fields.required("title", job.title)
      .optional("devices", job.devices)
      .optional("domain", job.domid)
      .optional("step", job.step)
      .optional("seconds", job.seconds);
  return finish(fields, std::move(job));
}

template <>
Result<RetryView> from_json<RetryView>(const json::value& value) {
  RetryView retry;
  Fields fields(value);
  fields.required("what", retry.what)
      .optional("code", retry.code)
      .optional("domain", retry.domid)
      .optional("domain_name", retry.domain_name)
      .optional("next_seconds", retry.next_seconds)
      .optional("failures", retry.failures);
  return finish(fields, std::move(retry));
}

json::object to_json(const ProblemView& problem) {
  return {{"file", problem.file}, {"what", problem.what}, {"hint", problem.hint}};
}
template <>
Result<ProblemView> from_json<ProblemView>(const json::value& value) {
  ProblemView problem;
  Fields fields(value);
  fields.required("file", problem.file)
      .required("what", problem.what)
      .optional("hint", problem.hint);
  return finish(fields, std::move(problem));
}

json::object to_json(const StatusResult& s) {
  json::array jobs, retries;
  for (const JobView& job : s.jobs) jobs.push_back(to_json(job));
  for (const RetryView& retry : s.retries) retries.push_back(to_json(retry));
  return {{"version", to_json(s.version)},
          {"pid", s.pid},
          {"jobs", std::move(jobs)},
          {"retries", std::move(retries)},
          {"configured", strings(s.configured)},
          {"attachments", s.attachments},
          {"problems", to_json_array(s.problems)}};
}
template <>
Result<StatusResult> from_json<StatusResult>(const json::value& value) {
  StatusResult s;
  Fields fields(value);
  fields.required("version", s.version)
      .optional("pid", s.pid)
      .optional("jobs", s.jobs)
      .optional("retries", s.retries)
      .optional("configured", s.configured)
      .optional("attachments", s.attachments)
      .optional("problems", s.problems);
  return finish(fields, std::move(s));
}

json::object to_json(const ReloadResult& result) {
  return {{"configured", strings(result.configured)}, {"problems", to_json_array(result.problems)}};
}
template <>
Result<ReloadResult> from_json<ReloadResult>(const json::value& value) {
  ReloadResult result;
  Fields fields(value);
  fields.optional("configured", result.configured).optional("problems", result.problems);
  return finish(fields, std::move(result));
}

}  // namespace pciassign::rpc
