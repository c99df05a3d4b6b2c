// SPDX-License-Identifier: GPL-2.0-or-later
#include "log.hpp"

#include <fmt/format.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "service.hpp"

namespace pciassign::daemon {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

int priority(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return LOG_DEBUG;
    case LogLevel::info:
      return LOG_INFO;
    case LogLevel::warning:
      return LOG_WARNING;
    case LogLevel::error:
      return LOG_ERR;
  }
  return LOG_ERR;
}

}  // namespace

std::string log_line(const LogRecord& record) {
  std::string line = fmt::format("{} {}: {}", config::to_string(record.level), record.id.name(),
                                 escaped(record.message));
  for (const LogField& field : record.fields) {
    const std::string value = escaped(field.value);
    const bool quote = value.empty() || value.find(' ') != std::string::npos;
    line += quote ? fmt::format(" {}=\"{}\"", field.key, value)
                  : fmt::format(" {}={}", field.key, value);
  }
  return line;
}

LogSink stderr_sink() {
  return [](const LogRecord& record) {
    const std::string line = "pciassignd: " + log_line(record) + "\n";
    // One write, so that lines of several processes do not mix; a full pipe is nobody's fault here.
    [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, line.data(), line.size());
  };
}

std::vector<std::string> journal_entries(const LogRecord& record) {
  std::vector<std::string> entries{
      "MESSAGE=" + escaped(record.message), fmt::format("MESSAGE_ID={}", record.id.uuid()),
      fmt::format("PRIORITY={}", priority(record.level)), "SYSLOG_IDENTIFIER=pciassignd",
      fmt::format("PCIASSIGN_ID={}", record.id.name())};
  for (const LogField& field : record.fields) {
    std::string key(field.key);
    std::transform(key.begin(), key.end(), key.begin(),
                   [](unsigned char c) { return std::toupper(c); });
    entries.push_back(fmt::format("PCIASSIGN_{}={}", key, escaped(field.value)));
    entries.front() += fmt::format(" {}={}", field.key, escaped(field.value));
  }
  return entries;
}

LogSink journal_sink() {
  return [](const LogRecord& record) { service::write_journal(journal_entries(record)); };
}

}  // namespace pciassign::daemon
