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
        << "[paths]\nassignments = \"" << assignments.string() << "\"\ndomains = \""
        << domains.string() << "\"\n";
    std::filesystem::create_directories(domains);
  }
  std::string file(const std::string& name) {
    std::ifstream in(assignments / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  const std::filesystem::path assignments = directory / "assignments.d",
                              domains = directory / "domains.d";
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
  EXPECT_EQ(config::load_assignments(assignments).good.count(std::string(255, 'a')), 1U);
}

TEST_F(Assign, wrong_input_changes_nothing) {
  EXPECT_EQ(pciassign({"assign", "net", "zz"}).status, 2);
  EXPECT_EQ(pciassign({"assign", "net", "00:04.0", "--on-failure", "explode"}).status, 2);
  EXPECT_EQ(pciassign({"unassign", "net"}).status, 3);
  EXPECT_TRUE(std::filesystem::is_empty(assignments));
}

TEST_F(Assign, a_bad_file_of_others_is_only_remarked_upon) {
  std::ofstream(assignments / "bad.toml") << "[domain";
  std::ofstream(domains / "bad2.toml") << "x";
  const Ran ran = pciassign({"assign", "net", "00:04.0"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("/bad.toml:1:"));
  EXPECT_THAT(ran.err, HasSubstr("/bad2.toml:1:"));
  EXPECT_EQ(pciassign({"unassign", "net"}).status, 0);
}

TEST_F(Assign, where_the_own_entry_is_bad_nothing_is_written) {
  const auto refused = [this](const std::string& name, const std::string& text) {
    std::ofstream(assignments / name) << text;
    for (const Ran& ran :
         {pciassign({"assign", "net", "00:04.0"}), pciassign({"unassign", "net"})}) {
      EXPECT_EQ(ran.status, 2);
      EXPECT_THAT(ran.err, HasSubstr(name));
    }
    EXPECT_EQ(file(name), text);
    std::filesystem::remove(assignments / name);
    EXPECT_TRUE(std::filesystem::is_empty(assignments));
  };
  refused("net.toml", "nonsense");
  refused("other.toml", "[domain.net]\ndevices = []\n");
  refused("third.toml", "[domain.net]\nnonsense\n");
}

TEST_F(Assign, what_is_a_driver_domains_is_refused_also_while_the_daemon_is_stopped) {
  std::ofstream(domains / "d.toml") << "[driver-domain.drv]\nclass = \"net\"\ndevices = "
                                       "[\"00:05.0\"]\nconfig = \"/c\"\n";
  EXPECT_THAT(pciassign({"assign", "drv", "00:04.0"}).err, HasSubstr("d.toml:1:1"));
  EXPECT_THAT(pciassign({"assign", "net", "00:05.0"}).err, HasSubstr("d.toml:1:1"));
  EXPECT_TRUE(std::filesystem::is_empty(assignments));
  // What overlaps all the same can be taken away.
  std::ofstream(assignments / "net.toml") << "[domain.net]\ndevices = [\"00:04.0\", \"00:05.0\"]\n";
  start_with_files();
  EXPECT_EQ(pciassign({"unassign", "net", "00:04.0"}).status, 0);
  EXPECT_EQ(pciassign({"unassign", "net"}).status, 0);
  EXPECT_TRUE(std::filesystem::is_empty(assignments));
}

TEST_F(Assign, a_file_that_the_daemon_cannot_use_is_put_back) {
  start_with_files();
  // The daemon knows a driver domain of which the file is gone.
  std::ofstream(domains / "d.toml") << "[driver-domain.drv]\nclass = \"net\"\ndevices = "
                                       "[\"00:05.0\"]\nconfig = \"/c\"\nautostart = false\n";
  ASSERT_TRUE(client().call("reload", {}));
  std::ofstream(domains / "d.toml") << "nonsense";
  const Ran ran = pciassign({"assign", "net", "00:05.0"});
  EXPECT_EQ(ran.status, 2) << ran.out;
  EXPECT_THAT(ran.err, HasSubstr("is configured already at"));
  EXPECT_TRUE(std::filesystem::is_empty(assignments));
  EXPECT_EQ(on_loop([&] { return core().problems().size(); }), 1U) << "only d.toml's is left";
}

}  // namespace
}  // namespace pciassign::test
