// SPDX-License-Identifier: GPL-2.0-or-later
#include "output.hpp"

#include <ostream>

#include "pciassign/rpc_json.hpp"

namespace pciassign::cli {
namespace json = boost::json;

namespace {

/// "plan" for "plan attach": what was asked for is in the answer, and all plans look the same.
std::string envelope_name(const std::string& command) {
  return command.starts_with("plan ") ? "plan" : command;
}

}  // namespace

void Output::result(const json::value& value) {
  const json::object envelope{
      {"pciassign", kEnvelope}, {"command", envelope_name(options_.command)}, {"result", value}};
  env_.out << json::serialize(envelope) << '\n';
}

int Output::fail(const Error& error, const json::object& extra) {
  const int status = exit_status(error.kind);
  if (options_.json) {
    json::object body = rpc::to_json(error);
    for (const auto& [key, value] : extra) {
      if (!body.contains(key)) body[key] = value;
    }
    env_.out << json::serialize(json::object{{"pciassign", kEnvelope},
                                             {"command", envelope_name(options_.command)},
                                             {"error", std::move(body)}})
             << '\n';
    return status;
  }
  env_.err << "pciassign: error: ";
  if (!options_.command.empty()) env_.err << options_.command << ": ";
  tell(error);
  for (const Error& other : error.also) {
    env_.err << "and: ";
    tell(other);
  }
  return status;
}

void Output::tell(const Error& error) {
  if (!error.code.empty() && error.message.find(error.code) == std::string::npos)
    env_.err << error.code << ": ";
  env_.err << error.message << '\n';
  if (!error.hint.empty()) env_.err << "hint: " << error.hint << '\n';
}

void Output::remark(const std::string& line) {
  if (!options_.json) env_.err << "pciassign: " << line << '\n';
}

}  // namespace pciassign::cli
