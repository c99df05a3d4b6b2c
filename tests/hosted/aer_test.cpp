// SPDX-License-Identifier: GPL-2.0-only
// What a guest's answer to a step of PCI error recovery leads to.
#include <gtest/gtest.h>

#include <initializer_list>

#include "pciback/aervote.h"

namespace {

const std::initializer_list<std::uint32_t> kSteps = {WIRE_AER_DETECTED, WIRE_AER_MMIO,
                                                     WIRE_AER_SLOTRESET, WIRE_AER_RESUME};

TEST(Aer, NoAnswerStopsTheRecoveryOfOtherFunctions) {
  for (auto step : kSteps)
    for (bool reset : {false, true})
      for (std::uint32_t answer = 0; answer < 0x200; answer++) {
        auto v = aer_judge(step, reset, answer);
        EXPECT_NE(v.vote, AER_DISCONNECT);
        EXPECT_NE(v.vote, AER_NONE);
        EXPECT_NE(v.vote, AER_NO_AER_DRIVER);
        EXPECT_LE(v.vote, AER_RECOVERED) << "only what the PCI core knows";
      }
}

TEST(Aer, TheGuestsVoteCountsWhereItIsOne) {
  EXPECT_EQ(aer_judge(WIRE_AER_DETECTED, false, AER_CAN_RECOVER).vote, AER_CAN_RECOVER);
  EXPECT_EQ(aer_judge(WIRE_AER_DETECTED, false, AER_NEED_RESET).vote, AER_NEED_RESET);
  EXPECT_EQ(aer_judge(WIRE_AER_DETECTED, true, AER_CAN_RECOVER).vote, AER_NEED_RESET);
  EXPECT_EQ(aer_judge(WIRE_AER_MMIO, false, AER_NEED_RESET).vote, AER_NEED_RESET);
  EXPECT_EQ(aer_judge(WIRE_AER_SLOTRESET, true, AER_RECOVERED).vote, AER_RECOVERED);
  for (auto step : kSteps) {
    EXPECT_FALSE(aer_judge(step, true, AER_RECOVERED).fence);
    EXPECT_FALSE(aer_judge(step, true, AER_RECOVERED).skip);
  }
}

TEST(Aer, ADriverWithoutHandlersWorksOnUnlessTheDeviceIsReset) {
  for (std::uint32_t none : {AER_NONE, AER_NO_AER_DRIVER}) {
    auto v = aer_judge(WIRE_AER_DETECTED, false, none);
    EXPECT_FALSE(v.fence);
    EXPECT_TRUE(v.skip) << "it is not asked for the later steps";
    EXPECT_EQ(v.vote, AER_CAN_RECOVER);
    v = aer_judge(WIRE_AER_DETECTED, true, none);
    EXPECT_TRUE(v.fence);
    EXPECT_EQ(v.vote, AER_NEED_RESET);
    EXPECT_FALSE(aer_judge(WIRE_AER_SLOTRESET, true, none).fence)
        << "a driver that took part may lack a later handler";
  }
}

TEST(Aer, WhereNobodyIsConnectedNothingIsTakenAway) {
  for (auto step : kSteps)
    for (bool reset : {false, true}) {
      EXPECT_FALSE(aer_judge(step, reset, AER_NOT_ASKED).fence);
      EXPECT_TRUE(aer_judge(step, reset, AER_NOT_ASKED).skip);
    }
}

TEST(Aer, GivingUpSilenceAndNonsenseEndTheUse) {
  for (std::uint32_t answer : {0u, std::uint32_t{AER_DISCONNECT}, 7u, 0xffu,
                               std::uint32_t{AER_SILENT}, 0x80000000u, 0xffffffffu})
    for (auto step : kSteps)
      for (bool reset : {false, true}) EXPECT_TRUE(aer_judge(step, reset, answer).fence) << answer;
}

TEST(Aer, AResetIsGivenOnce) {
  EXPECT_TRUE(aer_judge(WIRE_AER_SLOTRESET, true, AER_NEED_RESET).fence);
  EXPECT_EQ(aer_judge(WIRE_AER_SLOTRESET, true, AER_NEED_RESET).vote, AER_RECOVERED);
}

}  // namespace
