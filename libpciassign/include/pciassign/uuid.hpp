// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// A domain's uuid as text. Names and numbers are used again; a uuid is what tells one domain from
/// the next.
#pragma once
#include <string>
#include <string_view>

#include "pciassign/result.hpp"

namespace pciassign {

/// A fresh random one (version 4), as DomainInfo::uuid_str() writes it.
std::string new_uuid();
/// `text` as DomainInfo::uuid_str() would write it. usage: it is no "8-4-4-4-12" of hexadecimal
/// digits, which is all that xl takes.
Result<std::string> parse_uuid(std::string_view text);

}  // namespace pciassign
