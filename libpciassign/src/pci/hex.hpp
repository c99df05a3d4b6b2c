// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Address parsing shared by Sbdf and DeviceSpec.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "pciassign/address.hpp"

namespace pciassign::detail {

/// 1 to 8 hexadecimal digits without a prefix.
std::optional<std::uint32_t> parse_hex(std::string_view text);

struct Bdf {
  Sbdf sbdf;
  bool all_functions = false;
};
/// [DDDD:]BB:DD.F where F may be '*'.
Result<Bdf> parse_bdf(std::string_view text);

/// Older forms: Xen 2.0's "bb,dd,ff" and the SXP "(device (pci (dev (domain 0x0) ...)))". Empty
/// when `text` is of neither form.
std::optional<Result<Bdf>> parse_old_form(std::string_view text);

}  // namespace pciassign::detail
