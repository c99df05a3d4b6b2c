// SPDX-License-Identifier: GPL-2.0-or-later
// assign and unassign: files, and the daemon that reads them again.
#include <fstream>

#include "fixture.hpp"

namespace pciassign::test {
namespace {

using ::testing::HasSubstr;

class Assign : public DaemonTest {
 protected:
  Assign() {
    std::filesystem::create_directories(assignments);
    std::ofstream(directory / "pciassignd.toml")
        << "[paths]\nassignments = \"" << assignments.string() << "\"\n";
  }
  std::string file(const std::string& name) {
    std::ifstream in(assignments / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  const std::filesystem::path assignments = directory / "assignments.d";
};

TEST_F(Assign, makes_an_entry_and_unassign_takes_it_back) {
  Ran ran = pciassign({"assign", "net", "00:04.0"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("not running"));
  EXPECT_THAT(ran.out, HasSubstr("undo: pciassign unassign net\n"));
  EXPECT_THAT(file("net.toml"), HasSubstr("[domain.net]\ndevices = [\"0000:00:04.0\"]"));

  ran = pciassign({"assign", "net", "00:05.0", "--on-failure", "start"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("undo: pciassign unassign net 0000:00:05.0\n"));
  EXPECT_THAT(file("net.toml"), HasSubstr("on_failure = \"start\""));

  ran = pciassign({"unassign", "net", "00:04.0"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("undo: pciassign assign net 0000:00:04.0\n"));
  ASSERT_EQ(pciassign({"unassign", "net"}).status, 0);
  EXPECT_FALSE(std::filesystem::exists(assignments / "net.toml"));
}

TEST_F(Assign, a_dry_run_prints_the_file_and_writes_nothing) {
  const Ran ran = pciassign({"assign", "net", "00:04.0", "--dry-run"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("[domain.net]"));
  EXPECT_TRUE(std::filesystem::is_empty(assignments));
}

TEST_F(Assign, the_daemon_reads_it_at_once) {
  start();
  int reads = 0;
  on_loop([&] {
    commands().read_configuration = [&]() -> Result<void> {
      ++reads;
      return {};
    };
    return 0;
  });
  const Ran ran = pciassign({"assign", "net", "00:04.0"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  EXPECT_EQ(on_loop([&] { return reads; }), 1);
}

TEST_F(Assign, what_the_daemon_refuses_is_taken_back) {
  start();
  on_loop([&] {
    commands().read_configuration = []() -> Result<void> { return fail(ErrorKind::usage, "no"); };
    return 0;
  });
  EXPECT_EQ(pciassign({"assign", "net", "00:04.0"}).status, 2);
  EXPECT_TRUE(std::filesystem::is_empty(assignments));
}

TEST_F(Assign, an_entry_of_another_file_is_edited_there) {
  std::ofstream(assignments / "all.toml") << "# mine\n[domain.net]\ndevices = [\"00:04.0\"]\n";
  ASSERT_EQ(pciassign({"assign", "net", "00:05.0"}).status, 0);
  EXPECT_EQ(file("all.toml"), "# mine\n[domain.net]\ndevices = [\"00:04.0\", \"0000:00:05.0\"]\n");
  EXPECT_FALSE(std::filesystem::exists(assignments / "net.toml"));
}

TEST_F(Assign, what_cannot_be_a_domains_name_is_refused) {
  for (const std::string command : {"assign", "unassign"})
    for (const std::string& name : {std::string(), std::string("7"), std::string("a/b"),
                                    std::string(".."), std::string("a\nb"), std::string(256, 'a')})
      for (const bool dry : {true, false}) {
        std::vector<std::string> words{command, name, "00:04.0"};
        if (dry) words.emplace_back("--dry-run");
        const Ran ran = pciassign(words);
        EXPECT_EQ(ran.status, 2) << command << name;
        EXPECT_THAT(ran.err, HasSubstr("is no name for a domain")) << command << name;
      }
  EXPECT_TRUE(std::filesystem::is_empty(assignments));
  ASSERT_EQ(pciassign({"assign", std::string(255, 'a'), "00:04.0"}).status, 0);
  EXPECT_EQ(config::load_assignments(assignments)->count(std::string(255, 'a')), 1U);
}

TEST_F(Assign, wrong_input_changes_nothing) {
  EXPECT_EQ(pciassign({"assign", "net", "zz"}).status, 2);
  EXPECT_EQ(pciassign({"assign", "net", "00:04.0", "--on-failure", "explode"}).status, 2);
  EXPECT_EQ(pciassign({"unassign", "net"}).status, 3);
  std::ofstream(assignments / "bad.toml") << "[domain";
  EXPECT_EQ(pciassign({"assign", "net", "00:04.0"}).status, 2);
  EXPECT_FALSE(std::filesystem::exists(assignments / "net.toml"));
}

}  // namespace
}  // namespace pciassign::test
