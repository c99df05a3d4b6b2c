// SPDX-License-Identifier: GPL-2.0-or-later
// doctor: each thing that may be wrong with a host is found, and a sound host is sound.
#include <fstream>

#include "fixture.hpp"
#include "host_facts.hpp"

namespace pciassign::test {
namespace {

using cli::HostFacts;
using ::testing::HasSubstr;

constexpr auto kConsole =
    "(XEN) 'q' pressed -> dumping domain info (now = 5)\n"
    "(XEN) General information for domain 0:\n"
    "(XEN)     Interrupts { 1-71 }\n"
    "(XEN)     I/O Memory { 0-febff, fec01-fedff }\n"
    "(XEN) General information for domain 3:\n"
    "(XEN)     Interrupts { 20 }\r\n"
    "(XEN)     I/O Memory { feb40-feb7f }\n"
    "(XEN)     I/O Ports { c140-c15f }\n"
    "(XEN) General information for domain 4:\n"
    "(XEN)     Interrupts { }\n"
    "(XEN)     I/O Memory { }\n"
    "(XEN)     I/O Ports { }\n"
    "(XEN) ==== PCI devices ====\n"
    "(XEN) ==== segment 0000 ====\n"
    "(XEN) 0000:00:05.0 - DomIO:7ff1 - node -1 \n"
    "(XEN) 0000:00:04.0 - d3 - node -1  - MSIs < 25 26 >\n"
    "(XEN) 0000:00:00.0 - d0 - node -1 \n";

TEST(XenConsole, rights_are_read) {
  const auto rights = cli::parse_rights(kConsole);
  ASSERT_EQ(rights.size(), 3U);
  EXPECT_EQ(rights.at(3).interrupts, "20");
  EXPECT_EQ(rights.at(3).memory, "feb40-feb7f");
  EXPECT_EQ(rights.at(3).ports, "c140-c15f");
  EXPECT_TRUE(rights.at(4).none());
}

TEST(XenConsole, the_last_dump_counts) {
  const auto rights = cli::parse_rights(std::string(kConsole) +
                                        "(XEN) 'q' pressed -> dumping domain info (now = 9)\n"
                                        "(XEN) General information for domain 0:\n");
  EXPECT_EQ(rights.size(), 1U);
}

TEST(XenConsole, owners_are_read) {
  const auto owners = cli::parse_owners(kConsole);
  EXPECT_EQ(owners.at({0, 0, 4, 0}), 3U);
  EXPECT_EQ(owners.at({0, 0, 5, 0}), kDomIo);
  EXPECT_EQ(owners.at({0, 0, 0, 0}), 0U);
}

TEST(CommandLine, hidden_devices_are_read) {
  const auto hidden = cli::parse_hidden(
      "quiet pciback.hide=(00:04.0)(0000:05:*.*) xen-pciback.hide=(00:06.0)", "here");
  ASSERT_EQ(hidden.size(), 3U);
  EXPECT_EQ(hidden[1].pattern, "0000:05:*.*");
  EXPECT_FALSE(hidden[1].foreign);
  EXPECT_TRUE(hidden[2].foreign);
}

/// A host with which nothing is wrong.
HostFacts sound() {
  HostFacts facts;
  facts.on_xen = facts.is_dom0 = facts.in_tree_kept_away = true;
  facts.host = HostInfo{4, 17, true, true};
  facts.driver_module = "pciback";
  facts.module_version = "0.1.0";
  DeviceView nic;
  nic.device.sbdf = {0, 0, 4, 0};
  nic.device.driver = "pciback";
  facts.devices = std::vector{nic};
  facts.hidden = {{"00:04.0", "the kernel's command line", false}};
  rpc::StatusResult status;
  status.version.version = "0.1.0";
  facts.daemon = status;
  facts.configured = config::Configured{assigned("net", {"00:04.0"}), {}, {}};
  AttachmentRecord record;
  record.domid = 3;
  facts.journal = {record};
  facts.domains = {0, 3, 4};
  facts.nodes = {{"/libxl/pci/0000-00-04-0", 3}};
  facts.console = kConsole;
  return facts;
}

std::map<std::string, Severity> worst(const HostFacts& facts) {
  std::map<std::string, Severity> all;
  for (const Finding& finding : cli::judge_host(facts))
    all[finding.code] = std::max(all[finding.code], finding.severity);
  return all;
}

TEST(Doctor, a_sound_host_is_sound) {
  for (const auto& [code, severity] : worst(sound())) EXPECT_EQ(severity, Severity::ok) << code;
  EXPECT_GE(worst(sound()).size(), 9U);
}

config::Problem bad_file(bool minor) {
  return {.file = "/f",
          .error = {ErrorKind::usage, {}, "/f:1:1: no", "correct it", 0},
          .domains = {},
          .minor = minor};
}

TEST(Doctor, what_it_found_itself_is_not_told_again_as_the_daemons) {
  HostFacts facts = sound();
  facts.configured->problems = {bad_file(false)};
  facts.daemon->problems = {{"/f", "/f:1:1: no", "correct it"}};
  EXPECT_EQ(worst(facts)["D-DAEMON"], Severity::ok);
}

struct Ill {
  const char* code;
  Severity severity;
  std::function<void(HostFacts&)> make;
};

TEST(Doctor, each_illness_is_found_and_comes_with_a_remedy) {
  const Ill ills[] = {
      {"D-XEN", Severity::refusal, [](HostFacts& f) { f.on_xen = false; }},
      {"D-XEN", Severity::refusal, [](HostFacts& f) { f.is_dom0 = false; }},
      {"D-XEN", Severity::warning, [](HostFacts& f) { f.host->xen_minor = 16; }},
      {"D-IOMMU", Severity::refusal, [](HostFacts& f) { f.host->iommu = false; }},
      {"D-INTREMAP", Severity::warning, [](HostFacts& f) { f.host->interrupt_remapping = false; }},
      {"D-INTREMAP", Severity::warning,
       [](HostFacts& f) { f.host->interrupt_remapping = std::nullopt; }},
      {"D-MODULE", Severity::refusal, [](HostFacts& f) { f.driver_module = "xen_pciback"; }},
      {"D-MODULE", Severity::refusal, [](HostFacts& f) { f.driver_module = ""; }},
      {"D-MODULE", Severity::warning, [](HostFacts& f) { f.module_version = "0.0.1"; }},
      {"D-MODULE", Severity::warning, [](HostFacts& f) { f.module_version = ""; }},
      {"D-MODULE", Severity::warning, [](HostFacts& f) { f.front_version = "0.0.1"; }},
      {"D-MODPROBE", Severity::warning, [](HostFacts& f) { f.in_tree_kept_away = false; }},
      {"D-HIDE", Severity::warning, [](HostFacts& f) { f.hidden[0].foreign = true; }},
      {"D-HIDE", Severity::warning, [](HostFacts& f) { f.hidden[0].pattern = "00:09.0"; }},
      {"D-INITRAMFS", Severity::refusal,
       [](HostFacts& f) { (*f.devices)[0].device.driver = "e1000e"; }},
      {"D-DAEMON", Severity::refusal,
       [](HostFacts& f) { f.daemon = fail(ErrorKind::unavailable, "no answer", "start it"); }},
      {"D-DAEMON", Severity::warning, [](HostFacts& f) { f.daemon->version.version = "0.0.1"; }},
      {"D-RETRY", Severity::warning,
       [](HostFacts& f) {
         f.daemon->retries = {{"clean up", "", 3, "net", 3.0, 2}};
       }},
      {"D-CONFIG", Severity::refusal,
       [](HostFacts& f) { f.configured = fail(ErrorKind::usage, "f.toml:1:1: no"); }},
      {"D-CONFIG", Severity::refusal,
       [](HostFacts& f) { f.configured->problems = {bad_file(false)}; }},
      {"D-CONFIG", Severity::warning,
       [](HostFacts& f) { f.configured->problems = {bad_file(true)}; }},
      {"D-DAEMON", Severity::warning,
       [](HostFacts& f) {
         f.daemon->problems = {{"/g", "/g: no", "correct it"}};
       }},
      {"D-JOURNAL", Severity::refusal,
       [](HostFacts& f) {
         f.journal_faults->push_back({JournalFault::Kind::damaged, "/j/0000-00-04-0.json",
                                      Sbdf{0, 0, 4, 0}, "bad", "look"});
       }},
      {"D-JOURNAL", Severity::warning,
       [](HostFacts& f) {
         f.journal_faults->push_back(
             {JournalFault::Kind::stray, "/j/note", {}, "stray", "move it"});
       }},
      {"D-JOURNAL", Severity::refusal,
       [](HostFacts& f) { f.journal_faults = fail(ErrorKind::failed, "no folder"); }},
      {"D-ABSENT", Severity::warning,
       [](HostFacts& f) { f.configured->assignments = assigned("net", {"00:09.0"}); }},
      {"D-NODES", Severity::warning,
       [](HostFacts& f) { f.nodes.emplace_back("/libxl/pci/x", 99); }},
      {"D-RIGHTS", Severity::refusal,
       [](HostFacts& f) {
         f.journal.clear();
         f.nodes.clear();
       }},
      {"D-RIGHTS", Severity::warning,
       [](HostFacts& f) { f.console = fail(ErrorKind::failed, "no xl"); }},
  };
  for (const Ill& ill : ills) {
    HostFacts facts = sound();
    ill.make(facts);
    EXPECT_EQ(worst(facts)[ill.code], ill.severity) << ill.code;
    for (const Finding& finding : cli::judge_host(facts)) {
      if (finding.severity == Severity::ok) continue;
      EXPECT_NE(finding.remedy, "") << finding.code;
    }
  }
}

TEST(Doctor, patterns_hide_whole_slots_and_buses) {
  for (const std::string pattern : {"00:04.*", "0000:00:*.*", "0000:00:04.0"}) {
    HostFacts facts = sound();
    facts.hidden[0].pattern = pattern;
    EXPECT_EQ(worst(facts)["D-HIDE"], Severity::ok) << pattern;
  }
}

class DoctorCommand : public DaemonTest {};

TEST_F(DoctorCommand, collects_from_the_host_and_ends_with_the_worst) {
  const auto put = [&](const std::string& file, const std::string& text) {
    const auto path = directory / ("root" + file);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  };
  EXPECT_EQ(pciassign({"doctor"}).status, 2);  // No Xen at all.
  put("/sys/hypervisor/type", "xen\n");
  put("/proc/xen/capabilities", "control_d\n");
  put("/proc/cmdline", "root=/dev/sda pciback.hide=(00:04.0)\n");
  put("/sys/module/pciback/version", "0.1.0\n");
  put("/etc/modprobe.d/pciassign.conf", "# comment\nblacklist xen-pciback\n");
  std::filesystem::create_directories(directory / "root/sys/bus/pci/drivers/pciback");
  std::filesystem::create_symlink("../../../../module/pciback",
                                  directory / "root/sys/bus/pci/drivers/pciback/module");
  const Ran ran = pciassign({"doctor"});
  EXPECT_EQ(ran.status, 2);  // The daemon does not run.
  EXPECT_THAT(ran.out, HasSubstr("✓ D-XEN: Xen 4.17"));
  EXPECT_THAT(ran.out, HasSubstr("✓ D-MODULE"));
  EXPECT_THAT(ran.out, HasSubstr("✓ D-MODPROBE"));
  EXPECT_THAT(ran.out, HasSubstr("✓ D-INITRAMFS"));
  EXPECT_THAT(ran.out, HasSubstr("✗ D-DAEMON"));

  // The places that the daemon's own file names, and both of them.
  std::ofstream(directory / "pciassignd.toml")
      << "[paths]\nassignments = \"" << (directory / "a").string() << "\"\ndomains = \""
      << (directory / "d").string() << "\"\n";
  put("/../a/.#net.toml", "");
  EXPECT_THAT(pciassign({"doctor"}).out, HasSubstr("! D-CONFIG"));
  put("/../d/bad.toml", "[driver-domain");
  EXPECT_THAT(pciassign({"doctor"}).out,
              HasSubstr("✗ D-CONFIG: " + (directory / "d/bad.toml:1:").string()));
  std::ofstream(directory / "pciassignd.toml") << "nonsense";
  const Ran bad = pciassign({"doctor"});
  EXPECT_THAT(bad.out, HasSubstr("✗ D-CONFIG: " + (directory / "pciassignd.toml:1:").string()));
  EXPECT_THAT(bad.out, HasSubstr("✓ D-MODULE"));
}

TEST_F(DoctorCommand, explain_shows_every_check) {
  world.add_domain(3, "net");
  const Ran ran = pciassign({"explain", "00:04.0", "net"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("✓ E-NO-IOMMU 0000:00:04.0"));
  world.xen.all[3].passthrough = false;
  const Ran refused = pciassign({"explain", "00:04.0", "net"});
  EXPECT_EQ(refused.status, 4);
  EXPECT_THAT(refused.out, HasSubstr("✗ E-NO-PASSTHROUGH"));
}

}  // namespace
}  // namespace pciassign::test
