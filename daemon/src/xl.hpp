// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Runs the toolstack's command line as child processes, several at a time, each with a limit.
/// They end with the daemon: what is half done is seen as such by the next one.
#pragma once
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "pciassign/result.hpp"
#include "reactor.hpp"

namespace pciassign::daemon {

class Xl {
 public:
  using Done = std::function<void(Result<void>)>;
  virtual ~Xl() = default;
  /// Begins `xl ARGUMENTS`; `done` is called from the loop. The error has xl's last words.
  virtual void run(std::vector<std::string> arguments, std::chrono::milliseconds limit,
                   Done done) = 0;
};

/// `program` is asked for at each start, since the configuration may change.
std::unique_ptr<Xl> make_xl(Reactor& reactor, std::function<std::string()> program);

}  // namespace pciassign::daemon
