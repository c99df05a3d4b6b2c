// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Where libxl keeps what it knows of a guest's devices, and how its paths and numbers are read.
#pragma once
#include <charconv>
#include <map>
#include <optional>
#include <string>

#include "pciassign/dependents.hpp"

namespace pciassign::detail {

template <class T>
std::optional<T> whole_number(std::string_view text) {
  T value{};
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || at != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string record_path(const Dependent& dependent);  ///< /libxl/<guest>/device/<kind>/<devid>
std::string front_path(const Dependent& dependent);
std::string back_path(const Dependent& dependent, DomId domain);

/// All nodes of the record, name to value; empty when there is none.
Result<std::map<std::string, std::string>> read_record(StoreView& store,
                                                       const Dependent& dependent);
/// What find_dependents() tells of a record; empty when that is none, or not one of libxl's form.
std::optional<Dependent> dependent_of(DomId guest, DependentKind kind, std::uint32_t devid,
                                      const std::map<std::string, std::string>& record);

}  // namespace pciassign::detail
