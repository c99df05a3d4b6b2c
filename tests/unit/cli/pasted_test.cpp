// SPDX-License-Identifier: GPL-2.0-or-later
// Whatever a domain is called: the commands that are printed do what they say when they are pasted.
#include <fstream>

#include "fixture.hpp"
#include "pasted.hpp"

namespace pciassign::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Pasted : public DaemonTest, public ::testing::WithParamInterface<std::string> {
 protected:
  Pasted() {
    fs::create_directories(directory / "assignments.d");
    std::ofstream(directory / "pciassignd.toml")
        << "[paths]\nassignments = \"" << (directory / "assignments.d").string() << "\"\n";
  }
  /// Of the text, which has it behind these words in one line.
  static std::string printed(const std::string& text, const std::string& before = "undo: ") {
    const auto at = text.find(before);
    if (at == std::string::npos) return "not printed: " + text;
    const auto begin = at + before.size();
    return text.substr(begin, text.find('\n', begin) - begin);
  }
  static std::string in_json(const std::string& text) {
    const auto result = boost::json::parse(text).at("result");
    const auto* plan = result.as_object().if_contains("plan");
    return std::string((plan != nullptr ? *plan : result).at("undo_command").as_string());
  }
  /// With what such a command needs before the name.
  static std::vector<std::string> words(std::vector<std::string> command, const std::string& name,
                                        const std::string& device) {
    if (name.starts_with('-')) command.emplace_back("--");
    command.insert(command.end(), {name, device});
    return command;
  }
  static std::vector<std::string> program(std::vector<std::string> words) {
    words.insert(words.begin(), "pciassign");
    return words;
  }
  const std::string device = "0000:00:04.0";
};

TEST_P(Pasted, the_undo_of_attach_and_detach_names_the_domain) {
  const std::string name = GetParam();
  world.add_domain(3, name);
  start();
  // A number is a domid: nobody can name this domain by its name.
  const std::string operand = name == "7" ? "3" : name;
  const auto attach = words({"attach"}, operand, device),
             detach = words({"detach"}, operand, device);
  Ran ran = pciassign(attach);
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(pasted(printed(ran.out)), program(detach));
  ran = pciassign(detach);
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(pasted(printed(ran.out)), program(attach));

  const auto json = [](std::vector<std::string> command) {
    command.insert(command.begin() + 1, "--json");
    return command;
  };
  EXPECT_EQ(pasted(in_json(pciassign(json(attach)).out)), program(detach));
  EXPECT_EQ(pasted(in_json(pciassign(json(detach)).out)), program(attach));
  const auto plan = words({"plan", "attach"}, operand, device);
  EXPECT_EQ(pasted(printed(pciassign(plan).out, "undo afterwards with: ")), program(detach));
}

TEST_P(Pasted, the_undo_of_assign_and_unassign_names_the_domain) {
  const std::string name = GetParam();
  const auto assign = words({"assign"}, name, device);
  Ran ran = pciassign(assign);
  if (name == "7") {
    EXPECT_EQ(ran.status, 2);
    EXPECT_THAT(ran.err, HasSubstr("it is a number"));
    return;
  }
  ASSERT_EQ(ran.status, 0) << ran.err;
  auto unassign = words({"unassign"}, name, device);
  unassign.pop_back();
  EXPECT_EQ(pasted(printed(ran.out)), program(unassign));
  ran = pciassign(unassign);
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(pasted(printed(ran.out)), program(assign));
  auto json = assign;
  json.insert(json.begin() + 1, "--json");
  EXPECT_EQ(pasted(in_json(pciassign(json).out)), program(unassign));
}

TEST_P(Pasted, the_undo_of_a_dry_run_of_create_names_the_domain) {
  const std::string name = GetParam();
  std::ofstream(directory / "domain.cfg") << "name = \"" << name << "\"\ntype = \"pv\"\n"
                                          << "memory = 64\n";
  const Ran ran = pciassign({"create", "--dry-run", directory / "domain.cfg"});
  if (name == "7") return;  // To xl that is another domain.
  ASSERT_EQ(ran.status, 0) << ran.err;
  auto words = pasted(printed(ran.out, "undo afterwards with: "));
  std::erase(words, "--");
  EXPECT_EQ(words, (std::vector<std::string>{"xl", "destroy", name}));
}

INSTANTIATE_TEST_SUITE_P(Names, Pasted,
                         ::testing::Values("net", "web server", "a'b", "$(reboot)", "x;y", "-n",
                                           "7"));

}  // namespace
}  // namespace pciassign::test
