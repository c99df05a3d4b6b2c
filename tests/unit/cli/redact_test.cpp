// SPDX-License-Identifier: GPL-2.0-or-later
#include "redact.hpp"

#include <gtest/gtest.h>

namespace pciassign::cli {
namespace {

TEST(Redactor, the_same_thing_becomes_the_same_word) {
  Redactor redact;
  EXPECT_EQ(redact("00:16:3e:01:02:03 and 00:16:3E:01:02:04 and 00:16:3e:01:02:03"),
            "mac-1 and mac-2 and mac-1");
  EXPECT_EQ(redact("10.1.2.3 fe80::1:2 10.1.2.3"), "ip-1 ip6-1 ip-1");
  EXPECT_EQ(redact("550e8400-e29b-41d4-a716-446655440000"), "uuid-1");
  EXPECT_EQ(redact("serial: S3Z9NB0K"), "serial: serial-1");
}

TEST(Redactor, names_go_only_as_whole_words) {
  Redactor redact;
  redact.add_name("net", "domain");
  redact.add_name("web+1", "domain");
  EXPECT_EQ(redact("net network net-b /net/ web+1"), "domain-1 network net-b /domain-1/ domain-2");
}

TEST(Redactor, what_a_bug_report_is_about_stays) {
  Redactor redact;
  const char* const text =
      "0000:03:00.0 8086:10d3 4.17.5 {{ feb40-feb7f }} 0000:00:04.0 - d1 - node -1 1.2.3.4.5\n"
      "pciback.hide=(00:04.0)(0000:00:05.0) d[IO] 12:34:56";
  EXPECT_EQ(redact(text), text);
}

}  // namespace
}  // namespace pciassign::cli
