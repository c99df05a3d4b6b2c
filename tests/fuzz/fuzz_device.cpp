// SPDX-License-Identifier: GPL-2.0-or-later
// A device as a user writes it, xl's grammar included: what is taken says the same again when it is
// written out.
#include "check.hpp"
#include "pciassign/address.hpp"

using namespace pciassign;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  if (const auto spec = DeviceSpec::parse(text)) {
    const auto again = DeviceSpec::parse(spec->str());
    fuzz::require(again.has_value(), "its own words are not read", spec->str());
    fuzz::require(*again == *spec, "its own words say something else", spec->str());
    fuzz::require(spec->sbdf.device < 32 && spec->sbdf.function < 8, "out of range", spec->str());
  } else {
    fuzz::require(!spec.error().message.empty() && !spec.error().hint.empty(),
                  "refused without a word");
  }
  if (const auto address = Sbdf::parse(text)) {
    const auto again = Sbdf::parse(address->str());
    fuzz::require(again && *again == *address, "an address changes", address->str());
  }
  return 0;
}
