// SPDX-License-Identifier: GPL-2.0-or-later
// The files of domains.d.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "pciassign/config_domains.hpp"

namespace pciassign::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(DriverDomains, are_read_with_their_options) {
  const auto all = parse_driver_domains(R"(
[driver-domain.net]
class = "net"
devices = ["00:04.0"]
config = "/v/net/domain.cfg"
[driver-domain.disk]
class = "block"
devices = ["00:05.0", "00:06.0"]
config = "/v/disk/domain.cfg"
standby = true
autostart = false
heartbeat-timeout = 0
start-timeout = 7
most-crashes = 2
crash-window = 9
)",
                                        "f");
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 2U);
  const DriverDomain& net = all->at("net");
  EXPECT_EQ(net.driver_class, DriverClass::net);
  EXPECT_FALSE(net.standby);
  EXPECT_TRUE(net.autostart);
  EXPECT_EQ(net.heartbeat_timeout, std::chrono::seconds(10));
  const DriverDomain& disk = all->at("disk");
  EXPECT_EQ(disk.driver_class, DriverClass::block);
  EXPECT_EQ(disk.devices.size(), 2U);
  EXPECT_TRUE(disk.standby);
  EXPECT_FALSE(disk.autostart);
  EXPECT_EQ(disk.heartbeat_timeout.count(), 0);
  EXPECT_EQ(disk.start_timeout.count(), 7);
  EXPECT_EQ(disk.most_crashes, 2U);
  EXPECT_EQ(disk.crash_window.count(), 9);
  EXPECT_EQ(disk.standby_config(), "/v/disk/standby.cfg");
}

struct Mistake {
  const char* text;
  const char* position;
  const char* says;
};
class WrongDriverDomain : public ::testing::TestWithParam<Mistake> {};
TEST_P(WrongDriverDomain, is_told_with_its_position) {
  const auto read = parse_driver_domains(GetParam().text, "f.toml");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::usage);
  EXPECT_THAT(read.error().message, StartsWith(GetParam().position));
  EXPECT_THAT(read.error().message, HasSubstr(GetParam().says));
}
INSTANTIATE_TEST_SUITE_P(
    All, WrongDriverDomain,
    ::testing::Values(
        Mistake{"[driver-domain.n]\nclass = \"sound\"\ndevices = [\"00:04.0\"]\nconfig = \"/c\"",
                "f.toml:2:9: ", "net"},
        Mistake{"[driver-domain.n]\nclass = \"net\"\nconfig = \"/c\"", "f.toml:1:1: ", "devices"},
        Mistake{"[driver-domain.n]\nclass = \"net\"\ndevices = [\"00:04.0\"]",
                "f.toml:1:1: ", "config"},
        Mistake{"[driver-domain.n]\nclass = \"net\"\ndevices = [\"00:04.0\"]\nconfig = \"c\"",
                "f.toml:1:1: ", "absolute"},
        Mistake{"[driver-domain.n]\nclass = \"net\"\ndevices = [\"nic\"]\nconfig = \"/c\"",
                "f.toml:3:12: ", "nic"},
        Mistake{"[driver-domain.n]\nclass = \"net\"\ndevices = [\"00:04.0\", "
                "\"0000:00:04.0\"]\nconfig = \"/c\"",
                "f.toml:3:23: ", "twice"},
        Mistake{"[driver-domain.n]\nstandby = 1", "f.toml:2:11: ", "true or false"},
        Mistake{"[driver-domain.n]\nmost-crashes = 0", "f.toml:2:16: ", "from 1"},
        Mistake{"[driver-domain.n]\nstart_timeout = 5", "f.toml:2:17: ", "start_timeout"},
        Mistake{"[driver-domain.\"a/b\"]\n", "f.toml:1:1: ", "no name"},
        Mistake{"[domain.n]\n", "f.toml:1:1: ", "domain"}));

std::string entry(const std::string& name, const std::string& device) {
  return "[driver-domain." + name + "]\nclass = \"net\"\ndevices = [\"" + device +
         "\"]\nconfig = \"/c\"\n";
}

TEST(DriverDomains, of_one_directory_share_nothing) {
  std::string pattern = ::testing::TempDir() + "domains.XXXXXX";
  const std::filesystem::path directory = ::mkdtemp(pattern.data());
  EXPECT_TRUE(load_driver_domains(directory / "missing").good.empty());
  std::ofstream(directory / "a.toml") << entry("net", "00:04.0");
  std::ofstream(directory / "b.toml") << entry("disk", "00:05.0");
  std::ofstream(directory / "c.bak") << "nonsense";
  EXPECT_EQ(load_driver_domains(directory).good.size(), 2U);
  const auto expect_problem = [&](const std::string& name, const std::string& device) {
    std::ofstream(directory / "b.toml") << entry(name, device);
    const auto read = load_driver_domains(directory);
    EXPECT_EQ(read.good.size(), 1U) << "the first stays";
    EXPECT_TRUE(read.good.contains("net"));
    ASSERT_EQ(read.problems.size(), 1U) << name;
    EXPECT_THAT(read.problems.front().domains, ElementsAre(name));
    EXPECT_THAT(read.problems.front().error.message, HasSubstr("a.toml:1:1"));
    EXPECT_THAT(read.problems.front().error.message, HasSubstr("b.toml:1:1"));
  };
  expect_problem("net", "00:05.0");
  expect_problem("other", "00:04.0");
  std::filesystem::remove_all(directory);
}

