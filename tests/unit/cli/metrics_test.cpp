// SPDX-License-Identifier: GPL-2.0-or-later
// What the daemon counts, the format that it tells it in, and the ways on which it leaves.
#include "metrics.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>

#include "fixture.hpp"
#include "openmetrics_check.hpp"

namespace pciassign::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

struct Broken {
  const char* text;
  const char* says;
};
class BrokenMetrics : public ::testing::TestWithParam<Broken> {};
TEST_P(BrokenMetrics, are_told) {
  EXPECT_THAT(read_openmetrics(GetParam().text).wrong, HasSubstr(GetParam().says));
}
INSTANTIATE_TEST_SUITE_P(
    All, BrokenMetrics,
    ::testing::Values(
        Broken{"# TYPE a gauge\na 1\n", "EOF is missing"}, Broken{"# EOF", "no newline"},
        Broken{"# EOF\n\n", "follows # EOF"}, Broken{"a 1\n# EOF\n", "of no family"},
        Broken{"# TYPE a counter\na 1\n# EOF\n", "_total"},
        Broken{"# TYPE a gauge\na_total 1\n# EOF\n", "family's name"},
        Broken{"# TYPE a_seconds gauge\n# UNIT a_seconds bytes\n# EOF\n", "unit"},
        Broken{"# TYPE a gauge\na{b=\"\n\"} 1\n# EOF\n", "malformed labels"},
        Broken{"# TYPE a gauge\na{b=\"\\q\"} 1\n# EOF\n", "malformed labels"},
        Broken{"# TYPE a gauge\na{b=\"1\",b=\"2\"} 1\n# EOF\n", "malformed labels"},
        Broken{"# TYPE a gauge\na 1\na 2\n# EOF\n", "twice"},
        Broken{"# TYPE a gauge\n# TYPE b gauge\n# TYPE a gauge\n# EOF\n", "twice"},
        Broken{"# TYPE a gauge\na 1\n# HELP a x\n# EOF\n", "behind samples"},
        Broken{"# TYPE a gauge\na one\n# EOF\n", "no number"},
        Broken{"# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\n# EOF\n", "unfinished"},
        Broken{"# TYPE a histogram\na_bucket{le=\"1\"} 1\n# EOF\n", "no bound"},
        Broken{"# TYPE a histogram\na_bucket{le=\"2.0\"} 2\na_bucket{le=\"+Inf\"} 1\n# EOF\n",
               "cumulative"}));

Plan a_plan(PlanKind kind, std::vector<std::string> steps) {
  Plan plan;
  plan.kind = kind;
  for (std::string& id : steps) {
    plan.steps.emplace_back();
    plan.steps.back().id = std::move(id);
  }
  return plan;
}

PlanReport a_report(std::vector<std::chrono::microseconds> took) {
  PlanReport report;
  for (const auto time : took) {
    report.steps.emplace_back();
    report.steps.back().took = time;
  }
  return report;
}

AttachmentRecord a_record(const std::string& domain, std::uint8_t slot) {
  AttachmentRecord record;
  record.device = {0, 0, slot, 0};
  record.domain_name = domain;
  record.phase = Phase::attached;
  return record;
}

/// All that can occur, with a name that needs escaping.
std::string sample() {
  daemon::Metrics metrics;
  metrics.change_over(a_plan(PlanKind::attach, {"journal", "assign", "assign"}),
                      a_report({900us, 10ms, 2s}), 2011ms);
  PlanReport failed = a_report({1ms, 90s, 0us});
  failed.steps[1].error = failed.error = Error{ErrorKind::timed_out, {}, "no answer", {}, 0};
  metrics.change_over(a_plan(PlanKind::attach, {"journal", "wait-connected", "done"}), failed, 91s);
  metrics.change_over(a_plan(PlanKind::cleanup, {"reset"}), a_report({5ms}), 5ms);
  Error refused{ErrorKind::refused, "E-NO-RESET", "", "", 0};
  refused.also = {{ErrorKind::refused, "E-GROUP", "", "", 0}};
  metrics.failed(refused);
  metrics.failed(refused);
  metrics.failed({ErrorKind::timed_out, {}, "", "", 0});
  metrics.backed_off(daemon::Metrics::Retried::attach);
  daemon::Metrics::Present present;
  present.version = "1.2.3";
  present.xen = "4.17";
  present.attachments = {a_record("net", 4), a_record("net", 5),
                         a_record("a \"quoted\\name\n\xff\xc3\xa9", 6)};
  present.under_way = 2;
  present.waiting_attach = 1;
  present.denied_writes = {{{0, 0, 4, 0}, 17}, {{0, 3, 0, 1}, 4294967296}};
  metrics.recovered("net1", "crash", "cold", true);
  metrics.recovered("net1", "crash", "cold", false);
  present.driver_domains = {{"net1", "ready", {{"fence", 0.75}, {"boot", 2.5}}},
                            {"disk1", "stopped", {}}};
  return metrics.text(present);
}

