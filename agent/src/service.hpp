// SPDX-License-Identifier: GPL-2.0-or-later
// What the agent (agent.hpp) asks of the network or the disks (network.hpp, disks.hpp): decisions
// about one device at a time, without xenstore.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend.hpp"

namespace pciassign::agent {

/// What became of a device that was to be served.
struct Outcome {
  enum class What {
    connected,  ///< The kernel may connect it.
    waiting,    ///< For an interface or a disk that is not there yet.
    refused,    ///< `words` say why; asked again when something changes.
  } what = What::waiting;
  std::string words;
  /// Nodes to be written with hotplug-status.
  std::vector<std::pair<std::string, std::string>> nodes;
};

class Service {
 public:
  virtual ~Service() = default;
  [[nodiscard]] virtual Kind kind() const = 0;
  /// An error: it cannot work at all.
  virtual Result<void> start() = 0;
  /// A device of the driver domain came or went, or a job ended: looks at all of them. Error: see
  /// start().
  virtual Result<void> look_around() = 0;
  /// A process that it began has ended, with this status of waitpid().
  virtual void job_ended(int job, int status) = 0;
  /// The PCI device is there and does what the configuration says.
  [[nodiscard]] virtual bool ready() const = 0;

  /// Serves a device, for the first time or again; harmless for one that is served.
  virtual Outcome serve(const Backend& backend) = 0;
  /// Its directory is gone, or both ends are closed for good.
  virtual void release(BackendId id) = 0;
  /// Whether a driver of the kernel answers for it.
  [[nodiscard]] virtual bool bound(BackendId id) const = 0;
  /// Packets or requests that the guest has sent; empty while nobody can tell.
  [[nodiscard]] virtual std::optional<std::uint64_t> traffic(BackendId id) const = 0;
  /// The domain stops: guests' devices are let go with nothing lost. Words for what did not work.
  virtual std::vector<std::string> stop() = 0;
};

}  // namespace pciassign::agent
