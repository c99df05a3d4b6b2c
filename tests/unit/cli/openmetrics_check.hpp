// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// A strict reader of OpenMetrics 1.0 text, for gauges, counters and histograms.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pciassign::test {

struct MetricsText {
  std::string wrong;                     ///< What breaks the format, with its line; empty: nothing.
  std::map<std::string, double> values;  ///< By name and labels as they are written.
};
MetricsText read_openmetrics(std::string_view text);

}  // namespace pciassign::test
