// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// One line on the terminal that tells the step under way, gone when the change is over.
#pragma once
#include "environment.hpp"
#include "pciassign/rpc_types.hpp"

namespace pciassign::cli {

class Progress {
 public:
  Progress(Environment& environment, bool on)
      : env_(environment), on_(on && environment.progress) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void step(const rpc::StepEvent& event);
  void say(const std::string& words);
  void clear();

 private:
  Environment& env_;
  bool on_, shown_ = false;
};

}  // namespace pciassign::cli
