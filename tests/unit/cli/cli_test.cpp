// SPDX-License-Identifier: GPL-2.0-or-later
// The command line against the daemon: golden output, errors, exit statuses.
#include <cctype>
#include <fstream>

#include "fixture.hpp"

namespace pciassign::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

bool is_figure(char c) {
  return (c >= '0' && c <= '9') || c == '.';
}

/// Replaces figure and unit of each duration, which differ from run to run. (std::regex makes GCC
/// warn under the sanitizers.)
std::string stable(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_figure(text[end])) ++end;
    if (end == at) {
      out += text[at++];
      continue;
    }
    std::string figure = text.substr(at, end - at);
    for (const std::string unit : {" us", " ms", " s"}) {
      const char next = end + unit.size() < text.size() ? text[end + unit.size()] : ' ';
      if (text.compare(end, unit.size(), unit) == 0 &&
          !std::isalpha(static_cast<unsigned char>(next))) {
        figure = "TIME";
        end += unit.size();
        while (!out.empty() && out.back() == ' ' && out.ends_with("  ")) out.pop_back();
        break;
      }
    }
    if (out.ends_with("\"took_us\":")) figure = "0";
    out += figure;
    at = end;
  }
  return out;
}

/// Compares with golden/NAME; PCIASSIGN_GOLDEN=write writes it anew.
void expect_golden(const std::string& name, const std::string& text) {
  const std::string file = std::string(TEST_DATA) + "/" + name;
  if (::getenv("PCIASSIGN_GOLDEN") != nullptr) {
    std::ofstream(file) << stable(text);
    return;
  }
  std::ifstream in(file);
  const std::string golden{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(stable(text), golden) << "differs from " << file
                                  << "; PCIASSIGN_GOLDEN=write renews it";
}

class Cli : public DaemonTest {
 protected:
  Cli() {
    world.pci.all[nic].facts.name = "82574L Gigabit Network Connection";
    world.add_domain(3, "net");
  }
};

TEST_F(Cli, golden_list) {
  start();
  ASSERT_EQ(pciassign({"attach", "net", "00:04.0"}).status, 0);
  expect_golden("list.txt", pciassign({"list"}).out);
  expect_golden("list.json", pciassign({"list", "--json"}).out);
}

TEST_F(Cli, golden_show) {
  start();
  expect_golden("show.txt", pciassign({"show", "00:04.0"}).out);
  expect_golden("show.json", pciassign({"show", "00:04.0", "--json"}).out);
}

TEST_F(Cli, golden_plan) {
  start();
  expect_golden("plan-attach.txt", pciassign({"plan", "attach", "net", "00:04.0", "00:05.0"}).out);
  expect_golden("plan-attach.json", pciassign({"plan", "attach", "net", "00:04.0", "--json"}).out);
  ASSERT_EQ(pciassign({"attach", "net", "00:04.0"}).status, 0);
  expect_golden("plan-detach.txt", pciassign({"plan", "detach", "net", "00:04.0"}).out);
  expect_golden("plan-detach.json", pciassign({"plan", "detach", "net", "00:04.0", "--json"}).out);
}

TEST_F(Cli, golden_groups) {
  for (const std::uint8_t function : {0, 1}) {
    const Sbdf sbdf{0, 0, 9, function};
    world.add_device(sbdf, 23);
    world.pci.all[sbdf].facts.pcie_type = 0;
  }
  start();
  expect_golden("list-group.txt", pciassign({"list"}).out);
  expect_golden("tree.txt", pciassign({"list", "--tree"}).out);
  expect_golden("show-group.txt", pciassign({"show", "00:09.1"}).out);
}

TEST_F(Cli, golden_explain) {
  world.pci.all[nic].facts.reset_methods.clear();
  start();
  expect_golden("explain.txt", pciassign({"explain", "00:04.0", "net"}).out);
  expect_golden("explain.json", pciassign({"explain", "00:04.0", "net", "--json"}).out);
}

TEST_F(Cli, golden_error) {
  start();
  expect_golden("error.txt", pciassign({"detach", "net", "00:04.0"}).err);
  expect_golden("error.json", pciassign({"detach", "net", "00:04.0", "--json"}).out);
}

TEST_F(Cli, golden_change) {
  start();
  expect_golden("attach.txt", pciassign({"attach", "net", "00:04.0"}).out);
  expect_golden("detach.txt", pciassign({"detach", "net", "00:04.0", "--verbose"}).out);
  expect_golden("attach.json", pciassign({"attach", "net", "00:04.0", "--json"}).out);
}

TEST_F(Cli, an_attach_grants_and_a_detach_revokes) {
  start();
  ASSERT_EQ(pciassign({"attach", "net", "00:04.0", "00:05.0"}).status, 0);
  EXPECT_TRUE(on_loop([&] { return world.xen.all[3].has_rights(); }));
  ASSERT_EQ(pciassign({"detach", "net", "00:04.0", "00:05.0"}).status, 0);
  EXPECT_FALSE(on_loop([&] { return world.xen.all[3].has_rights(); }));
  EXPECT_EQ(on_loop([&] { return world.xen.devices[nic].owner; }), kDomIo);
}

TEST_F(Cli, the_undo_command_undoes) {
  start();
  const Ran ran = pciassign({"attach", "net", "00:04.0"});
  EXPECT_THAT(ran.out, HasSubstr("undo: pciassign detach net 0000:00:04.0"));
}

struct Wrong {
  std::vector<std::string> words;
  int status;
  const char* says;
};

TEST_F(Cli, wrong_input_is_one_clear_line_and_changes_nothing) {
  world.add_domain(4, "other");
  world.add_domain(5, "bare");
  world.xen.all[5].passthrough = false;
  start();
  ASSERT_EQ(pciassign({"attach", "other", "00:05.0"}).status, 0);
  const auto before = on_loop([&] { return world.store.tree().dump(); });
  const Wrong cases[] = {
      {{"attach", "nowhere", "00:04.0"}, 3, "nowhere"},
      {{"attach", "99", "00:04.0"}, 3, "99"},
      {{"attach", "net", "zz:04.0"}, 2, "zz:04.0"},
      {{"attach", "net", "00:04.9"}, 2, "00:04.9"},
      {{"attach", "net", "00:1f.0"}, 3, "0000:00:1f.0"},
      {{"attach", "net", "00:05.0"}, 5, "domain 4"},
      {{"attach", "bare", "00:04.0"}, 4, "E-NO-PASSTHROUGH"},
      {{"attach", "net", "00:04.0,colour=red"}, 2, "colour"},
      {{"attach", "net", "00:04.0", "00:04.0"}, 2, "twice"},
      {{"attach", "net"}, 2, "device"},
      {{"attach", "net", "00:04.0", "--frobnicate"}, 2, "frobnicate"},
      {{"detach", "net", "00:04.0"}, 3, "not attached"},
      {{"detach", "nowhere", "00:04.0"}, 3, "nowhere"},
      {{"show", "00:1f.0"}, 3, "0000:00:1f.0"},
      {{"show", "nonsense"}, 2, "nonsense"},
      {{"plan", "attach", "nowhere", "00:04.0"}, 3, "nowhere"},
      {{"plan", "dance"}, 2, ""},
      {{"release", "00:05.0"}, 5, "domain 4"},
      {{"reserve", "00:1f.0"}, 3, "0000:00:1f.0"},
      {{"fly"}, 2, "fly"},
      {{}, 2, ""},
  };
  for (const Wrong& wrong : cases) {
    const std::string words = ::testing::PrintToString(wrong.words);
    const Ran ran = pciassign(wrong.words);
    EXPECT_EQ(ran.status, wrong.status) << words << ran.err;
    EXPECT_THAT(ran.err, StartsWith("pciassign: error: ")) << words;
    EXPECT_THAT(ran.err, HasSubstr(wrong.says)) << words;
    const auto lines = std::count(ran.err.begin(), ran.err.end(), '\n');
    EXPECT_LE(lines, ran.err.find("\nhint: ") == std::string::npos ? 1 : 2) << words << ran.err;
    EXPECT_EQ(ran.out, "") << words;

    std::vector<std::string> json = wrong.words;
    json.push_back("--json");
    const Ran machine = pciassign(json);
    EXPECT_EQ(machine.status, wrong.status) << words;
    EXPECT_EQ(machine.err, "") << words;
    boost::json::error_code ec;
    const auto value = boost::json::parse(machine.out, ec);
    ASSERT_FALSE(ec) << words << machine.out;
    EXPECT_TRUE(value.as_object().contains("error")) << words;
    EXPECT_EQ(value.at("pciassign"), 1) << words;
  }
  EXPECT_EQ(on_loop([&] { return world.store.tree().dump(); }), before);
}

TEST_F(Cli, questions_are_answered_without_the_daemon) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"list"},
                                                {"show", "00:04.0"},
                                                {"plan", "attach", "net", "00:04.0"}}) {
    const Ran ran = pciassign(words);
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("not running"));
    EXPECT_THAT(ran.out, HasSubstr("0000:00:04.0"));
  }
}

TEST_F(Cli, changes_need_the_daemon_and_say_how_to_start_it) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"attach", "net", "00:04.0"},
        {"detach", "net", "00:04.0"},
        {"reserve", "00:04.0"},
        {"release", "00:04.0"}}) {
    const Ran ran = pciassign(words);
    EXPECT_EQ(ran.status, 6);
    EXPECT_THAT(ran.err, HasSubstr("hint: start it: systemctl start pciassignd"));
  }
}

TEST_F(Cli, help_is_no_error) {
  Ran ran = pciassign({"--help"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.out, HasSubstr("attach"));
  ran = pciassign({"attach", "--help"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.out, HasSubstr("DOM"));
}

TEST_F(Cli, a_device_is_reserved_and_released) {
  world.add_device({0, 0, 6, 0}, 22, "e1000e");
  start();
  Ran ran = pciassign({"reserve", "00:06.0"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("undo: pciassign release"));
  EXPECT_EQ(on_loop([&] { return world.pci.all[{0, 0, 6, 0}].facts.driver; }), "pciback");
  ran = pciassign({"release", "00:06.0"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(on_loop([&] { return world.pci.all[{0, 0, 6, 0}].facts.driver; }), "e1000e");
}

}  // namespace
}  // namespace pciassign::test
