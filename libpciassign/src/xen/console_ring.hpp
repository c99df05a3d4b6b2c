// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// What Xen's boot messages say about interrupt remapping; no hypercall reports it.
#pragma once
#include <optional>
#include <string_view>

namespace pciassign::detail {

/// Empty when the ring does not tell (it is small and old messages are overwritten).
std::optional<bool> interrupt_remapping_from(std::string_view console_ring);

}  // namespace pciassign::detail