TEST(DriverDomains, a_bad_entry_leaves_the_good_one_beside_it) {
  std::string pattern = ::testing::TempDir() + "domains.XXXXXX";
  const std::filesystem::path directory = ::mkdtemp(pattern.data());
  std::ofstream(directory / "a.toml") << "[driver-domain.bad]\n" << entry("net", "00:04.0");
  const auto read = load_driver_domains(directory);
  EXPECT_TRUE(read.good.contains("net"));
  ASSERT_EQ(read.problems.size(), 1U);
  EXPECT_THAT(read.problems.front().domains, ElementsAre("bad"));
  std::filesystem::remove_all(directory);
}

class Both : public ::testing::Test {
 protected:
  Both() {
    std::string pattern = ::testing::TempDir() + "both.XXXXXX";
    directory = ::mkdtemp(pattern.data());
    paths.assignments = directory / "assignments.d";
    paths.domains = directory / "domains.d";
    std::filesystem::create_directory(paths.assignments);
    std::filesystem::create_directory(paths.domains);
  }
  ~Both() override { std::filesystem::remove_all(directory); }
  void assign(const std::string& file, const std::string& name, const std::string& device) const {
    std::ofstream(paths.assignments / file)
        << "[domain." + name + "]\ndevices = [\"" + device + "\"]\n";
  }
  std::filesystem::path directory;
  Paths paths;
};

TEST_F(Both, a_driver_domain_stays_where_an_assignment_overlaps_with_it) {
  std::ofstream(paths.domains / "d.toml") << entry("net", "00:04.0");
  assign("a.toml", "guest", "00:04.0");
  assign("b.toml", "other", "00:05.0");
  const Configured all = load_configured(paths);
  EXPECT_TRUE(all.domains.contains("net"));
  EXPECT_FALSE(all.assignments.contains("guest"));
  EXPECT_TRUE(all.assignments.contains("other"));
  ASSERT_NE(all.problem_of("guest"), nullptr);
  EXPECT_EQ(all.problem_of("guest")->file, paths.assignments / "a.toml");
  EXPECT_EQ(all.problem_of("other"), nullptr);
  EXPECT_EQ(all.problem_of("net"), nullptr);
}

TEST_F(Both, former_entries_stay_while_their_file_is_bad_and_only_these) {
  assign("a.toml", "one", "00:04.0");
  assign("b.toml", "two", "00:05.0");
  std::ofstream(paths.domains / "d.toml") << entry("net", "00:06.0");
  const Configured before = load_configured(paths);
  ASSERT_TRUE(before.problems.empty());
  std::ofstream(paths.assignments / "a.toml") << "\xff";
  std::filesystem::remove(paths.assignments / "b.toml");
  std::ofstream(paths.domains / "d.toml") << "[driver-domain.net]\nclass = 1\n";
  const Configured after = load_configured(paths, before);
  EXPECT_TRUE(after.assignments.contains("one"));
  EXPECT_FALSE(after.assignments.contains("two"));
  EXPECT_TRUE(after.domains.contains("net"));
  ASSERT_EQ(after.problems.size(), 2U);
  for (const Problem& problem : after.problems) EXPECT_EQ(problem.kept.size(), 1U) << problem.file;
  // And in effect they cannot be taken from.
  std::ofstream(paths.domains / "e.toml") << entry("thief", "00:06.0");
  assign("c.toml", "guest", "00:06.0");
  const Configured then = load_configured(paths, after);
  EXPECT_TRUE(then.domains.contains("net"));
  EXPECT_FALSE(then.domains.contains("thief"));
  EXPECT_FALSE(then.assignments.contains("guest"));
  // The directory itself.
  std::filesystem::remove_all(paths.assignments);
  std::ofstream(paths.assignments) << "";
  EXPECT_TRUE(load_configured(paths, before).assignments.contains("two"));
  paths.assignments += "/";
  EXPECT_TRUE(load_configured(paths, before).assignments.contains("two"));
}

TEST(DriverDomains, and_assignments_share_nothing) {
  const auto domains = parse_driver_domains(entry("net", "00:04.0"), "d.toml");
  ASSERT_TRUE(domains);
  const auto overlap = [&](const std::string& name, const std::string& device) {
    const auto assignments =
        parse_assignments("[domain." + name + "]\ndevices = [\"" + device + "\"]\n", "a.toml");
    return check_overlap(*domains, assignments->begin()->second);
  };
  EXPECT_TRUE(overlap("guest", "00:05.0"));
  for (const auto& refused : {overlap("net", "00:05.0"), overlap("net-standby", "00:05.0"),
                              overlap("guest", "00:04.0")}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::usage);
    EXPECT_THAT(refused.error().message, HasSubstr("a.toml:1:1"));
    EXPECT_THAT(refused.error().message, HasSubstr("d.toml:1:1"));
  }
}

}  // namespace
}  // namespace pciassign::config
