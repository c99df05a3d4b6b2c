// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include "pcifront/states.h"

namespace {

constexpr int kLast = PF_RECONFIGURED;

TEST(FrontStates, AnOrdinaryConnection) {
  EXPECT_EQ(pf_next(PF_INIT_WAIT, PF_INITIALISED, false), PF_NOTHING);
  EXPECT_EQ(pf_next(PF_INITIALISED, PF_INITIALISED, true), PF_NOTHING);
  EXPECT_EQ(pf_next(PF_CONNECTED, PF_INITIALISED, true), PF_CONNECT);
  EXPECT_EQ(pf_next(PF_CONNECTED, PF_CONNECTED, true), PF_NOTHING);
}

TEST(FrontStates, HotplugInBothDirections) {
  EXPECT_EQ(pf_next(PF_RECONFIGURING, PF_CONNECTED, true), PF_DETACH);
  EXPECT_EQ(pf_next(PF_RECONFIGURING, PF_RECONFIGURING, true), PF_NOTHING);
  EXPECT_EQ(pf_next(PF_RECONFIGURED, PF_RECONFIGURING, true), PF_CONNECT);
  EXPECT_EQ(pf_next(PF_RECONFIGURED, PF_CONNECTED, true), PF_NOTHING);
  EXPECT_EQ(pf_next(PF_CONNECTED, PF_RECONFIGURING, true), PF_NOTHING);
}

TEST(FrontStates, ALateFrontEndConnectsBeforeItReconfigures) {
  EXPECT_EQ(pf_next(PF_RECONFIGURING, PF_INITIALISED, true), PF_CONNECT_AND_DETACH);
}

TEST(FrontStates, ABackEndThatIsGoneIsNotAsked) {
  for (int front : {PF_INITIALISED, PF_CONNECTED, PF_RECONFIGURING}) {
    EXPECT_EQ(pf_next(PF_CLOSED, front, true), PF_CLOSE_DEAD) << front;
    EXPECT_EQ(pf_next(PF_UNKNOWN, front, true), PF_CLOSE_DEAD) << front;
    EXPECT_EQ(pf_next(PF_CLOSING, front, true), PF_CLOSE) << front;
  }
}

TEST(FrontStates, TheLeftoverOfAnEarlierConnectionClosesNothing) {
  for (int back : {PF_CLOSING, PF_CLOSED, PF_UNKNOWN})
    for (int front = 0; front <= kLast; ++front)
      EXPECT_EQ(pf_next(back, front, false), PF_NOTHING) << back << ' ' << front;
}

TEST(FrontStates, ANewBackEndIsAnnouncedTo) {
  for (int back : {PF_INITIALISING, PF_INIT_WAIT, PF_INITIALISED}) {
    EXPECT_EQ(pf_next(back, PF_CLOSED, false), PF_ANNOUNCE) << back;
    EXPECT_EQ(pf_next(back, PF_CONNECTED, true), PF_RESTART) << back;
    EXPECT_EQ(pf_next(back, PF_RECONFIGURING, true), PF_RESTART) << back;
  }
}

TEST(FrontStates, NothingIsPublishedToABackEndThatServesAPredecessor) {
  for (int back : {PF_CONNECTED, PF_CLOSING, PF_RECONFIGURING, PF_RECONFIGURED})
    EXPECT_FALSE(pf_may_announce(back)) << back;
  for (int back : {PF_UNKNOWN, PF_INITIALISING, PF_INIT_WAIT, PF_INITIALISED, PF_CLOSED})
    EXPECT_TRUE(pf_may_announce(back)) << back;
}

// Both ends answer each other until both are connected or closed, from wherever they are.
TEST(FrontStates, EveryPairOfStatesSettles) {
  for (int back = -1; back <= kLast + 1; ++back)
    for (int front = 0; front <= kLast; ++front)
      for (bool seen : {false, true}) {
        int now = front;
        int steps = 0;
        bool alive = seen;
        for (; steps < 8; ++steps) {
          auto action = pf_next(back, now, alive);
          if (action == PF_NOTHING) break;
          switch (action) {
            case PF_ANNOUNCE:
            case PF_RESTART:
              now = PF_INITIALISED;
              break;
            case PF_CONNECT:
              now = PF_CONNECTED;
              break;
            case PF_DETACH:
            case PF_CONNECT_AND_DETACH:
              now = PF_RECONFIGURING;
              break;
            default:
              now = PF_CLOSED, alive = false;
              break;
          }
        }
        EXPECT_LT(steps, 8) << back << ' ' << front << ' ' << seen;
      }
}

}  // namespace
