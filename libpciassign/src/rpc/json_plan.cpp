// SPDX-License-Identifier: LGPL-2.1-or-later
#include "json_fields.hpp"

namespace pciassign::rpc {
namespace json = boost::json;
namespace {

json::value text(std::string_view view) {
  return json::value(json::string(view.data(), view.size()));
}

std::string_view severity_name(Severity severity) {
  switch (severity) {
    case Severity::ok:
      return "ok";
    case Severity::warning:
      return "warning";
    case Severity::refusal:
      return "refusal";
  }
  return "refusal";
}

}  // namespace

std::string_view to_string(PlanKind kind) noexcept {
  switch (kind) {
    case PlanKind::attach:
      return "attach";
    case PlanKind::detach:
      return "detach";
    case PlanKind::reserve:
      return "reserve";
    case PlanKind::release:
      return "release";
    case PlanKind::reset:
      return "reset";
    case PlanKind::cleanup:
      return "cleanup";
  }
  return "cleanup";
}

PlanView view_of(const Plan& plan) {
  PlanView view;
  view.kind = plan.kind;
  view.title = plan.title;
  view.domid = plan.domid;
  view.domain_name = plan.domain_name;
  view.devices = plan.devices;
  view.findings = plan.findings;
  for (const Step& step : plan.steps) view.steps.push_back({step.id, step.words});
  view.undo_command = plan.undo_command;
  return view;
}

json::object to_json(const Error& error) {
  json::object object{{"kind", text(to_string(error.kind))},
                      {"code", error.code},
                      {"message", error.message},
                      {"hint", error.hint},
                      {"errno", error.sys_errno}};
  if (!error.also.empty()) object["also"] = to_json_array(error.also);
  return object;
}

template <>
Result<Error> from_json<Error>(const json::value& value) {
  Error error;
  Fields fields(value);
  fields.required("kind", error.kind)
      .required("message", error.message)
      .optional("code", error.code)
      .optional("hint", error.hint)
      .optional("errno", error.sys_errno)
      .optional("also", error.also);
  return finish(fields, std::move(error));
}

json::object to_json(const Finding& finding) {
  return {{"code", finding.code},
          {"severity", text(severity_name(finding.severity))},
          {"device", or_null(finding.device)},
          {"evidence", finding.evidence},
          {"remedy", finding.remedy},
          {"accept", finding.accept}};
}

template <>
Result<Finding> from_json<Finding>(const json::value& value) {
  Finding finding;
  Fields fields(value);
  fields.required("code", finding.code)
      .required("severity", finding.severity)
      .optional("device", finding.device)
      .optional("evidence", finding.evidence)
      .optional("remedy", finding.remedy)
      .optional("accept", finding.accept);
  return finish(fields, std::move(finding));
}

json::object to_json(const PlanView& plan) {
  json::array steps;
  for (const PlanStep& step : plan.steps) {
    steps.push_back(json::object{{"id", step.id}, {"words", step.words}});
  }
  return {{"kind", text(to_string(plan.kind))}, {"title", plan.title},
          {"domain", or_null(plan.domid)},      {"domain_name", plan.domain_name},
          {"devices", addresses(plan.devices)}, {"findings", to_json_array(plan.findings)},
          {"steps", std::move(steps)},          {"undo_command", plan.undo_command}};
}

template <>
Result<PlanStep> from_json<PlanStep>(const json::value& value) {
  PlanStep step;
  Fields fields(value);
  fields.required("id", step.id).required("words", step.words);
  return finish(fields, std::move(step));
}

template <>
Result<PlanView> from_json<PlanView>(const json::value& value) {
  PlanView plan;
  Fields fields(value);
  fields.required("kind", plan.kind)
      .required("title", plan.title)
      .optional("domain", plan.domid)
      .optional("domain_name", plan.domain_name)
      .optional("devices", plan.devices)
      .optional("findings", plan.findings)
      .optional("steps", plan.steps)
      .optional("undo_command", plan.undo_command);
  return finish(fields, std::move(plan));
}

json::object to_json(const StepReport& report) {
  return {{"id", report.id},
          {"words", report.words},
          {"took_us", report.took.count()},
          {"error", report.error ? json::value(to_json(*report.error)) : json::value(nullptr)},
          {"undone", report.undone}};
}

template <>
Result<StepReport> from_json<StepReport>(const json::value& value) {
  StepReport report;
  Fields fields(value);
  fields.required("id", report.id)
      .required("words", report.words)
      .optional("took_us", report.took)
      .optional("error", report.error)
      .optional("undone", report.undone);
  return finish(fields, std::move(report));
}

json::object to_json(const StepEvent& event) {
  return {{"request", event.request},
          {"index", event.index},
          {"total", event.total},
          {"state", event.state},
          {"step", to_json(event.step)}};
}

template <>
Result<StepEvent> from_json<StepEvent>(const json::value& value) {
  StepEvent event;
  Fields fields(value);
  fields.required("request", event.request)
      .required("index", event.index)
      .required("total", event.total)
      .required("state", event.state)
      .required("step", event.step);
  return finish(fields, std::move(event));
}

json::object to_json(const ChangeEvent& event) {
  json::object object{{"what", event.what},
                      {"title", event.title},
                      {"domain", or_null(event.domid)},
                      {"domain_name", event.domain_name}};
  if (event.what == "step") object["step"] = to_json(event.step);
  if (!event.message.empty()) object["message"] = event.message;
  if (!event.phase.empty()) object["phase"] = event.phase;
  if (event.seconds) object["seconds"] = *event.seconds;
  return object;
}

template <>
Result<ChangeEvent> from_json<ChangeEvent>(const json::value& value) {
  ChangeEvent event;
  Fields fields(value);
  fields.required("what", event.what)
      .required("title", event.title)
      .optional("domain", event.domid)
      .optional("domain_name", event.domain_name)
      .optional("step", event.step)
      .optional("message", event.message)
      .optional("phase", event.phase)
      .optional("seconds", event.seconds);
  return finish(fields, std::move(event));
}

json::object to_json(const ChangeResult& change) {
  return {{"plan", to_json(change.plan)}, {"steps", to_json_array(change.steps)}};
}

template <>
Result<ChangeResult> from_json<ChangeResult>(const json::value& value) {
  ChangeResult change;
  Fields fields(value);
  fields.required("plan", change.plan).optional("steps", change.steps);
  return finish(fields, std::move(change));
}

}  // namespace pciassign::rpc
