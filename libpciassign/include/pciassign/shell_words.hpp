// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Commands for a person to paste: whatever a domain is called, a shell takes them as they are
/// meant.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace pciassign {

/// One word of a POSIX shell. Words of [A-Za-z0-9_@%+=:,./-] stay bare; an empty one is ''.
std::string shell_quote(std::string_view word);
/// Words with blanks between them.
std::string shell_words(const std::vector<std::string>& words);
/// `command` as it stands, then the operands as words; "--" stands before them where the first one
/// could be taken for an option.
std::string shell_command(std::string_view command, const std::vector<std::string>& operands);
/// A living domain for shell_command(): its name, or its number where the name would not be taken
/// for this name (none, a number, control characters, which no terminal shows).
std::string domain_operand(const std::string& name, std::uint32_t domid);

}  // namespace pciassign
