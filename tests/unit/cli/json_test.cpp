// SPDX-License-Identifier: GPL-2.0-or-later
// Every command says with --json what it says without, and every method answers: what they say is
// checked against the schemas when all tests are over (tests/unit/schemas).
#include <fstream>

#include "fixture.hpp"

namespace pciassign::test {
namespace {

using ::testing::HasSubstr;
namespace json = boost::json;

class JsonOutput : public DaemonTest {
 protected:
  JsonOutput() {
    world.add_domain(3, "net");
    world.add_device({0, 0, 6, 0}, 22, "e1000e");
    const auto assignments = directory / "assignments.d";
    std::filesystem::create_directories(assignments);
    std::ofstream(directory / "pciassignd.toml")
        << "[paths]\nassignments = \"" << assignments.string() << "\"\n";
  }
  /// The command's result, which has to be the only thing that it prints.
  json::value result(std::vector<std::string> words, int status = 0) {
    const std::string command = words.front();
    words.push_back("--json");
    const Ran ran = pciassign(std::move(words));
    EXPECT_EQ(ran.status, status) << command << ": " << ran.out << ran.err;
    json::error_code ec;
    const json::value envelope = json::parse(ran.out, ec);
    if (ec || !envelope.is_object() || !envelope.as_object().contains("result")) {
      ADD_FAILURE() << command << " printed " << ran.out;
      return nullptr;
    }
    EXPECT_EQ(envelope.at("command").as_string(), command);
    EXPECT_EQ(ran.err, "");
    return envelope.at("result");
  }
};

TEST_F(JsonOutput, of_what_only_asks) {
  start();
  EXPECT_FALSE(result({"list"}).as_array().empty());
  EXPECT_EQ(result({"show", "00:04.0"}).at("state").as_string(), "reserved");
  EXPECT_FALSE(result({"explain", "00:04.0", "net"}).as_array().empty());
  EXPECT_EQ(result({"plan", "attach", "net", "00:04.0"}).at("kind").as_string(), "attach");
  EXPECT_EQ(result({"status"}).at("attachments").as_int64(), 0);
  EXPECT_TRUE(result({"version"}).at("daemon").is_string());
  EXPECT_FALSE(result({"doctor"}, 2).as_array().empty());
  EXPECT_EQ(result({"pci-assignable-list"}).as_array().size(), 2U);
}

TEST_F(JsonOutput, without_a_daemon_its_version_is_null) {
  EXPECT_TRUE(result({"version"}).at("daemon").is_null());
}

TEST_F(JsonOutput, of_changes) {
  start();
  EXPECT_EQ(result({"reserve", "00:06.0"}).at("plan").at("kind").as_string(), "reserve");
  result({"reset", "00:06.0"});
  result({"release", "00:06.0"});
  EXPECT_TRUE(result({"attach", "net", "00:04.0", "--dry-run"}).at("steps").is_array());
  result({"attach", "net", "00:04.0"});
  EXPECT_EQ(result({"pci-list", "net"}).as_array().size(), 1U);
  result({"detach", "net", "00:04.0"});
  result({"pci-attach", "net", "00:04.0"});
  result({"pci-detach", "net", "00:04.0"});
  result({"pci-assignable-add", "00:06.0"});
  result({"pci-assignable-remove", "00:06.0"});
}

TEST_F(JsonOutput, of_assignments_and_of_the_report) {
  start();
  EXPECT_EQ(result({"assign", "net", "00:04.0"}).at("changed").as_bool(), true);
  EXPECT_EQ(result({"assign", "net", "00:04.0"}).at("changed").as_bool(), false);
  EXPECT_EQ(result({"unassign", "net"}).at("changed").as_bool(), true);
  EXPECT_GT(result({"report", directory / "report.tar.gz"}).at("parts").to_number<int>(), 3);
}

TEST_F(JsonOutput, of_refusals_names_each_reason) {
  world.xen.host_info.iommu = false;
  start();
  const Ran ran = pciassign({"attach", "net", "00:06.0", "--json"});
  EXPECT_EQ(ran.status, 4);
  EXPECT_THAT(ran.out, HasSubstr("\"also\""));
  EXPECT_THAT(ran.out, HasSubstr("E-NO-IOMMU"));
  EXPECT_THAT(ran.out, HasSubstr("E-NOT-RESERVED"));
}

TEST_F(JsonOutput, of_a_change_that_failed_tells_what_was_undone) {
  world.guest(3).front = sim::FrontMode::silent;
  start();
  config.settings.connect_limit = std::chrono::seconds(1);
  EXPECT_TRUE(on_loop([&] { return core().reconfigure(config); }));
  const Ran ran = pciassign({"attach", "net", "00:04.0", "--json"});
  EXPECT_EQ(ran.status, 7);
  EXPECT_THAT(ran.out, HasSubstr("\"undone\":true"));
}

TEST_F(JsonOutput, of_each_method_that_no_command_calls_by_itself) {
  start();
  rpc::Client asked = client();
  EXPECT_GE(asked.call("list-commands", {}).value().as_array().size(), 15U);
  EXPECT_EQ(asked.call("domain", {{"domain", "net"}}).value().at("domid").as_int64(), 3);
  EXPECT_TRUE(asked.call("reload", {}).value().at("configured").is_array());
}

TEST_F(JsonOutput, of_events_reaches_whoever_watches) {
  start();
  const auto fd = connect();
  put(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"watch\"}\n");
  EXPECT_THAT(get_line(fd), HasSubstr("\"watching\":true"));
  result({"attach", "net", "00:04.0"});
  EXPECT_THAT(get_line(fd), HasSubstr("\"what\":\"began\""));
  EXPECT_THAT(get_line(fd), HasSubstr("\"what\":\"step\""));
}

}  // namespace
}  // namespace pciassign::test
