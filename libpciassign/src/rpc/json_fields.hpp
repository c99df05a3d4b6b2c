// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Reading the members of a JSON object into typed fields; the first error is kept.
#pragma once
#include <boost/json.hpp>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "pciassign/rpc_json.hpp"

namespace pciassign::rpc {

/// Unsigned 64-bit values as "0x..." text.
std::string hex(std::uint64_t value, int digits = 0);
boost::json::array strings(const std::vector<std::string>& texts);
boost::json::array addresses(const std::vector<Sbdf>& devices);
/// Numbers; devices as their addresses.
template <class T>
boost::json::value or_null(const std::optional<T>& value) {
  if (!value) return nullptr;
  if constexpr (std::is_same_v<T, Sbdf>)
    return boost::json::value(value->str());
  else
    return boost::json::value(*value);
}

class Fields {
 public:
  explicit Fields(const boost::json::value& value);

  template <class T>
  Fields& required(std::string_view key, T& out) {
    return take(key, out, true);
  }
  template <class T>
  Fields& optional(std::string_view key, T& out) {
    return take(key, out, false);
  }
  /// Refuses members that no call named; for parameters.
  Fields& no_others();
  [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

 private:
  template <class T>
  Fields& take(std::string_view key, T& out, bool needed) {
    if (error_) return *this;
    known_.insert(std::string(key));
    const boost::json::value* value = object_->if_contains(key);
    if (value == nullptr || (!needed && value->is_null())) {
      if (needed) complain(key, "is missing");
      return *this;
    }
    read(key, *value, out);
    return *this;
  }

  void complain(std::string_view key, std::string_view why);
  void read(std::string_view key, const boost::json::value& value, std::string& out);
  void read(std::string_view key, const boost::json::value& value, bool& out);
  void read(std::string_view key, const boost::json::value& value, double& out);
  void read(std::string_view key, const boost::json::value& value, Sbdf& out);
  void read(std::string_view key, const boost::json::value& value, ErrorKind& out);
  void read(std::string_view key, const boost::json::value& value, Severity& out);
  void read(std::string_view key, const boost::json::value& value, PlanKind& out);
  void read(std::string_view key, const boost::json::value& value, std::chrono::microseconds& out);
  std::optional<std::int64_t> integer(std::string_view key, const boost::json::value& value,
                                      std::int64_t low, std::int64_t high);
  const boost::json::array* array(std::string_view key, const boost::json::value& value);

  template <std::integral T>
  requires(!std::same_as<T, bool>) void read(std::string_view key, const boost::json::value& value,
                                             T& out) {
    constexpr auto kHigh = static_cast<std::uint64_t>(std::numeric_limits<T>::max());
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (const auto number =
            integer(key, value, static_cast<std::int64_t>(std::numeric_limits<T>::min()),
                    static_cast<std::int64_t>(kHigh < kMost ? kHigh : kMost))) {
      out = static_cast<T>(*number);
    }
  }
  template <class T>
  void read(std::string_view key, const boost::json::value& value, std::optional<T>& out) {
    T inner{};
    read(key, value, inner);
    if (!error_) out = std::move(inner);
  }
  template <class T>
  void read(std::string_view key, const boost::json::value& value, std::vector<T>& out) {
    const boost::json::array* items = array(key, value);
    if (items == nullptr) return;
    out.clear();
    for (const boost::json::value& item : *items) {
      T inner{};
      read(key, item, inner);
      if (error_) return;
      out.push_back(std::move(inner));
    }
  }
  /// Anything else has a from_json of its own.
  template <class T>
  requires std::is_class_v<T>
  void read(std::string_view key, const boost::json::value& value, T& out) {
    Result<T> inner = from_json<T>(value);
    if (inner) {
      out = std::move(*inner);
    } else {
      complain(key, inner.error().message);
    }
  }

  const boost::json::object* object_ = nullptr;
  std::set<std::string, std::less<>> known_;
  std::optional<Error> error_;
};

/// The end of each from_json.
template <class T>
Result<T> finish(const Fields& fields, T value) {
  if (fields.error()) return tl::unexpected<Error>(*fields.error());
  return value;
}

// Parts of other types, private to the conversions.
template <>
Result<Region> from_json<Region>(const boost::json::value& value);
template <>
Result<PlanStep> from_json<PlanStep>(const boost::json::value& value);
template <>
Result<JobView> from_json<JobView>(const boost::json::value& value);
template <>
Result<RetryView> from_json<RetryView>(const boost::json::value& value);

/// Hexadecimal text of the 64-bit values and identifiers.
Result<std::uint64_t> parse_hex(std::string_view text);

}  // namespace pciassign::rpc
