// SPDX-License-Identifier: GPL-2.0-or-later
#include "progress.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <ostream>

#include "text.hpp"

namespace pciassign::cli {

Progress::Progress(Environment& environment, bool on)
    : env_(environment), on_(on && environment.progress) {
  if (!on_) return;
  // Signals are for the thread that waits for the daemon.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  timer_ = std::thread([this] {
    std::unique_lock held(lock_);
    if (over_.wait_for(held, env_.progress_after, [this] { return ended_; })) return;
    due_ = true;
    if (!words_.empty()) show();
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Progress::~Progress() {
  clear();
  if (!timer_.joinable()) return;
  {
    const std::lock_guard held(lock_);
    ended_ = true;
  }
  over_.notify_one();
  timer_.join();
}

void Progress::show() {
  // Short enough never to wrap: a wrapped line could not be taken back.
  env_.err << "\r\x1b[K" << printable(words_).substr(0, 78) << std::flush;
  shown_ = true;
}

void Progress::say(const std::string& words) {
  if (!on_) return;
  const std::lock_guard held(lock_);
  words_ = words;
  if (due_) show();
}

void Progress::step(const rpc::StepEvent& event) {
  if (event.state == "running") {
    say(fmt::format("[{}/{}] {}", event.index + 1, event.total, event.step.words));
  } else if (event.state == "undone") {
    say("taken back: " + event.step.words);
  }
}

void Progress::clear() {
  const std::lock_guard held(lock_);
  words_.clear();
  if (!shown_) return;
  env_.err << "\r\x1b[K" << std::flush;
  shown_ = false;
}

}  // namespace pciassign::cli
