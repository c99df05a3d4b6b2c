// SPDX-License-Identifier: GPL-2.0-or-later
#include "pciassign/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace pciassign::config {
namespace {

using ::testing::ElementsAre;
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
  static std::vector<std::string> names(const Assignments& all) {
    std::vector<std::string> names;
    for (const auto& [name, entry] : all) names.push_back(name);
    return names;
  }
  std::filesystem::path path_;
};

TEST_F(Directory, holds_none_when_it_is_missing) {
  const auto all = load_assignments(path_ / "absent");
  EXPECT_TRUE(all.good.empty());
  EXPECT_TRUE(all.problems.empty());
}

TEST_F(Directory, other_files_are_left_alone) {
  write("a.toml", "[domain.a]\ndevices=[\"1:0.0\"]\n");
  write("b.toml.sample", "nonsense");
  const auto all = load_assignments(path_);
  EXPECT_TRUE(all.problems.empty());
  EXPECT_EQ(all.good.size(), 1U);
}

TEST_F(Directory, of_one_domain_in_two_files_the_first_counts_and_both_are_named) {
  write("a.toml", "[domain.a]\ndevices=[\"1:0.0\"]\n");
  write("b.toml", "\n[domain.a]\ndevices=[\"2:0.0\"]\n");
  const auto all = load_assignments(path_);
  ASSERT_EQ(all.problems.size(), 1U);
  const Problem& problem = all.problems.front();
  EXPECT_EQ(problem.file, path_ / "b.toml");
  EXPECT_THAT(problem.error.message, HasSubstr("b.toml:2:1"));
  EXPECT_THAT(problem.error.message, HasSubstr("a.toml:1:1"));
  EXPECT_EQ(all.good.at("a").devices.front().sbdf.bus, 1);
}

TEST_F(Directory, a_bad_entry_leaves_the_good_ones_beside_it) {
  write("a.toml",
        "[domain.z]\ndevices=[\"1:0.0\"]\n[domain.bad]\ndevices=[]\n[domain.a]\ndevices=[\"2:0.0\"]"
        "\n");
  const auto all = load_assignments(path_);
  EXPECT_THAT(names(all.good), ElementsAre("a", "z"));
  ASSERT_EQ(all.problems.size(), 1U);
  EXPECT_THAT(all.problems.front().domains, ElementsAre("bad"));
  EXPECT_THAT(all.problems.front().error.message, HasSubstr("a.toml:3:1"));
  EXPECT_NE(all.problems.front().error.hint, "");
}

TEST_F(Directory, an_unknown_word_at_the_top_leaves_the_entries) {
  write("a.toml", "[domian.b]\nx=1\n[domain.a]\ndevices=[\"1:0.0\"]\n");
  const auto all = load_assignments(path_);
  EXPECT_THAT(names(all.good), ElementsAre("a"));
  ASSERT_EQ(all.problems.size(), 1U);
  EXPECT_TRUE(all.problems.front().whole);
}

TEST_F(Directory, what_cannot_be_read_concerns_itself_only_and_nobody_waits_for_it) {
  write("good.toml", "[domain.good]\ndevices=[\"1:0.0\"]\n");
  write("broken.toml",
        "[domain.one\n x\n [ domain . \"two.x\" ]\n[driver-domain.three]\n[domain.'four']\n"
        "[[domain.five]]\n# [domain.no]\n[other.no]\n[domain]\n[domain.\"no\n");
  std::filesystem::create_directory(path_ / "directory.toml");
  std::filesystem::create_symlink("nowhere", path_ / "link.toml");
  std::filesystem::create_symlink("/dev/zero", path_ / "device.toml");
  ASSERT_EQ(::mkfifo((path_ / "fifo.toml").c_str(), 0600), 0);
  write("large.toml", std::string((1 << 20) + 1, '#'));
  write("latin1.toml", "[domain.latin1]\ndevices=[\"1:0.0\"] # \xe9\n");
  write("zero.toml", std::string("[domain.zero]\n\0", 15));
  const auto all = load_assignments(path_);
  EXPECT_THAT(names(all.good), ElementsAre("good"));
  std::map<std::string, Problem> by_file;
  for (const Problem& problem : all.problems) {
    EXPECT_TRUE(problem.whole) << problem.file;
    EXPECT_FALSE(problem.minor) << problem.file;
    EXPECT_THAT(problem.error.message, StartsWith(problem.file.string() + ":"));
    EXPECT_NE(problem.error.hint, "") << problem.file;
    by_file[problem.file.stem()] = problem;
  }
  EXPECT_THAT(by_file.at("broken").domains, ElementsAre("five", "four", "one", "three", "two.x"));
  EXPECT_THAT(by_file.at("directory").error.message, HasSubstr("a directory"));
  EXPECT_THAT(by_file.at("link").error.message, HasSubstr("a link to nowhere"));
  EXPECT_THAT(by_file.at("device").error.message, HasSubstr("a device"));
  EXPECT_THAT(by_file.at("fifo").error.message, HasSubstr("a FIFO"));
  EXPECT_THAT(by_file.at("large").error.message, HasSubstr("too large"));
  EXPECT_THAT(by_file.at("latin1").domains, ElementsAre("latin1"));
  EXPECT_THAT(by_file.at("zero").domains, ElementsAre("zero"));
  EXPECT_EQ(by_file.size(), 8U);
}

TEST_F(Directory, files_of_editors_are_named_and_nothing_more) {
  std::filesystem::create_symlink("user@host.1:2", path_ / ".#net.toml");
  write(".net.toml.swp", "nonsense");
  const auto all = load_assignments(path_);
  ASSERT_EQ(all.problems.size(), 1U);
  EXPECT_TRUE(all.problems.front().minor);
  EXPECT_FALSE(all.problems.front().whole);
  EXPECT_THAT(all.problems.front().error.message, HasSubstr("begins with a dot"));
}

TEST_F(Directory, one_that_cannot_be_read_is_the_problem) {
  write("file", "");
  const auto all = load_assignments(path_ / "file");
  ASSERT_EQ(all.problems.size(), 1U);
  EXPECT_EQ(all.problems.front().file, path_ / "file");
  EXPECT_TRUE(all.problems.front().whole);
}

}  // namespace
}  // namespace pciassign::config
