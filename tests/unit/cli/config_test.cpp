// SPDX-License-Identifier: GPL-2.0-or-later
#include "pciassign/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace pciassign::config {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(DaemonConfig, an_empty_file_gives_the_defaults) {
  const auto config = parse_daemon_config("", "f");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->paths.socket, "/run/pciassign/control.sock");
  EXPECT_EQ(config->settings.detach_limit, std::chrono::seconds(10));
}

TEST(DaemonConfig, every_setting_is_read) {
  const auto config = parse_daemon_config(R"(
log_level = "debug"
[paths]
state = "/s"
socket = "/k"
assignments = "/a"
domains = "/d"
xl = "/x"
metrics_socket = ""
metrics_file = "/m"
[limits]
connect_seconds = 1
backend_seconds = 2
detach_seconds = 3
clients = 4
message_bytes = 8192
plans = 6
)",
                                          "f");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->log_level, LogLevel::debug);
  EXPECT_EQ(config->paths.state, "/s");
  EXPECT_EQ(config->paths.socket, "/k");
  EXPECT_EQ(config->paths.assignments, "/a");
  EXPECT_EQ(config->paths.domains, "/d");
  EXPECT_EQ(config->paths.xl, "/x");
  EXPECT_EQ(config->paths.metrics_socket, "");
  EXPECT_EQ(config->paths.metrics_file, "/m");
  EXPECT_EQ(config->settings.connect_limit, std::chrono::seconds(1));
  EXPECT_EQ(config->settings.backend_limit, std::chrono::seconds(2));
  EXPECT_EQ(config->settings.detach_limit, std::chrono::seconds(3));
  EXPECT_EQ(config->limits.clients, 4U);
  EXPECT_EQ(config->limits.message_bytes, 8192U);
  EXPECT_EQ(config->limits.plans, 6U);
}

struct Wrong {
  const char* text;
  const char* position;
  const char* says;
};

class WrongDaemonConfig : public ::testing::TestWithParam<Wrong> {};
TEST_P(WrongDaemonConfig, is_told_with_its_position) {
  const auto config = parse_daemon_config(GetParam().text, "f.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().kind, ErrorKind::usage);
  EXPECT_THAT(config.error().message, StartsWith(GetParam().position));
  EXPECT_THAT(config.error().message, HasSubstr(GetParam().says));
}
INSTANTIATE_TEST_SUITE_P(
    All, WrongDaemonConfig,
    ::testing::Values(Wrong{"\nlog_level = \"loud\"\n", "f.toml:2:13: ", "loud"},
                      Wrong{"log_level = 5", "f.toml:1:13: ", "string"},
                      Wrong{"[limits]\nclients = 0", "f.toml:2:11: ", "from 2"},
                      Wrong{"[limits]\nclients = \"many\"", "f.toml:2:11: ", "integer"},
                      Wrong{"[limits]\ncleints = 5", "f.toml:2:11: ", "cleints"},
                      Wrong{"limits = 5", "f.toml:1:10: ", "table"},
                      Wrong{"[paths]\nstate = ", "f.toml:2:", ""},
                      Wrong{"[nonsense]\n", "f.toml:1:1: ", "nonsense"}));

TEST(Assignments, are_read_with_their_options) {
  const auto all = parse_assignments(R"(
[domain.net]
devices = ["00:04.0", "0000:00:05.0,permissive=1"]
on_failure = "start"
[domain."with space"]
devices = ["00:06.*"]
)",
                                     "f");
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 2U);
  const Assignment& net = all->at("net");
  EXPECT_EQ(net.on_failure, OnFailure::start);
  ASSERT_EQ(net.devices.size(), 2U);
  EXPECT_TRUE(net.devices[1].options.permissive);
  EXPECT_EQ(all->at("with space").on_failure, OnFailure::keep_paused);
  EXPECT_TRUE(all->at("with space").devices[0].all_functions);
}

class WrongAssignment : public ::testing::TestWithParam<Wrong> {};
TEST_P(WrongAssignment, is_told_with_its_position) {
  const auto all = parse_assignments(GetParam().text, "a.toml");
  ASSERT_FALSE(all);
  EXPECT_THAT(all.error().message, StartsWith(GetParam().position));
  EXPECT_THAT(all.error().message, HasSubstr(GetParam().says));
}
INSTANTIATE_TEST_SUITE_P(
    All, WrongAssignment,
    ::testing::Values(Wrong{"[domain.net]\ndevices = [\"00:04.0\", \"99\"]", "a.toml:2:23: ", "99"},
                      Wrong{"[domain.net]\ndevices = [4]", "a.toml:2:12: ", "string"},
                      Wrong{"[domain.net]\ndevices = \"00:04.0\"", "a.toml:2:11: ", "array"},
                      Wrong{"[domain.net]\n", "a.toml:1:1: ", "devices"},
                      Wrong{"[domain.net]\ndevices = [\"00:04.0\",\"0:4.0\"]",
                            "a.toml:2:", "twice"},
                      Wrong{"[domain.net]\ndevices = [\"00:04.0\"]\non_failure = \"panic\"",
                            "a.toml:3:14: ", "keep-paused"},
                      Wrong{"[domain.net]\ndevice = []", "a.toml:2:10: ", "device"},
                      Wrong{"[net]\n", "a.toml:1:1: ", "net"},
                      Wrong{"domain = 3", "a.toml:1:10: ", "table"}));

class Directory : public ::testing::Test {
 protected:
  Directory() {
    std::string pattern = ::testing::TempDir() + "assignments.XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~Directory() override { std::filesystem::remove_all(path_); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(path_ / name) << text;
  }
  std::filesystem::path path_;
};

TEST_F(Directory, holds_none_when_it_is_missing) {
  const auto all = load_assignments(path_ / "absent");
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->empty());
}

TEST_F(Directory, other_files_are_left_alone) {
  write("a.toml", "[domain.a]\ndevices=[\"1:0.0\"]\n");
  write("b.toml.sample", "nonsense");
  const auto all = load_assignments(path_);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->size(), 1U);
}

TEST_F(Directory, one_domain_in_two_files_names_both) {
  write("a.toml", "[domain.a]\ndevices=[\"1:0.0\"]\n");
  write("b.toml", "\n[domain.a]\ndevices=[\"2:0.0\"]\n");
  const auto all = load_assignments(path_);
  ASSERT_FALSE(all);
  EXPECT_THAT(all.error().message, HasSubstr("b.toml:2:1"));
  EXPECT_THAT(all.error().message, HasSubstr("a.toml:1:1"));
}

}  // namespace
}  // namespace pciassign::config
