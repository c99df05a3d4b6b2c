// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include "pciassign/hypervisor.hpp"

namespace pciassign {

std::string DomainInfo::uuid_str() const {
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", uuid[i]);
  }
  return text;
}

}  // namespace pciassign
