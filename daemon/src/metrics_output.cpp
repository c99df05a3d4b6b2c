// SPDX-License-Identifier: GPL-2.0-or-later
#include "metrics_output.hpp"

#include <sys/socket.h>
#include <sys/stat.h>

#include <fstream>
#include <utility>

namespace pciassign::daemon {
namespace {

constexpr std::size_t kMostReaders = 16;
/// A reader has nothing to say: what it sends is read and forgotten.
constexpr std::size_t kReadersLine = 4096;

/// Beside it first, so that nobody reads a half. It need not survive a crash of the machine.
Result<void> replace(const std::filesystem::path& file, const std::string& text) {
  const std::string fresh = file.string() + ".new";
  {
    std::ofstream out(fresh, std::ios::trunc);
    out << text;
    out.close();
    if (!out) return fail_errno("cannot write " + fresh);
  }
  if (::chmod(fresh.c_str(), 0644) != 0) return fail_errno("cannot set the mode of " + fresh);
  std::error_code ec;
  std::filesystem::rename(fresh, file, ec);
  if (ec) return fail_errno("cannot replace " + file.string(), ec.value());
  return {};
}

}  // namespace

MetricsOutput::MetricsOutput(Reactor& reactor, Log& log, std::function<std::string()> text)
    : reactor_(reactor), log_(log), text_(std::move(text)) {}

MetricsOutput::~MetricsOutput() {
  *alive_ = false;
  for (auto& [number, reader] : std::exchange(readers_, {})) {
    reader->on_closed = nullptr;
    reader->close();
  }
}

void MetricsOutput::serve(UniqueFd listening) {
  listening_ = std::move(listening);
  watch_ = reactor_.watch(listening_.get());
  watch_->on_readable([this] { accept_one(); });
}

void MetricsOutput::accept_one() {
  UniqueFd fd(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return;
  if (readers_.size() >= kMostReaders) {
    const auto oldest = readers_.begin()->second;
    readers_.erase(readers_.begin());
    oldest->on_closed = nullptr;
    oldest->close();
  }
  const std::uint64_t number = next_++;
  auto reader = std::make_shared<Connection>(reactor_, std::move(fd), kReadersLine);
  reader->on_closed = [this, number] { readers_.erase(number); };
  readers_.emplace(number, reader);
  reader->start();
  reader->send(text_());
  reader->close_after_sending();
}

void MetricsOutput::set_file(std::filesystem::path file) {
  if (file == file_) return;
  file_ = std::move(file);
  written_.clear();
  failed_ = false;
  changed();
}

void MetricsOutput::changed() {
  if (file_.empty() || std::exchange(due_, true)) return;
  reactor_.post([this, alive = alive_] {
    if (*alive && std::exchange(due_, false)) write_file();
  });
}

void MetricsOutput::write_file() {
  std::string text = text_();
  if (text == written_) return;
  if (const auto done = replace(file_, text); !done) {
    // Once, not for each change while the disk is full.
    if (!std::exchange(failed_, true)) log_.warning("metrics-file", done.error().message);
    return;
  }
  failed_ = false;
  written_ = std::move(text);
}

void MetricsOutput::stop() {
  watch_.reset();
  listening_.reset();
  if (std::exchange(due_, false)) write_file();
}

}  // namespace pciassign::daemon
