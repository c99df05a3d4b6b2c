// SPDX-License-Identifier: GPL-2.0-or-later
// A domain's file for xl: what is read has a name, and the copy that xl gets instead has no
// devices.
#include "check.hpp"
#include "pciassign/config_xl.hpp"

using namespace pciassign;

/// Xen's own parser does not free what it has of a file that it refuses; the program ends then.
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0";
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto domain = config::parse_xl_domain(text, "f.cfg");
  if (!domain) {
    fuzz::require(!domain.error().message.empty(), "refused without a word");
    return 0;
  }
  fuzz::require(!domain->name.empty(), "a domain without a name");
  const auto copy = config::text_for_paused_creation(text, *domain);
  const auto again = config::parse_xl_domain(copy, "copy");
  fuzz::require(again.has_value(), "the copy is not read", again ? "" : again.error().message);
  fuzz::require(again->devices.empty(), "the copy has devices", copy);
  fuzz::require(again->name == domain->name && again->kind == domain->kind,
                "the copy is another domain", copy);
  fuzz::require(again->passthrough.has_value(), "the copy has no room for devices", copy);
  return 0;
}
