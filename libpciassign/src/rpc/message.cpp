// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/rpc_message.hpp"

#include <fmt/format.h>

#include "pciassign/rpc_json.hpp"

namespace pciassign::rpc {
namespace json = boost::json;
namespace {

std::string line(const json::object& object) {
  return json::serialize(object) + "\n";
}

json::object envelope() {
  return {{"jsonrpc", "2.0"}};
}

/// The reader's depth is bounded (Boost.JSON: 32), so a hostile line cannot exhaust the stack.
std::optional<json::object> parse_object(std::string_view text, std::string& why) {
  json::error_code ec;
  json::value value = json::parse(json::string_view(text.data(), text.size()), ec);
  if (ec) {
    why = ec.message();
    return std::nullopt;
  }
  if (!value.is_object()) {
    why = value.is_array() ? "batches are not supported" : "not an object";
    return std::nullopt;
  }
  return std::move(value.as_object());
}

bool is_id(const json::value& value) {
  return value.is_int64() || value.is_uint64() || value.is_string();
}

std::string member_string(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

}  // namespace

tl::expected<Request, BadMessage> parse_request(std::string_view text) {
  const auto bad = [](int code, std::string why, json::value id = nullptr) {
    return tl::unexpected<BadMessage>(BadMessage{code, std::move(why), std::move(id)});
  };
  json::error_code ec;
  json::value value = json::parse(json::string_view(text.data(), text.size()), ec);
  if (ec) return bad(kParseError, "not JSON: " + ec.message());
  if (value.is_array()) return bad(kInvalidRequest, "batches are not supported");
  if (!value.is_object()) return bad(kInvalidRequest, "a request is an object");
  json::object& object = value.as_object();

  Request request;
  const json::value* id = object.if_contains("id");
  if (id == nullptr || !is_id(*id)) {
    return bad(kInvalidRequest, "a request needs an id (integer or string)");
  }
  request.id = *id;
  if (member_string(object, "jsonrpc") != "2.0") {
    return bad(kInvalidRequest, R"("jsonrpc" must be "2.0")", *id);
  }
  request.method = member_string(object, "method");
  if (request.method.empty()) return bad(kInvalidRequest, "\"method\" must be a string", *id);
  if (json::value* params = object.if_contains("params")) {
    if (!params->is_object()) return bad(kInvalidParams, "\"params\" must be an object", *id);
    request.params = std::move(params->as_object());
  }
  return request;
}

std::string request_line(const Request& request) {
  json::object object = envelope();
  object["id"] = request.id;
  object["method"] = request.method;
  object["params"] = request.params;
  return line(object);
}

std::string result_line(const json::value& id, const json::value& result) {
  json::object object = envelope();
  object["id"] = id;
  object["result"] = result;
  return line(object);
}

std::string error_line(const json::value& id, const Error& error, const json::object& extra) {
  json::object data = to_json(error);
  for (const auto& [key, value] : extra) data[key] = value;
  json::object object = envelope();
  object["id"] = id;
  object["error"] = {{"code", kApplicationError - exit_status(error.kind)},
                     {"message", error.message},
                     {"data", std::move(data)}};
  return line(object);
}

std::string bad_message_line(const BadMessage& bad) {
  json::object object = envelope();
  object["id"] = bad.id;
  object["error"] = {{"code", bad.code}, {"message", bad.message}};
  return line(object);
}

std::string notification_line(std::string_view method, const json::object& params) {
  json::object object = envelope();
  object["method"] = method;
  object["params"] = params;
  return line(object);
}

Result<std::variant<Reply, Notification>> parse_incoming(std::string_view text) {
  const auto bad = [](const std::string& why) {
    return fail(ErrorKind::failed, "the daemon's answer is not understood: " + why);
  };
  std::string why;
  std::optional<json::object> object = parse_object(text, why);
  if (!object) return bad(why);

  if (object->contains("method")) {
    Notification notification{.method = member_string(*object, "method"), .params = {}};
    if (json::value* params = object->if_contains("params"); params && params->is_object()) {
      notification.params = std::move(params->as_object());
    }
    return notification;
  }
  Reply reply;
  const json::value* id = object->if_contains("id");
  if (id == nullptr) return bad("neither method nor id");
  reply.id = *id;
  const json::value* error = object->if_contains("error");
  if (error == nullptr) {
    const json::value* result = object->if_contains("result");
    if (result == nullptr) return bad("neither result nor error");
    reply.result = *result;
    return reply;
  }
  if (!error->is_object()) return bad("error is not an object");
  const json::object& fields = error->as_object();
  const json::value* data = fields.if_contains("data");
  if (data != nullptr && data->is_object()) {
    reply.error_data = data->as_object();
    if (Result<Error> full = from_json<Error>(*data)) {
      reply.error = std::move(*full);
      return reply;
    }
  }
  // An error of the protocol: the daemon did not understand us.
  Error plain;
  const json::value* code = fields.if_contains("code");
  plain.kind = code != nullptr && code->is_int64() && code->as_int64() == kInvalidParams
                   ? ErrorKind::usage
                   : ErrorKind::failed;
  plain.message = member_string(fields, "message");
  reply.error = std::move(plain);
  return reply;
}

bool LineFramer::feed(std::string_view bytes, const std::function<void(std::string_view)>& emit) {
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    const std::string_view part = bytes.substr(0, newline);
    if (buffer_.size() + part.size() > limit_) {
      buffer_.clear();
      return false;
    }
    if (newline == std::string_view::npos) {
      buffer_.append(part);
      return true;
    }
    bytes.remove_prefix(newline + 1);
    std::string whole = std::move(buffer_);
    buffer_.clear();
    whole.append(part);
    if (!whole.empty() && whole.back() == '\r') whole.pop_back();
    if (!whole.empty()) emit(whole);
  }
  return true;
}

}  // namespace pciassign::rpc