TEST(Metrics, keep_to_the_format) {
  const MetricsText read = read_openmetrics(sample());
  EXPECT_EQ(read.wrong, "");
  const auto value = [&](const std::string& name) {
    const auto found = read.values.find("pciassign_" + name);
    return found == read.values.end() ? -1 : found->second;
  };
  EXPECT_EQ(value(R"(changes_total{kind="attach",result="done"})"), 1);
  EXPECT_EQ(value(R"(changes_total{kind="attach",result="failed"})"), 1);
  EXPECT_EQ(value(R"(failures_total{kind="refused",code="E-GROUP"})"), 2);
  EXPECT_EQ(value(R"(step_duration_seconds_count{kind="attach",step="assign"})"), 2);
  EXPECT_EQ(value(R"(step_duration_seconds_bucket{kind="attach",step="assign",le="0.01"})"), 1);
  EXPECT_EQ(value(R"(attachments{domain="net",phase="attached"})"), 2);
  EXPECT_EQ(value(R"(recoveries_total{domain="net1",cause="crash",way="cold",result="done"})"), 1);
  EXPECT_EQ(value(R"(driver_domain_state{domain="disk1",state="stopped"})"), 1);
  EXPECT_EQ(value(R"(recovery_phase_seconds{domain="net1",phase="boot"})"), 2.5);
  EXPECT_EQ(value(R"(denied_writes_total{device="0000:03:00.1"})"), 4294967296);
}

TEST(Metrics, a_step_that_never_began_is_not_measured) {
  EXPECT_THAT(sample(), ::testing::Not(HasSubstr("step=\"done\"")));
}

