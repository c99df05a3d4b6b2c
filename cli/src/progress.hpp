// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// One line on the terminal that tells the step under way, once the change takes longer than a
/// moment; gone when the change is over.
#pragma once
#include <condition_variable>
#include <mutex>
#include <thread>

#include "environment.hpp"
#include "pciassign/rpc_types.hpp"

namespace pciassign::cli {

class Progress {
 public:
  Progress(Environment& environment, bool on);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void step(const rpc::StepEvent& event);
  void say(const std::string& words);
  void clear();

 private:
  void show();

  Environment& env_;
  bool on_;
  std::mutex lock_;  ///< Of all below, and of the terminal's line.
  std::condition_variable over_;
  std::string words_;
  bool due_ = false, shown_ = false, ended_ = false;
  std::thread timer_;  ///< The first line is due while the caller waits for somebody else.
};

}  // namespace pciassign::cli
