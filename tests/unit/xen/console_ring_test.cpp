// SPDX-License-Identifier: GPL-2.0-or-later
#include "xen/console_ring.hpp"

#include <gtest/gtest.h>

namespace pciassign::detail {
namespace {

TEST(ConsoleRing, SaysWhetherInterruptsAreRemapped) {
  EXPECT_EQ(
      interrupt_remapping_from("(XEN) Intel VT-d Interrupt Remapping enabled.\n"
                               "(XEN) I/O virtualisation enabled\n(XEN)  - Dom0 mode: Relaxed\n"
                               "(XEN) Interrupt remapping enabled\n"),
      true);
  EXPECT_EQ(interrupt_remapping_from("(XEN) Intel VT-d Interrupt Remapping not enabled.\n"
                                     "(XEN) Interrupt remapping disabled\n"),
            false);
  EXPECT_EQ(interrupt_remapping_from("(XEN) AMD-Vi: IOMMU 0 Enabled.\n"
                                     "(XEN) I/O virtualisation enabled\n"
                                     "(XEN) Interrupt remapping enabled\n"),
            true);
  EXPECT_EQ(interrupt_remapping_from("(XEN) I/O virtualisation disabled\n"), false);
}

TEST(ConsoleRing, DoesNotGuessWhenTheMessageWasOverwritten) {
  EXPECT_EQ(interrupt_remapping_from(""), std::nullopt);
  EXPECT_EQ(interrupt_remapping_from("(XEN) d1v0 Unhandled page fault\n"), std::nullopt);
  EXPECT_EQ(interrupt_remapping_from("(XEN) Intel VT-d Posted Interrupt not enabled.\n"),
            std::nullopt);
}

}  // namespace
}  // namespace pciassign::detail
