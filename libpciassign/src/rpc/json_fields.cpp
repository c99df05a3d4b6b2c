// SPDX-License-Identifier: LGPL-2.1-or-later
#include "json_fields.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace pciassign::rpc {
namespace json = boost::json;

json::array strings(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

json::array addresses(const std::vector<Sbdf>& devices) {
  json::array array;
  for (const Sbdf& device : devices) array.emplace_back(device.str());
  return array;
}

std::string hex(std::uint64_t value, int digits) {
  return fmt::format("0x{:0{}x}", value, digits);
}

Result<std::uint64_t> parse_hex(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with("0x")) digits.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (ec != std::errc{} || end != digits.data() + digits.size()) {
    return fail(ErrorKind::usage, fmt::format("\"{}\" is not a hexadecimal number", text));
  }
  return value;
}

Fields::Fields(const json::value& value) : object_(value.if_object()) {
  if (object_ == nullptr) {
    error_ = Error{ErrorKind::usage, {}, "an object is expected", {}, 0};
  }
}

void Fields::complain(std::string_view key, std::string_view why) {
  if (!error_) error_ = Error{ErrorKind::usage, {}, fmt::format("\"{}\" {}", key, why), {}, 0};
}

Fields& Fields::no_others() {
  if (error_) return *this;
  for (const auto& member : *object_) {
    const std::string_view key(member.key().data(), member.key().size());
    if (!known_.contains(key)) {
      complain(key.substr(0, 64), "is not known here");
      break;
    }
  }
  return *this;
}

void Fields::read(std::string_view key, const json::value& value, std::string& out) {
  if (const json::string* text = value.if_string()) {
    out.assign(text->data(), text->size());
  } else {
    complain(key, "must be a string");
  }
}

void Fields::read(std::string_view key, const json::value& value, bool& out) {
  if (const bool* flag = value.if_bool()) {
    out = *flag;
  } else {
    complain(key, "must be true or false");
  }
}

void Fields::read(std::string_view key, const json::value& value, double& out) {
  json::error_code ec;
  const auto number = value.to_number<double>(ec);
  if (ec) {
    complain(key, "must be a number");
  } else {
    out = number;
  }
}

std::optional<std::int64_t> Fields::integer(std::string_view key, const json::value& value,
                                            std::int64_t low, std::int64_t high) {
  json::error_code ec;
  const auto number = value.to_number<std::int64_t>(ec);
  if (ec || number < low || number > high) {
    complain(key, fmt::format("must be an integer from {} to {}", low, high));
    return std::nullopt;
  }
  return number;
}

const json::array* Fields::array(std::string_view key, const json::value& value) {
  const json::array* items = value.if_array();
  if (items == nullptr) complain(key, "must be an array");
  return items;
}

void Fields::read(std::string_view key, const json::value& value, Sbdf& out) {
  std::string text;
  read(key, value, text);
  if (error_) return;
  if (Result<Sbdf> parsed = Sbdf::parse(text)) {
    out = *parsed;
  } else {
    complain(key, "is no device address: " + parsed.error().message);
  }
}

namespace {

constexpr std::array kKinds{ErrorKind::failed,   ErrorKind::usage, ErrorKind::not_found,
                            ErrorKind::refused,  ErrorKind::busy,  ErrorKind::unavailable,
                            ErrorKind::timed_out};
constexpr std::array kPlanKinds{PlanKind::attach,  PlanKind::detach, PlanKind::reserve,
                                PlanKind::release, PlanKind::reset,  PlanKind::cleanup};

/// The enumerator whose name is `text`.
template <class T, std::size_t N>
std::optional<T> named(const std::array<T, N>& all, std::string_view text) {
  for (const T value : all) {
    if (to_string(value) == text) return value;
  }
  return std::nullopt;
}

}  // namespace

void Fields::read(std::string_view key, const json::value& value, ErrorKind& out) {
  std::string text;
  read(key, value, text);
  if (error_) return;
  if (const auto kind = named(kKinds, text)) {
    out = *kind;
  } else {
    complain(key, "is no kind of error");
  }
}

void Fields::read(std::string_view key, const json::value& value, PlanKind& out) {
  std::string text;
  read(key, value, text);
  if (error_) return;
  if (const auto kind = named(kPlanKinds, text)) {
    out = *kind;
  } else {
    complain(key, "is no kind of plan");
  }
}

void Fields::read(std::string_view key, const json::value& value, Severity& out) {
  std::string text;
  read(key, value, text);
  if (error_) return;
  if (text == "ok") {
    out = Severity::ok;
  } else if (text == "warning") {
    out = Severity::warning;
  } else if (text == "refusal") {
    out = Severity::refusal;
  } else {
    complain(key, "is no severity");
  }
}

void Fields::read(std::string_view key, const json::value& value, std::chrono::microseconds& out) {
  if (const auto count = integer(key, value, 0, std::numeric_limits<std::int64_t>::max())) {
    out = std::chrono::microseconds(*count);
  }
}

}  // namespace pciassign::rpc
