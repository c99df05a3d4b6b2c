// SPDX-License-Identifier: GPL-2.0-or-later
// Names of domains, the paths that are made of them, and commands with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pasted.hpp"
#include "pciassign/config.hpp"
#include "pciassign/config_domains.hpp"
#include "pciassign/config_names.hpp"
#include "pciassign/shell_words.hpp"

namespace pciassign::config {
namespace {

using test::pasted;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kLong49(49, 'a');

TEST(DriverDomainName, is_what_a_file_a_domain_and_xl_can_be_called) {
  for (const std::string& name : {std::string("n"), std::string("net1"), std::string("7up"),
                                  std::string("a.b-c_D"), std::string(48, 'a')}) {
    const auto parsed = DriverDomainName::parse(name);
    ASSERT_TRUE(parsed) << name;
    EXPECT_EQ(parsed->str(), name);
  }
  EXPECT_EQ(DriverDomainName::parse("net1")->file_name(".toml"), "net1.toml");
}

TEST(DriverDomainName, is_refused_with_the_reason_where_it_means_something_else) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("/tmp/v"),
        std::string("a/b"), std::string("-n"), std::string("_n"), std::string("a b"),
        std::string("a\n"), std::string("\xc3\xa4"), kLong49, std::string("12"),
        std::string("Domain-0"), std::string("net-standby"), std::string("net-dead-3"),
        std::string("a\0b", 3)}) {
    const auto parsed = DriverDomainName::parse(name);
    ASSERT_FALSE(parsed) << name;
    EXPECT_EQ(parsed.error().kind, ErrorKind::usage);
    EXPECT_THAT(parsed.error().message, HasSubstr("is no name for a driver domain: "));
    EXPECT_THAT(parsed.error().message, Not(HasSubstr("\n")));
    EXPECT_FALSE(parsed.error().hint.empty());
  }
}

TEST(DriverDomainName, gives_names_that_nobody_else_can_have) {
  const auto name = DriverDomainName::parse("net");
  EXPECT_EQ(name->standby(), "net-standby");
  EXPECT_EQ(name->dead(7), "net-dead-7");
  EXPECT_FALSE(DriverDomainName::parse(name->standby()));
  EXPECT_FALSE(DriverDomainName::parse(name->dead(7)));
}

TEST(DriverDomainName, is_judged_alike_in_domains_d) {
  for (const std::string name : {"12", "Domain-0", "net-standby", "net-dead-3", "..", ""}) {
    const auto read = parse_driver_domains("[driver-domain.\"" + name +
                                               "\"]\nclass = \"net\"\ndevices = [\"00:04.0\"]\n"
                                               "config = \"/c\"\n",
                                           "f.toml");
    ASSERT_FALSE(read) << name;
    EXPECT_THAT(read.error().message, StartsWith("f.toml:1:1: "));
    EXPECT_EQ(read.error().hint, DriverDomainName::parse(name).error().hint);
  }
}

TEST(DomainName, is_whatever_an_administrator_calls_a_domain) {
  for (const std::string& name :
       {std::string("web server"), std::string("a'b"), std::string("$(reboot)"), std::string("-n"),
        std::string("7a"), std::string("\xc3\xa4"), std::string(255, 'a')})
    EXPECT_EQ(DomainName::parse(name)->str(), name);
}

TEST(DomainName, is_refused_where_no_domain_has_it_or_it_is_a_path) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("7"),
        std::string("a\tb"), std::string("a\0b", 3), std::string(256, 'a')}) {
    const auto parsed = DomainName::parse(name);
    ASSERT_FALSE(parsed) << name;
    EXPECT_EQ(parsed.error().kind, ErrorKind::usage);
    EXPECT_FALSE(parsed.error().hint.empty());
  }
}

TEST(DomainName, makes_a_file_name_that_is_one_and_is_read) {
  EXPECT_EQ(DomainName::parse("web server")->file_name(".toml"), "web_server.toml");
  EXPECT_EQ(DomainName::parse("...")->file_name(".toml"), "___.toml");
  EXPECT_LE(DomainName::parse(std::string(255, 'a'))->file_name(".toml").size(), 245U);
}

TEST(DomainName, is_judged_alike_in_assignments_d) {
  for (const std::string name : {"", "7", "a/b", ".."}) {
    const auto read =
        parse_assignments("[domain.\"" + name + "\"]\ndevices = [\"00:04.0\"]\n", "a.toml");
    ASSERT_FALSE(read) << name;
    EXPECT_THAT(read.error().message, StartsWith("a.toml:1:1: "));
  }
}

TEST(Paths, of_the_daemon_mean_one_place) {
  for (const std::string key : {"state", "socket", "assignments", "domains", "sysfs"})
    for (const std::string value : {"", "here", "./here", "/a/../b", "/a\\u0000b"}) {
      const auto read = parse_daemon_config("[paths]\n" + key + " = \"" + value + "\"\n", "f.toml");
      ASSERT_FALSE(read) << key << value;
      EXPECT_THAT(read.error().message, StartsWith("f.toml:2:" + std::to_string(key.size() + 4)));
      EXPECT_THAT(read.error().message, HasSubstr("absolute"));
    }
  for (const std::string key : {"metrics_socket", "metrics_file", "xl"}) {
    EXPECT_TRUE(parse_daemon_config("[paths]\n" + key + " = \"\"\n", "f.toml")) << key;
    EXPECT_FALSE(parse_daemon_config("[paths]\n" + key + " = \"here\"\n", "f.toml")) << key;
  }
  EXPECT_EQ(parse_daemon_config("[paths]\nstate = \"/a//./b/\"\n", "f")->paths.state, "/a/b");
}

TEST(Paths, of_the_command_line_begin_at_the_working_directory) {
  EXPECT_EQ(*path_of_option("--socket", "/a/s"), "/a/s");
  EXPECT_EQ(*path_of_option("--socket", "s"), std::filesystem::current_path() / "s");
  const auto none = path_of_option("--socket", "");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::usage);
  EXPECT_THAT(none.error().message, HasSubstr("--socket"));
}

TEST(ShellWords, arrive_as_they_were) {
  for (const std::string word : {"web server", "a'b", "''", "$(reboot)", "x;y", "-n", "7", "", "*",
                                 "~", "\\", "\"", "#", "a\xc3\xa4", "!x", "`id`", "0000:03:00.*"}) {
    std::vector<std::string> words{"pciassign", "attach", word, "03:00.0"};
    if (word.starts_with('-')) words.insert(words.begin() + 2, "--");
    EXPECT_EQ(pasted(shell_command("pciassign attach", {word, "03:00.0"})), words);
  }
}

TEST(ShellWords, stay_bare_where_they_can) {
  EXPECT_EQ(shell_quote("0000:03:00.0,seize=1"), "0000:03:00.0,seize=1");
  EXPECT_EQ(shell_quote("a_b@%+/x-"), "a_b@%+/x-");
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_words({"xl", "destroy", "web server"}), "xl destroy 'web server'");
}

TEST(ShellWords, name_a_domain_by_its_number_where_its_name_is_none) {
  EXPECT_EQ(domain_operand("web server", 7), "web server");
  for (const std::string name : {"", "12", "a\nb", "domain-7"})
    EXPECT_EQ(domain_operand(name, 7), "7") << name;
}

}  // namespace
}  // namespace pciassign::config
