// SPDX-License-Identifier: GPL-2.0-or-later
// The line that tells the step under way.
#include "progress.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace pciassign::cli {
namespace {

struct Terminal {
  explicit Terminal(std::chrono::milliseconds after, bool terminal = true)
      : environment{.out = out,
                    .err = err,
                    .progress = terminal,
                    .progress_after = after,
                    .open_local = {}} {}
  std::ostringstream out, err;
  Environment environment;
};

/// What a thread of its own writes is read when that is gone, with the Progress.
std::string told(Terminal& terminal, bool json = false) {
  {
    Progress progress(terminal.environment, !json);
    rpc::StepEvent event{.request = 0, .index = 2, .total = 9, .state = "running", .step = {}};
    event.step.words = "reset and verify 0000:00:04.0";
    progress.step(event);
    if (terminal.environment.progress_after.count() == 0) {
      // Said again until the thread has come to run: a step later it shows in any case.
      for (int round = 0; round < 1000 && terminal.environment.progress && !json; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        progress.step(event);
      }
    }
  }
  return terminal.err.str();
}

TEST(ProgressLine, tells_the_step_once_it_takes_long_and_goes_away) {
  Terminal terminal(std::chrono::milliseconds(0));
  const std::string text = told(terminal);
  EXPECT_NE(text.find("[3/9] reset and verify 0000:00:04.0"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\r\x1b[K")) << text;
}

TEST(ProgressLine, says_nothing_of_what_is_over_in_a_moment) {
  Terminal terminal(std::chrono::hours(1));
  EXPECT_EQ(told(terminal), "");
}

TEST(ProgressLine, is_for_terminals_and_people_only) {
  Terminal pipe(std::chrono::milliseconds(0), false);
  EXPECT_EQ(told(pipe), "");
  Terminal json(std::chrono::milliseconds(0));
  EXPECT_EQ(told(json, true), "");
}

}  // namespace
}  // namespace pciassign::cli
