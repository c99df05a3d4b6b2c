// SPDX-License-Identifier: LGPL-2.1-or-later
#include "toml_reader.hpp"

#include <fmt/format.h>

#include "pciassign/config.hpp"

namespace pciassign::config {

std::string position(const toml::node& node, const std::string& origin) {
  const toml::source_position at = node.source().begin;
  return fmt::format("{}:{}:{}", origin, at.line, at.column);
}

tl::unexpected<Error> fail_at(const toml::node& node, const std::string& origin, std::string what) {
  return fail(ErrorKind::usage, fmt::format("{}: {}", position(node, origin), what));
}

tl::unexpected<Error> fail_at(const toml::node& node, const std::string& origin, Error error) {
  error.message = fmt::format("{}: {}", position(node, origin), error.message);
  return tl::unexpected<Error>(std::move(error));
}

Result<toml::table> parse_toml(std::string_view text, const std::string& origin) {
  // Distributions build the library with exceptions; this is where they end.
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return fail(ErrorKind::usage, fmt::format("{}:{}:{}: {}", origin, error.source().begin.line,
                                              error.source().begin.column, error.description()));
  }
}

TableReader::TableReader(const toml::table& table, std::string origin, std::string name)
    : table_(table), origin_(std::move(origin)), name_(std::move(name)) {}

void TableReader::complain(const toml::node& node, std::string what) {
  if (!error_) error_ = fail_at(node, origin_, std::move(what)).value();
}

const toml::node* TableReader::node(std::string_view key) {
  known_.emplace(key);
  return table_.get(key);
}

TableReader& TableReader::text(std::string_view key, std::string& out) {
  if (const toml::node* found = node(key)) {
    if (const auto value = found->value_exact<std::string>()) {
      out = *value;
    } else {
      complain(*found, fmt::format("{} must be a string", key));
    }
  }
  return *this;
}

Result<std::filesystem::path> absolute_path(std::string_view text) {
  const bool control = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  std::filesystem::path path(text);
  if (!path.is_absolute() || control || std::find(path.begin(), path.end(), "..") != path.end())
    return fail(ErrorKind::usage,
                "it must be an absolute path, without \"..\" and control characters");
  path = path.lexically_normal();
  // "/a/" has an empty name at its end, and "/a" for its parent.
  if (!path.has_filename() && path.has_relative_path()) path = path.parent_path();
  return path;
}

TableReader& TableReader::path(std::string_view key, std::filesystem::path& out,
                               bool may_be_empty) {
  const toml::node* found = node(key);
  std::string text;
  this->text(key, text);
  if (found == nullptr || !found->is_string()) return *this;
  if (text.empty() && may_be_empty) {
    out.clear();
  } else if (auto read = absolute_path(text)) {
    out = std::move(*read);
  } else {
    complain(*found, fmt::format("{} = \"{}\": {}{}", key, text, read.error().message,
                                 may_be_empty ? ", or \"\" for none" : ""));
  }
  return *this;
}

TableReader& TableReader::flag(std::string_view key, bool& out) {
  if (const toml::node* found = node(key)) {
    if (const auto value = found->value_exact<bool>()) {
      out = *value;
    } else {
      complain(*found, fmt::format("{} must be true or false", key));
    }
  }
  return *this;
}

TableReader& TableReader::count(std::string_view key, std::size_t& out, std::int64_t low,
                                std::int64_t high) {
  if (const toml::node* found = node(key)) {
    const auto value = found->value_exact<std::int64_t>();
    if (value && *value >= low && *value <= high) {
      out = static_cast<std::size_t>(*value);
    } else {
      complain(*found, fmt::format("{} must be an integer from {} to {}", key, low, high));
    }
  }
  return *this;
}

const toml::table* TableReader::table(std::string_view key) {
  const toml::node* found = node(key);
  if (found != nullptr && !found->is_table()) {
    complain(*found, fmt::format("{} must be a table", key));
    return nullptr;
  }
  return found == nullptr ? nullptr : found->as_table();
}

const toml::array* TableReader::array(std::string_view key) {
  const toml::node* found = node(key);
  if (found != nullptr && !found->is_array()) {
    complain(*found, fmt::format("{} must be an array", key));
    return nullptr;
  }
  return found == nullptr ? nullptr : found->as_array();
}

Result<void> TableReader::end() {
  for (const auto& [key, value] : table_) {
    if (known_.contains(key.str())) continue;
    std::string words;
    for (const std::string& known : known_) words += (words.empty() ? "" : ", ") + known;
    complain(value, fmt::format("unknown key \"{}\" in {} (known: {})", key.str(), name_, words));
  }
  if (error_) return tl::unexpected<Error>(*error_);
  return {};
}

}  // namespace pciassign::config
