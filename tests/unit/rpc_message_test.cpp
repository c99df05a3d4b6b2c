// SPDX-License-Identifier: GPL-2.0-or-later
#include "pciassign/rpc_message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pciassign::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ParseRequest, reads_what_request_line_writes) {
  const Request request{7, "attach", {{"domain", "net"}}};
  const auto read = parse_request(request_line(request));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->id, request.id);
  EXPECT_EQ(read->method, "attach");
  EXPECT_EQ(read->params, request.params);
}

struct Malformed {
  const char* line;
  int code;
  const char* says;
};

class MalformedRequest : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedRequest, is_told_with_json_rpcs_own_code) {
  const auto read = parse_request(GetParam().line);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, GetParam().code);
  EXPECT_THAT(read.error().message, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All, MalformedRequest,
    ::testing::Values(
        Malformed{"garbage", kParseError, "not JSON"},
        Malformed{"{\"jsonrpc\":\"2.0\",", kParseError, "not JSON"},
        Malformed{"\xff\xfe", kParseError, "not JSON"}, Malformed{"[]", kInvalidRequest, "batches"},
        Malformed{"42", kInvalidRequest, "an object"}, Malformed{"{}", kInvalidRequest, "id"},
        Malformed{R"({"jsonrpc":"2.0","id":null,"method":"list"})", kInvalidRequest, "id"},
        Malformed{R"({"jsonrpc":"2.0","id":{},"method":"list"})", kInvalidRequest, "id"},
        Malformed{R"({"id":1,"method":"list"})", kInvalidRequest, "jsonrpc"},
        Malformed{R"({"jsonrpc":"1.0","id":1,"method":"list"})", kInvalidRequest, "jsonrpc"},
        Malformed{R"({"jsonrpc":"2.0","id":1})", kInvalidRequest, "method"},
        Malformed{R"({"jsonrpc":"2.0","id":1,"method":5})", kInvalidRequest, "method"},
        Malformed{R"({"jsonrpc":"2.0","id":1,"method":"list","params":[]})", kInvalidParams,
                  "params"}));

TEST(ParseRequest, survives_nesting_without_end) {
  const auto read = parse_request(std::string(100'000, '['));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, kParseError);
}

TEST(ParseIncoming, tells_answers_from_notifications) {
  const auto answer = parse_incoming(result_line(3, "yes"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(std::get<Reply>(*answer).result, "yes");
  const auto note = parse_incoming(notification_line("step", {{"index", 1}}));
  ASSERT_TRUE(note);
  EXPECT_EQ(std::get<Notification>(*note).method, "step");
}

TEST(ParseIncoming, carries_the_whole_error) {
  const Error error{ErrorKind::busy, "E-BUSY", "in use", "wait", 16};
  const auto line = error_line(9, error, {{"steps", boost::json::array{}}});
  EXPECT_THAT(line, HasSubstr("-32005"));
  const auto read = parse_incoming(line);
  ASSERT_TRUE(read);
  const Reply& reply = std::get<Reply>(*read);
  ASSERT_TRUE(reply.error);
  EXPECT_EQ(reply.error->kind, ErrorKind::busy);
  EXPECT_EQ(reply.error->code, "E-BUSY");
  EXPECT_EQ(reply.error->message, "in use");
  EXPECT_EQ(reply.error->hint, "wait");
  EXPECT_EQ(reply.error->sys_errno, 16);
  EXPECT_TRUE(reply.error_data.contains("steps"));
}

TEST(ParseIncoming, refuses_what_is_neither) {
  for (const char* line : {"x", "[]", "{}", R"({"id":1})", R"({"id":1,"error":5})"}) {
    EXPECT_FALSE(parse_incoming(line)) << line;
  }
}

std::vector<std::string> lines_of(LineFramer& framer, std::string_view bytes, bool expect = true) {
  std::vector<std::string> lines;
  EXPECT_EQ(framer.feed(bytes, [&](std::string_view line) { lines.emplace_back(line); }), expect);
  return lines;
}

TEST(LineFramer, joins_what_arrives_in_pieces) {
  LineFramer framer(100);
  EXPECT_THAT(lines_of(framer, "on"), ElementsAre());
  EXPECT_EQ(framer.pending(), 2U);
  EXPECT_THAT(lines_of(framer, "e\r\n\ntwo\nth"), ElementsAre("one", "two"));
  EXPECT_THAT(lines_of(framer, "ree\n"), ElementsAre("three"));
  EXPECT_EQ(framer.pending(), 0U);
}

TEST(LineFramer, never_stores_more_than_its_limit) {
  LineFramer framer(10);
  EXPECT_THAT(lines_of(framer, "0123456789\n"), ElementsAre("0123456789"));
  lines_of(framer, "01234", true);
  lines_of(framer, "567890", false);
  EXPECT_EQ(framer.pending(), 0U);
}

}  // namespace
}  // namespace pciassign::rpc
