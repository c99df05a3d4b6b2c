// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// The event loop. Its source is the only file that sees Asio.
#pragma once
#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>

namespace pciassign::daemon {

class Reactor {
 public:
  enum class Worker {
    thread,  ///< offload() runs on a thread of its own.
    none,    ///< offload() runs on the loop: for tests with ports that are not thread-safe.
  };
  explicit Reactor(Worker worker = Worker::thread);
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  /// Runs, once, until stop(), or until nothing is left to wait for.
  void run();
  void stop();

  /// Runs `task` from the loop, later. May be called from any thread.
  void post(std::function<void()> task);
  /// Runs `work` off the loop, one after the other, and then `done` on the loop.
  void offload(std::function<void()> work, std::function<void()> done);

  /// A timer; destroying it cancels it.
  class Timer {
   public:
    virtual ~Timer() = default;
    /// Replaces what was set before.
    virtual void at(std::chrono::steady_clock::time_point when, std::function<void()> task) = 0;
    virtual void cancel() = 0;
  };
  std::unique_ptr<Timer> make_timer();

  /// Readiness of a descriptor that the caller owns and keeps open; destroying this ends it.
  class Descriptor {
   public:
    virtual ~Descriptor() = default;
    /// Calls `task` each time the descriptor is readable, until this is destroyed.
    virtual void on_readable(std::function<void()> task) = 0;
    /// In between, readiness is not looked at.
    virtual void pause_reading() = 0;
    virtual void resume_reading() = 0;
    /// Calls `task` once when it is writable.
    virtual void once_writable(std::function<void()> task) = 0;
  };
  std::unique_ptr<Descriptor> watch(int fd);

  void on_signals(std::initializer_list<int> signals, std::function<void(int)> task);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pciassign::daemon
