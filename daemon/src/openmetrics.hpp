// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Writes OpenMetrics 1.0 text: families of samples, escaped, ended by "# EOF". Names, units and
/// labels are the caller's and constant; only the values of labels may come from elsewhere. Of the
/// types only those that Prometheus' older text format has as well, so that its readers take it.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pciassign::daemon {

/// How often something took how long. The bounds suit what waits for hardware and guests.
struct Histogram {
  static constexpr std::array kBounds{0.001, 0.01, 0.1, 1.0, 10.0, 60.0};  ///< Seconds.
  std::array<std::uint64_t, kBounds.size() + 1> counts{};  ///< The last one: longer than all.
  double sum = 0;

  void observe(double seconds);
};

using Labels = std::vector<std::pair<std::string_view, std::string>>;

class OpenMetrics {
 public:
  enum class Type { gauge, counter, histogram };
  /// Begins a family, "pciassign_NAME"; a unit has to be the end of the name.
  void family(std::string_view name, Type type, std::string_view unit, std::string_view help);
  /// A sample of the family that was begun last.
  void sample(const Labels& labels, std::uint64_t value);
  void sample(const Labels& labels, const Histogram& histogram);
  /// Of a gauge that is no whole number.
  void sample(const Labels& labels, double value);
  /// The text with its end; nothing may follow.
  [[nodiscard]] std::string take();

 private:
  void line(std::string_view suffix, const Labels& labels, const std::string& value);

  std::string text_, name_;
  Type type_ = Type::gauge;
};

}  // namespace pciassign::daemon
