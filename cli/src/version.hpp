// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

namespace pciassign::cli {

#ifdef PCIASSIGN_VERSION
inline constexpr auto kVersion = PCIASSIGN_VERSION;
#else
inline constexpr auto kVersion = "0";
#endif

}  // namespace pciassign::cli
