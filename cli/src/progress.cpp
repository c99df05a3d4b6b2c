// SPDX-License-Identifier: GPL-2.0-or-later
#include "progress.hpp"

#include <fmt/format.h>

#include <ostream>

#include "text.hpp"

namespace pciassign::cli {

void Progress::say(const std::string& words) {
  if (!on_) return;
  // Short enough never to wrap: a wrapped line could not be taken back.
  env_.err << "\r\x1b[K" << printable(words).substr(0, 78) << std::flush;
  shown_ = true;
}

void Progress::step(const rpc::StepEvent& event) {
  if (event.state == "running") {
    say(fmt::format("[{}/{}] {}", event.index + 1, event.total, event.step.words));
  } else if (event.state == "undone") {
    say("taken back: " + event.step.words);
  }
}

void Progress::clear() {
  if (!shown_) return;
  env_.err << "\r\x1b[K" << std::flush;
  shown_ = false;
}

}  // namespace pciassign::cli
