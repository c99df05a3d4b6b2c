// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The journal's format: one JSON object for each device, "version": 1.
#pragma once
#include <string>
#include <string_view>

#include "pciassign/journal.hpp"

namespace pciassign::detail {

std::string to_json(const AttachmentRecord& record);
/// Every field is checked; a message says which one is wrong.
Result<AttachmentRecord> record_from_json(std::string_view text);

}  // namespace pciassign::detail
