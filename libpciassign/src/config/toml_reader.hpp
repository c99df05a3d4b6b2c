// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Reading TOML with positions; the only file besides its source that sees toml++.
#pragma once
#include <toml++/toml.h>

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pciassign/result.hpp"

namespace pciassign::config {

/// "file:line:column".
std::string position(const toml::node& node, const std::string& origin);
/// A usage error at a node.
tl::unexpected<Error> fail_at(const toml::node& node, const std::string& origin, std::string what);

/// The error, with the place before its words; what to do next stays.
tl::unexpected<Error> fail_at(const toml::node& node, const std::string& origin, Error error);

Result<toml::table> parse_toml(std::string_view text, const std::string& origin);

/// Members of one table; the first error is kept, and members that nobody asked for are errors.
class TableReader {
 public:
  TableReader(const toml::table& table, std::string origin, std::string name);
  TableReader& text(std::string_view key, std::string& out);
  /// An absolute path, in normal form; no part of it may be "..". An empty one only `may_be_empty`.
  TableReader& path(std::string_view key, std::filesystem::path& out, bool may_be_empty = false);
  TableReader& flag(std::string_view key, bool& out);
  TableReader& count(std::string_view key, std::size_t& out, std::int64_t low, std::int64_t high);
  /// A sub-table; null when there is none.
  const toml::table* table(std::string_view key);
  const toml::array* array(std::string_view key);
  const toml::node* node(std::string_view key);
  Result<void> end();

 private:
  void complain(const toml::node& node, std::string what);

  const toml::table& table_;
  std::string origin_, name_;
  std::set<std::string, std::less<>> known_;
  std::optional<Error> error_;
};

}  // namespace pciassign::config
