// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// How answers and errors leave: text for a person, or one JSON envelope on stdout.
#pragma once
#include <boost/json.hpp>
#include <string>

#include "environment.hpp"
#include "options.hpp"

namespace pciassign::cli {

/// The JSON envelope's version.
inline constexpr int kEnvelope = 1;

class Output {
 public:
  Output(Environment& environment, const Options& options) : env_(environment), options_(options) {}

  [[nodiscard]] bool json() const noexcept { return options_.json; }
  [[nodiscard]] bool colour() const noexcept { return env_.colour; }
  std::ostream& text() { return env_.out; }

  /// The one answer of a command in JSON mode.
  void result(const boost::json::value& value);
  /// Tells the error and returns the exit status.
  int fail(const Error& error, const boost::json::object& extra = {});
  /// A remark on stderr; nothing in JSON mode, where stdout says all.
  void remark(const std::string& line);

 private:
  void tell(const Error& error);

  Environment& env_;
  const Options& options_;
};

}  // namespace pciassign::cli
