// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Fault injection: any call of any simulated port can fail, or the process can die in it.
#pragma once
#include <cerrno>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pciassign/result.hpp"

namespace pciassign::sim {

/// Thrown out of a port call to stand for kill -9: nothing catches it but the test.
struct Killed {};

/// When, in relation to the call's effect.
enum class When { before, after };

class Faults {
 public:
  /// The nth call from now on (1: the next one) fails with `error`, before or after its effect.
  void fail_nth(std::size_t n, int error = EIO, When when = When::before);
  /// Every call of that name fails before its effect, until clear().
  void fail_all(const std::string& name) { failing_.insert(name); }
  /// The process dies in the nth call from now on.
  void kill_nth(std::size_t n, When when);
  void clear();
  [[nodiscard]] std::size_t calls() const { return calls_; }
  /// Names of all calls so far, e.g. "xen.assign".
  [[nodiscard]] const std::vector<std::string>& log() const { return log_; }

  /// A port wraps each operation in this.
  template <class R, class F>
  R call(const char* name, F body) {
    const auto now = enter(name);
    if (auto error = strike(now, When::before, name)) return tl::unexpected(*error);
    R result = body();
    if (auto error = strike(now, When::after, name)) return tl::unexpected(*error);
    return result;
  }

 private:
  struct Fault {
    int error;  ///< 0: kill.
    When when;
  };
  std::size_t enter(const char* name);
  std::optional<Error> strike(std::size_t now, When when, const char* name);

  std::size_t calls_ = 0;
  std::map<std::size_t, Fault> faults_;
  std::set<std::string> failing_;
  std::vector<std::string> log_;
};

}  // namespace pciassign::sim
