// SPDX-License-Identifier: GPL-2.0-or-later
#include "openmetrics.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pciassign::daemon {
namespace {

std::string_view name_of(OpenMetrics::Type type) {
  switch (type) {
    case OpenMetrics::Type::gauge:
      return "gauge";
    case OpenMetrics::Type::counter:
      return "counter";
    case OpenMetrics::Type::histogram:
      return "histogram";
  }
  return "unknown";
}

bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

/// Exposition text is UTF-8; what is not (a domain's name from xenstore) is replaced byte by byte.
std::string exposed(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    const std::size_t length = first < 0x80    ? 1
                               : first < 0xc2  ? 0
                               : first < 0xe0  ? 2
                               : first < 0xf0  ? 3
                               : first <= 0xf4 ? 4
                                               : 0;
    std::size_t valid = length > 0 && at + length <= text.size() ? 1 : 0;
    while (valid > 0 && valid < length && continues(text[at + valid])) ++valid;
    if (valid == 0 || valid != length) {
      out += '?';
      ++at;
      continue;
    }
    if (first == '\\' || first == '"') out += '\\';
    if (first == '\n')
      out += "\\n";
    else
      out += text.substr(at, length);
    at += length;
  }
  return out;
}

/// "1.0" rather than "1": bounds are floats, and are spelt as such.
std::string bound_text(double bound) {
  std::string text = fmt::format("{}", bound);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

void Histogram::observe(double seconds) {
  const auto at = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  ++counts[static_cast<std::size_t>(at - kBounds.begin())];
  sum += seconds;
}

void OpenMetrics::family(std::string_view name, Type type, std::string_view unit,
                         std::string_view help) {
  name_ = fmt::format("pciassign_{}", name);
  type_ = type;
  text_ += fmt::format("# TYPE {} {}\n", name_, name_of(type));
  if (!unit.empty()) text_ += fmt::format("# UNIT {} {}\n", name_, unit);
  text_ += fmt::format("# HELP {} {}\n", name_, exposed(help));
}

void OpenMetrics::sample(const Labels& labels, std::uint64_t value) {
  line(type_ == Type::counter ? "_total" : "", labels, std::to_string(value));
}

void OpenMetrics::sample(const Labels& labels, const Histogram& histogram) {
  Labels with_bound = labels;
  with_bound.emplace_back("le", "");
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    count += histogram.counts[i];
    const bool bounded = i < Histogram::kBounds.size();
    with_bound.back().second = bounded ? bound_text(Histogram::kBounds[i]) : "+Inf";
    line("_bucket", with_bound, std::to_string(count));
  }
  line("_count", labels, std::to_string(count));
  line("_sum", labels, fmt::format("{:.6f}", histogram.sum));
}

void OpenMetrics::sample(const Labels& labels, double value) {
  line("", labels, fmt::format("{:.6f}", value));
}

void OpenMetrics::line(std::string_view suffix, const Labels& labels, const std::string& value) {
  text_ += name_;
  text_ += suffix;
  char before = '{';
  for (const auto& [name, text] : labels) {
    text_ += fmt::format("{}{}=\"{}\"", before, name, exposed(text));
    before = ',';
  }
  if (!labels.empty()) text_ += '}';
  text_ += ' ' + value + '\n';
}

std::string OpenMetrics::take() {
  text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace pciassign::daemon
