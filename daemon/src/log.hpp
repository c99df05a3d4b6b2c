// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Structured log lines. Each message has an identifier that stays, so that a rule can match it.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "message_ids.hpp"
#include "pciassign/config.hpp"

namespace pciassign::daemon {

using config::LogLevel;

struct LogField {
  std::string_view key;  ///< Lower case: "domain", "bdf", "code" ... It may come more than once.
  std::string value;
};

struct LogRecord {
  LogLevel level = LogLevel::info;
  LogId id;  ///< "attach-failed"
  std::string message;
  std::vector<LogField> fields;
};

using LogSink = std::function<void(const LogRecord&)>;

/// `info attach-done: attach 0000:00:04.0 to net domain=net took_ms=12`, one line, never more:
/// control characters of what others wrote (domain names) are escaped.
std::string log_line(const LogRecord& record);
LogSink stderr_sink();
/// What journald is sent, NAME=value each: MESSAGE, MESSAGE_ID, PRIORITY, and the fields as
/// PCIASSIGN_DOMAIN, PCIASSIGN_BDF (once for each device) ...
std::vector<std::string> journal_entries(const LogRecord& record);
LogSink journal_sink();

class Log {
 public:
  Log(LogSink sink, LogLevel lowest) : sink_(std::move(sink)), lowest_(lowest) {}
  void set_level(LogLevel lowest) { lowest_ = lowest; }
  void debug(LogId id, std::string message, std::vector<LogField> fields = {}) {
    write({LogLevel::debug, id, std::move(message), std::move(fields)});
  }
  void info(LogId id, std::string message, std::vector<LogField> fields = {}) {
    write({LogLevel::info, id, std::move(message), std::move(fields)});
  }
  void warning(LogId id, std::string message, std::vector<LogField> fields = {}) {
    write({LogLevel::warning, id, std::move(message), std::move(fields)});
  }
  void error(LogId id, std::string message, std::vector<LogField> fields = {}) {
    write({LogLevel::error, id, std::move(message), std::move(fields)});
  }

 private:
  void write(const LogRecord& record) {
    if (record.level >= lowest_) sink_(record);
  }
  LogSink sink_;
  LogLevel lowest_;
};

}  // namespace pciassign::daemon
