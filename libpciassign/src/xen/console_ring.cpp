// SPDX-License-Identifier: LGPL-2.1-or-later
#include "xen/console_ring.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace pciassign::detail {

std::optional<bool> interrupt_remapping_from(std::string_view console_ring) {
  std::string text(console_ring);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  struct Wording {
    const char* text;
    bool on;
  };
  // xen/drivers/passthrough/iommu.c prints the first pair on every vendor once the IOMMU is up;
  // vtd/iommu.c prints the second pair; the last is said when VT-d has to give it up.
  static constexpr std::array<Wording, 5> kWordings = {{
      {"interrupt remapping enabled", true},
      {"interrupt remapping disabled", false},
      {"vt-d interrupt remapping enabled.", true},
      {"vt-d interrupt remapping not enabled.", false},
      {"i/o virtualisation disabled", false},
  }};
  // The last statement counts: later messages correct earlier ones.
  std::optional<bool> answer;
  std::size_t last = 0;
  for (const auto& wording : kWordings) {
    const auto at = text.rfind(wording.text);
    if (at == std::string::npos || (answer && at < last)) continue;
    answer = wording.on;
    last = at;
  }
  return answer;
}

}  // namespace pciassign::detail
