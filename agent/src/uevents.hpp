// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's messages about devices that come and go.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "backend.hpp"
#include "files.hpp"

namespace pciassign::agent {

/// What concerns the agent.
struct Uevent {
  std::string subsystem, interface;
  std::string device;  ///< The last part of its path.
  /// Messages were lost: anything may have changed.
  bool lost = false;
};

/// Of the kernel's message: NUL-terminated words, "add@/devices/..." then KEY=value.
Uevent parse_uevent(std::string_view message);
/// The guest's device of which this is the interface: "vif3.0".
std::optional<BackendId> guest_of_interface(std::string_view name);
/// The guest's device that the kernel's back end calls so: "vbd-3-51712".
std::optional<BackendId> guest_of_device(std::string_view name);

class Uevents {
 public:
  Result<void> open();
  [[nodiscard]] int fd() const { return socket_.get(); }
  /// Without blocking; empty when there is none.
  std::optional<Uevent> next();

 private:
  Fd socket_;
};

}  // namespace pciassign::agent
