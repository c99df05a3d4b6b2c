// SPDX-License-Identifier: GPL-2.0-or-later
// What a client sends and what a daemon answers, in pieces of any size: the pieces do not matter, a
// request that is read is the same when it is written again, and nobody has to store more than was
// agreed.
#include <vector>

#include "check.hpp"
#include "pciassign/rpc_json.hpp"
#include "pciassign/rpc_message.hpp"

using namespace pciassign;

namespace {

constexpr std::size_t kLimit = 512;

struct Heard {
  std::vector<std::string> lines;
  bool well = true;
};

Heard hear(std::string_view bytes, std::size_t piece) {
  Heard heard;
  rpc::LineFramer framer(kLimit);
  for (std::size_t at = 0; at < bytes.size() && heard.well; at += piece) {
    heard.well = framer.feed(bytes.substr(at, piece),
                             [&](std::string_view line) { heard.lines.emplace_back(line); });
    fuzz::require(framer.pending() <= kLimit + 1, "more is stored than was agreed");
  }
  return heard;
}

template <class T>
void read_and_write(const boost::json::value& value) {
  const auto read = rpc::from_json<T>(value);
  if (!read) return;
  const auto again = rpc::from_json<T>(rpc::to_json(*read));
  fuzz::require(again.has_value(), "its own words are not read");
  fuzz::require(
      boost::json::serialize(rpc::to_json(*again)) == boost::json::serialize(rpc::to_json(*read)),
      "its own words say something else");
}

void read_line(const std::string& line) {
  if (const auto request = rpc::parse_request(line)) {
    const auto again = rpc::parse_request(rpc::request_line(*request));
    fuzz::require(again && again->id == request->id && again->method == request->method &&
                      again->params == request->params,
                  "a request changes", line);
    const boost::json::value params(request->params);
    read_and_write<rpc::PlanParams>(params);
    read_and_write<rpc::ExplainParams>(params);
    read_and_write<rpc::AttachParams>(params);
    read_and_write<rpc::DetachParams>(params);
    read_and_write<rpc::DeviceParams>(params);
    read_and_write<rpc::CreatePrepareParams>(params);
    read_and_write<rpc::CreateCompleteParams>(params);
    read_and_write<rpc::CancelParams>(params);
  } else {
    const auto answer = rpc::bad_message_line(request.error());
    fuzz::require(answer.ends_with('\n') && answer.find('\n') + 1 == answer.size(),
                  "an answer is not one line", answer);
  }
  const auto incoming = rpc::parse_incoming(line);
  if (!incoming) return;
  if (const auto* reply = std::get_if<rpc::Reply>(&*incoming)) {
    (void)rpc::from_json<DeviceView>(reply->result);
    (void)rpc::from_json<Finding>(reply->result);
    (void)rpc::from_json<rpc::ChangeResult>(reply->result);
    (void)rpc::from_json<rpc::StatusResult>(reply->result);
  } else {
    (void)rpc::from_json<rpc::ChangeEvent>(
        boost::json::value(std::get<rpc::Notification>(*incoming).params));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::text_of(data, size);
  const auto whole = hear(bytes, size + 1);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}}) {
    const auto pieces = hear(bytes, piece);
    fuzz::require(pieces.well == whole.well, "pieces of another size are refused");
    if (whole.well)
      fuzz::require(pieces.lines == whole.lines, "pieces of another size say something else");
  }
  for (const auto& line : whole.lines) read_line(line);
  return 0;
}
