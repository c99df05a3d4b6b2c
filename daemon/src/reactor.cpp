// SPDX-License-Identifier: GPL-2.0-or-later
#include "reactor.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <optional>

namespace pciassign::daemon {
namespace asio = boost::asio;
namespace {

class AsioTimer final : public Reactor::Timer {
 public:
  explicit AsioTimer(asio::io_context& io) : timer_(io) {}
  void at(std::chrono::steady_clock::time_point when, std::function<void()> task) override {
    timer_.expires_at(when);
    timer_.async_wait([task = std::move(task)](const boost::system::error_code& ec) {
      if (!ec) task();
    });
  }
  void cancel() override { timer_.cancel(); }

 private:
  asio::steady_timer timer_;
};

/// The completions hold the shared state, so that a task may destroy its own Descriptor.
class AsioDescriptor final : public Reactor::Descriptor {
 public:
  AsioDescriptor(asio::io_context& io, int fd) : state_(std::make_shared<State>(io, fd)) {}
  ~AsioDescriptor() override {
    state_->alive = false;
    state_->stream.release();  // The caller owns the descriptor.
  }
  AsioDescriptor(const AsioDescriptor&) = delete;
  AsioDescriptor& operator=(const AsioDescriptor&) = delete;

  void on_readable(std::function<void()> task) override {
    state_->readable = std::move(task);
    resume_reading();
  }
  void pause_reading() override { state_->paused = true; }
  void resume_reading() override {
    state_->paused = false;
    if (!state_->waiting) wait_readable(state_);
  }
  void once_writable(std::function<void()> task) override {
    state_->stream.async_wait(asio::posix::stream_descriptor::wait_write,
                              [state = state_, task = std::move(task)](const auto& ec) {
                                if (!ec && state->alive) task();
                              });
  }

 private:
  struct State {
    State(asio::io_context& io, int fd) : stream(io, fd) {}
    asio::posix::stream_descriptor stream;
    std::function<void()> readable;
    bool alive = true, paused = false, waiting = false;
  };
  static void wait_readable(const std::shared_ptr<State>& state) {
    state->waiting = true;
    state->stream.async_wait(asio::posix::stream_descriptor::wait_read, [state](const auto& ec) {
      state->waiting = false;
      if (ec || !state->alive || state->paused) return;
      state->readable();
      if (state->alive && !state->paused && !state->waiting) wait_readable(state);
    });
  }
  std::shared_ptr<State> state_;
};

}  // namespace

struct Reactor::Impl {
  asio::io_context io{1};
  std::optional<asio::thread_pool> worker;
  std::optional<asio::signal_set> signals;
  std::function<void(int)> on_signal;

  void wait_signal() {
    signals->async_wait([this](const boost::system::error_code& ec, int number) {
      if (ec) return;
      on_signal(number);
      wait_signal();
    });
  }
};

Reactor::Reactor(Worker worker) : impl_(std::make_unique<Impl>()) {
  if (worker == Worker::thread) impl_->worker.emplace(1);
}

Reactor::~Reactor() {
  if (impl_->worker) impl_->worker->join();
}

// Without restart(): a stop() that came first must not be lost.
void Reactor::run() {
  impl_->io.run();
}

void Reactor::stop() {
  impl_->io.stop();
}

void Reactor::post(std::function<void()> task) {
  asio::post(impl_->io, std::move(task));
}

void Reactor::offload(std::function<void()> work, std::function<void()> done) {
  if (!impl_->worker) {
    post([work = std::move(work), done = std::move(done)] {
      work();
      done();
    });
    return;
  }
  // The guard keeps run() from returning while the worker is busy.
  auto guard = std::make_shared<asio::executor_work_guard<asio::io_context::executor_type>>(
      impl_->io.get_executor());
  asio::post(*impl_->worker,
             [this, guard, work = std::move(work), done = std::move(done)]() mutable {
               work();
               asio::post(impl_->io, [guard, done = std::move(done)] { done(); });
             });
}

std::unique_ptr<Reactor::Timer> Reactor::make_timer() {
  return std::make_unique<AsioTimer>(impl_->io);
}

std::unique_ptr<Reactor::Descriptor> Reactor::watch(int fd) {
  return std::make_unique<AsioDescriptor>(impl_->io, fd);
}

void Reactor::on_signals(std::initializer_list<int> signals, std::function<void(int)> task) {
  impl_->signals.emplace(impl_->io);
  for (const int number : signals) impl_->signals->add(number);
  impl_->on_signal = std::move(task);
  impl_->wait_signal();
}

}  // namespace pciassign::daemon
