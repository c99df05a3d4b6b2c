// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The envelopes of the control protocol: JSON-RPC 2.0, one message a line, both ways.
///
/// Requests carry an integer or string id. Batches are not supported. An error of the product
/// (refused, busy, ...) has code -32000 minus its exit status and carries the whole Error in
/// `data`; errors of the protocol itself have the codes that JSON-RPC gives them.
#pragma once
#include <boost/json.hpp>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "pciassign/result.hpp"

namespace pciassign::rpc {

inline constexpr int kProtocolVersion = 1;
inline constexpr std::string_view kDefaultSocket = "/run/pciassign/control.sock";
/// What a side accepts as one line by default: requests are small, a list of thousands of devices
/// is not.
inline constexpr std::size_t kMaxRequestBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxReplyBytes = std::size_t{64} << 20;

inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kApplicationError = -32000;  ///< Minus exit_status(kind).

struct Request {
  boost::json::value id;  ///< Integer or string.
  std::string method;
  boost::json::object params;
};

/// A line that is no request. `id` is null when the line did not tell it.
struct BadMessage {
  int code = kInvalidRequest;
  std::string message;
  boost::json::value id;
};

tl::expected<Request, BadMessage> parse_request(std::string_view line);

/// Each returns one line, with its newline.
std::string request_line(const Request& request);
std::string result_line(const boost::json::value& id, const boost::json::value& result);
/// `extra` joins the Error's own members in `data` (for example the report of the steps).
std::string error_line(const boost::json::value& id, const Error& error,
                       const boost::json::object& extra = {});
std::string bad_message_line(const BadMessage& bad);
std::string notification_line(std::string_view method, const boost::json::object& params);

struct Reply {
  boost::json::value id;
  boost::json::value result;
  std::optional<Error> error;
  boost::json::object error_data;  ///< All of `data` when there was an error.
};
struct Notification {
  std::string method;
  boost::json::object params;
};
/// What a client reads: an answer or a notification.
Result<std::variant<Reply, Notification>> parse_incoming(std::string_view line);

/// Cuts a byte stream into lines and refuses to store more than `limit` bytes of one line.
class LineFramer {
 public:
  explicit LineFramer(std::size_t limit) : limit_(limit) {}
  /// Calls `line` (without newline or a carriage return before it) for each complete one; empty
  /// lines are skipped. False once a line is longer than the limit: give the stream up.
  [[nodiscard]] bool feed(std::string_view bytes,
                          const std::function<void(std::string_view)>& line);
  /// Bytes of a line that has not ended.
  [[nodiscard]] std::size_t pending() const noexcept { return buffer_.size(); }

 private:
  std::size_t limit_;
  std::string buffer_;
};

}  // namespace pciassign::rpc