/// The format is read elsewhere too; the same file is given to Prometheus' own reader.
TEST(Metrics, golden_text) {
  const std::string file = std::string(TEST_DATA) + "/metrics.txt";
  if (::getenv("PCIASSIGN_GOLDEN") != nullptr) std::ofstream(file) << sample();
  std::ifstream in(file);
  const std::string golden{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(sample(), golden) << "PCIASSIGN_GOLDEN=write renews it";
}

TEST(Metrics, names_of_domains_do_not_grow_without_bound) {
  daemon::Metrics metrics;
  daemon::Metrics::Present present;
  for (int i = 0; i < 2000; ++i)
    present.attachments.push_back(a_record("d" + std::to_string(i), 4));
  const MetricsText read = read_openmetrics(metrics.text(present));
  EXPECT_EQ(read.wrong, "");
  EXPECT_LT(read.values.size(), 300U);
  EXPECT_EQ(read.values.at(R"(pciassign_attachments{domain="",phase="attached"})"), 2000 - 256);
}

class Told : public DaemonTest {
 protected:
  /// What the socket says, to its end.
  std::string ask() {
    const auto fd = connect_reader();
    std::string text;
    std::array<char, 4096> buffer;
    for (ssize_t n = 0; (n = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;)
      text.append(buffer.data(), static_cast<std::size_t>(n));
    return text;
  }
  daemon::UniqueFd connect_reader() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, config.paths.metrics_socket.c_str(),
                 sizeof(address.sun_path) - 1);
    daemon::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    const timeval limit{kPatience.count(), 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
  }
  double value(const std::string& text, const std::string& name) {
    const MetricsText read = read_openmetrics(text);
    EXPECT_EQ(read.wrong, "");
    const auto found = read.values.find("pciassign_" + name);
    return found == read.values.end() ? -1 : found->second;
  }
};

TEST_F(Told, changes_and_denied_writes_are_counted) {
  world.add_domain(3, "net");
  world.pci.all[nic].denied_writes = 7;
  start();
  ASSERT_EQ(pciassign({"attach", "net", "00:04.0"}).status, 0);
  std::string text = ask();
  EXPECT_EQ(value(text, R"(attachments{domain="net",phase="attached"})"), 1);
  EXPECT_EQ(value(text, R"(changes_total{kind="attach",result="done"})"), 1);
  EXPECT_EQ(value(text, R"(change_duration_seconds_count{kind="attach"})"), 1);
  EXPECT_EQ(value(text, R"(step_duration_seconds_count{kind="attach",step="quarantine"})"), 1);
  EXPECT_EQ(value(text, R"(denied_writes_total{device="0000:00:04.0"})"), 7);
  ASSERT_EQ(pciassign({"detach", "net", "00:04.0"}).status, 0);
  text = ask();
  EXPECT_EQ(value(text, R"(attachments{domain="net",phase="attached"})"), -1);
  EXPECT_EQ(value(text, R"(changes_total{kind="detach",result="done"})"), 1);
}

TEST_F(Told, refusals_are_counted_by_code_and_questions_are_not) {
  world.add_domain(3, "net");
  world.xen.host_info.iommu = false;
  start();
  const std::string no_iommu = R"(failures_total{kind="refused",code="E-NO-IOMMU"})";
  EXPECT_NE(pciassign({"plan", "attach", "net", "00:04.0"}).status, 0);
  EXPECT_EQ(value(ask(), no_iommu), -1);
  EXPECT_NE(pciassign({"attach", "net", "00:04.0"}).status, 0);
  EXPECT_EQ(value(ask(), no_iommu), 1);
}

TEST_F(Told, a_domain_that_is_tried_again_counts_as_a_back_off) {
  world.xen.host_info.iommu = false;
  start(assigned("net", {"00:04.0"}));
  on_loop([&] {
    world.add_domain(3, "net");
    world.xen.all[3].pause_count = 1;
    world.xen.all[3].info.paused = true;
    return 0;
  });
  ASSERT_TRUE(eventually([&] { return logged("attach-failed"); }));
  const std::string text = ask();
  EXPECT_GE(value(text, R"(back_offs_total{of="attach"})"), 1);
  EXPECT_EQ(value(text, R"(waiting_for_retry{of="attach"})"), 1);
}

TEST_F(Told, readers_that_do_not_read_make_room_for_others) {
  start();
  std::vector<daemon::UniqueFd> lazy;
  for (int i = 0; i < 40; ++i) lazy.push_back(connect_reader());
  EXPECT_EQ(read_openmetrics(ask()).wrong, "");
}

TEST_F(Told, without_its_socket_the_daemon_works) {
  const auto taken = daemon::listen_at(config.paths.metrics_socket);
  ASSERT_TRUE(taken);
  start();
  EXPECT_TRUE(logged("metrics-socket"));
  EXPECT_EQ(pciassign({"version"}).status, 0);
}

TEST_F(Told, the_file_is_written_for_each_change_and_readable_by_all) {
  const auto file = directory / "pciassign.prom";
  config.paths.metrics_file = file;
  world.add_domain(3, "net");
  start();
  const auto says = [&](const std::string& name) {
    std::ifstream in(file);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    return text.empty() ? -2 : value(text, name);
  };
  EXPECT_TRUE(eventually([&] { return says("changes_under_way") == 0; }));
  ASSERT_EQ(pciassign({"attach", "net", "00:04.0"}).status, 0);
  EXPECT_TRUE(
      eventually([&] { return says(R"(attachments{domain="net",phase="attached"})") == 1; }));
  struct stat info {};
  ASSERT_EQ(::stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0644U);
}

TEST_F(Told, a_file_that_cannot_be_written_is_told_once) {
  config.paths.metrics_file = directory / "absent" / "pciassign.prom";
  world.add_domain(3, "net");
  start();
  EXPECT_TRUE(eventually([&] { return logged("metrics-file"); }));
  EXPECT_EQ(pciassign({"attach", "net", "00:04.0"}).status, 0);
}

}  // namespace
}  // namespace pciassign::test
