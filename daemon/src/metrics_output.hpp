// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Where the metrics leave: a socket that sends the text to whoever connects, and a file that is
/// replaced whenever it would say something else. Readers are not trusted: one that does not read
/// is dropped for the next. Nothing is timed, nothing is polled.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "connection.hpp"
#include "log.hpp"
#include "reactor.hpp"
#include "unique_fd.hpp"

namespace pciassign::daemon {

class MetricsOutput {
 public:
  MetricsOutput(Reactor& reactor, Log& log, std::function<std::string()> text);
  ~MetricsOutput();
  MetricsOutput(const MetricsOutput&) = delete;
  MetricsOutput& operator=(const MetricsOutput&) = delete;

  void serve(UniqueFd listening);
  /// Empty: none. The former file is left as it is.
  void set_file(std::filesystem::path file);
  /// Something may have changed: the file is written from the loop, once for all that happens
  /// until then.
  void changed();
  /// No new readers; the file as it is at the end.
  void stop();

 private:
  void accept_one();
  void write_file();

  Reactor& reactor_;
  Log& log_;
  std::function<std::string()> text_;
  UniqueFd listening_;
  std::unique_ptr<Reactor::Descriptor> watch_;
  std::map<std::uint64_t, std::shared_ptr<Connection>> readers_;  ///< The oldest first.
  std::uint64_t next_ = 1;
  std::filesystem::path file_;
  std::string written_;
  bool due_ = false, failed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pciassign::daemon
