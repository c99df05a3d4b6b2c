// SPDX-License-Identifier: GPL-2.0-or-later
#include "openmetrics_check.hpp"

#include <charconv>
#include <limits>
#include <optional>
#include <set>

namespace pciassign::test {
namespace {

bool is_name(std::string_view text, bool colons) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && !(colons && c == ':') && !(i > 0 && c >= '0' && c <= '9')) return false;
  }
  return !text.empty();
}

std::optional<double> number(std::string_view text) {
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Reader {
 public:
  MetricsText read(std::string_view text) {
    while (!text.empty() && out_.wrong.empty()) {
      const std::size_t end = text.find('\n');
      line_ = text.substr(0, end);
      if (over_) complain("something follows # EOF");
      if (end == std::string_view::npos) complain("no newline at the end");
      if (line_ == "# EOF") {
        end_family();
        over_ = true;
      } else if (line_.starts_with("# ")) {
        metadata();
      } else {
        sample();
      }
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    if (!over_) complain("# EOF is missing");
    return std::move(out_);
  }

 private:
  void complain(const std::string& what) {
    if (out_.wrong.empty()) out_.wrong = what + ": " + std::string(line_);
  }

  void metadata() {
    const std::size_t first = line_.find(' ', 2);
    const std::size_t second = first == line_.npos ? first : line_.find(' ', first + 1);
    if (second == line_.npos) return complain("not TYPE, UNIT or HELP with a name and a value");
    const std::string what(line_.substr(2, first - 2));
    const std::string name(line_.substr(first + 1, second - first - 1));
    const std::string_view value = line_.substr(second + 1);
    if (!is_name(name, true)) complain("no name");
    if (name != family_) {
      end_family();
      if (!families_.insert(name).second) complain("the family comes twice");
      family_ = name;
      type_.clear();
      described_.clear();
      samples_ = 0;
    }
    if (samples_ > 0) complain("metadata behind samples");
    if (!described_.insert(what).second) complain("twice");
    if (what == "TYPE") {
      type_ = value;
      if (type_ != "gauge" && type_ != "counter" && type_ != "histogram") complain("unknown type");
    } else if (what == "UNIT") {
      if (!name.ends_with("_" + std::string(value))) complain("the name does not end in its unit");
    } else if (what != "HELP") {
      complain("not TYPE, UNIT or HELP");
    }
  }

  void sample() {
    const std::size_t name_end = line_.find_first_of("{ ");
    if (name_end == line_.npos) return complain("no sample");
    const std::string name(line_.substr(0, name_end));
    if (!name.starts_with(family_) || type_.empty()) return complain("of no family with a type");
    const std::string suffix = name.substr(family_.size());
    std::size_t at = name_end;
    std::string labels, le;
    if (line_[at] == '{' && !read_labels(at, labels, le)) return complain("malformed labels");
    if (at >= line_.size() || line_[at] != ' ') return complain("no space before the value");
    const std::string_view digits = line_.substr(at + 1);
    const auto value = number(digits);
    if (!value) return complain("no number");
    if (!out_.values.emplace(std::string(line_.substr(0, at)), *value).second)
      complain("the same sample twice");
    ++samples_;
    if (type_ == "histogram") return of_histogram(suffix, labels, le, *value);
    if (!le.empty()) complain("le is for histograms");
    if (type_ == "counter" && suffix != "_total") complain("a counter's sample ends in _total");
    if (type_ == "gauge" && !suffix.empty()) complain("a gauge's sample has its family's name");
    if (type_ == "counter" && *value < 0) complain("a counter below zero");
  }

  /// `others` gets the labels without le.
  bool read_labels(std::size_t& at, std::string& others, std::string& le) {
    std::set<std::string> seen;
    for (;;) {
      const std::size_t equals = line_.find("=\"", ++at);
      if (equals == line_.npos) return false;
      const std::string name(line_.substr(at, equals - at));
      if (!is_name(name, false) || name.starts_with("__") || !seen.insert(name).second)
        return false;
      std::string value;
      for (at = equals + 2; at < line_.size() && line_[at] != '"'; ++at) {
        if (line_[at] == '\\') {
          if (++at >= line_.size() || std::string_view("\\\"n").find(line_[at]) == line_.npos)
            return false;
        }
        value += line_[at];
      }
      if (++at >= line_.size()) return false;
      if (name == "le")
        le = value;
      else
        others += name + "=" + value + ";";
      if (line_[at] == '}') {
        ++at;
        return true;
      }
      if (line_[at] != ',') return false;
    }
  }

  struct Buckets {
    double last_bound = -std::numeric_limits<double>::infinity();
    double last = 0;
    bool whole = false, counted = false, summed = false;
  };
  void of_histogram(const std::string& suffix, const std::string& labels, const std::string& le,
                    double value) {
    Buckets& buckets = histograms_[labels];
    if (suffix == "_bucket") {
      const auto bound = number(le);
      if (!bound || le.find_first_of(".I") == le.npos) return complain("no bound");
      if (*bound <= buckets.last_bound) complain("bounds do not grow");
      if (value < buckets.last) complain("buckets are not cumulative");
      buckets.last_bound = *bound;
      buckets.last = value;
      buckets.whole = le == "+Inf";
    } else if (suffix == "_count") {
      if (!buckets.whole || value != buckets.last) complain("not the count of the last bucket");
      buckets.counted = true;
    } else if (suffix == "_sum") {
      buckets.summed = true;
    } else {
      complain("no sample of a histogram");
    }
  }

  void end_family() {
    for (const auto& [labels, buckets] : histograms_) {
      if (!buckets.whole || !buckets.counted || !buckets.summed)
        complain("an unfinished histogram");
    }
    histograms_.clear();
  }

  MetricsText out_;
  std::string_view line_;
  bool over_ = false;
  std::set<std::string> families_, described_;
  std::string family_, type_;
  std::size_t samples_ = 0;
  std::map<std::string, Buckets> histograms_;
};

}  // namespace

MetricsText read_openmetrics(std::string_view text) {
  return Reader().read(text);
}

}  // namespace pciassign::test
