// SPDX-License-Identifier: GPL-2.0-or-later
// A device in xend's brackets; the input begins behind the first one.
#include "check.hpp"
#include "pciassign/address.hpp"

using namespace pciassign;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const char* begin : {"(", "(device (pci ", "(device (pci (dev "}) {
    const auto text = begin + std::string(fuzz::text_of(data, size));
    const auto spec = DeviceSpec::parse(text);
    if (!spec) continue;
    fuzz::require(spec->sbdf.device < 32 && spec->sbdf.function < 8, "out of range", text);
    const auto again = DeviceSpec::parse(spec->str());
    fuzz::require(again && *again == *spec, "it says something else in our words", text);
  }
  return 0;
}
