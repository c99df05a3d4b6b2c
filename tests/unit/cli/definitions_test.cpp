// SPDX-License-Identifier: GPL-2.0-or-later
// The table of commands: what is made from it is complete and well formed.
#include "definitions.hpp"

#include <cstdlib>
#include <fstream>
#include <set>

#include "fixture.hpp"

namespace pciassign::test {
namespace {

using ::testing::HasSubstr;

class Definitions : public DaemonTest {};

TEST_F(Definitions, names_are_unique_and_every_command_has_help) {
  std::set<std::string> names;
  for (const cli::Command& command : cli::definitions()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name;
    EXPECT_STRNE(command.words, "") << command.name;
    std::vector<std::string> words;
    std::istringstream in(command.name);
    for (std::string word; in >> word;) words.push_back(word);
    words.emplace_back("--help");
    const Ran ran = pciassign(words);
    EXPECT_EQ(ran.status, 0) << command.name << ran.err;
    for (const cli::Argument& argument : command.arguments) {
      std::string type = argument.type;
      if (type.ends_with("...")) type.resize(type.size() - 3);
      EXPECT_THAT(ran.out, HasSubstr(type)) << command.name;
    }
  }
}

TEST_F(Definitions, every_change_has_a_dry_run) {
  for (const std::string name :
       {"attach", "detach", "create", "reserve", "release", "reset", "assign", "unassign",
        "domain create", "domain start", "domain stop", "domain recover", "domain remove"}) {
    const auto all = cli::definitions();
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const cli::Command& one) { return one.name == name; });
    ASSERT_NE(found, all.end()) << name;
    EXPECT_TRUE(std::any_of(found->flags.begin(), found->flags.end(), [](const cli::Flag& flag) {
      return std::string(flag.names) == "-n,--dry-run";
    })) << name;
  }
}

TEST_F(Definitions, the_dry_run_is_the_plan) {
  world.add_domain(3, "net");
  start();
  const auto before = on_loop([&] { return world.store.tree().dump(); });
  const Ran dry = pciassign({"attach", "net", "00:04.0", "--dry-run"});
  EXPECT_EQ(dry.status, 0) << dry.err;
  EXPECT_EQ(dry.out, pciassign({"plan", "attach", "net", "00:04.0"}).out);
  EXPECT_EQ(on_loop([&] { return world.store.tree().dump(); }), before);
}

/// Runs the completion script in bash for a line with the cursor at its end.
std::string completed(const std::string& script, const std::string& line) {
  const std::string file = ::testing::TempDir() + "completion.bash";
  std::ofstream(file) << script << "\nxl() { printf 'Name ID\\nDomain-0 0\\nnet 3\\n'; }\n"
                      << "COMP_WORDS=(" << line << " '')\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
                      << "_pciassign\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n";
  FILE* pipe = ::popen(("bash " + file + " 2>&1").c_str(), "r");
  std::string out;
  for (int c; (c = std::fgetc(pipe)) != EOF;) out += static_cast<char>(c);
  ::pclose(pipe);
  return out;
}

TEST_F(Definitions, bash_completes_commands_domains_and_flags_values) {
  const std::string script = pciassign({"completion", "bash"}).out;
  EXPECT_THAT(completed(script, "pciassign"), HasSubstr("attach\n"));
  EXPECT_THAT(completed(script, "pciassign plan"), HasSubstr("release\n"));
  EXPECT_THAT(completed(script, "pciassign attach"), HasSubstr("net\n"));
  EXPECT_THAT(completed(script, "pciassign plan attach"), HasSubstr("net\n"));
  EXPECT_THAT(completed(script, "pciassign assign net --on-failure"), HasSubstr("keep-paused\n"));
  EXPECT_THAT(completed(script, "pciassign domain"), HasSubstr("recover\n"));
  EXPECT_EQ(completed(script, "pciassign domain create net1 --class"), "net\nblock\n");
  EXPECT_EQ(completed(script, "pciassign list --class"), "\n");
  EXPECT_EQ(completed(script, "pciassign status"), "\n");
}

TEST_F(Definitions, zsh_is_offered_every_command) {
  const std::string script = pciassign({"completion", "zsh"}).out;
  for (const cli::Command& command : cli::definitions())
    EXPECT_THAT(script, HasSubstr(std::string("'") + command.name + "')")) << command.name;
}

TEST_F(Definitions, completion_for_another_shell_is_refused) {
  EXPECT_EQ(pciassign({"completion", "fish"}).status, 2);
}

}  // namespace
}  // namespace pciassign::test
