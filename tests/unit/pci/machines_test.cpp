// SPDX-License-Identifier: GPL-2.0-or-later
// Ten machines: what the inventory makes of each, and what policy finds.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "pci/machine.hpp"
#include "pciassign/sim/world.hpp"
#include "pciassign/toolstack.hpp"

namespace pciassign::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr DomId kDriverDomain = 3;

/// A machine under a simulated Xen.
class Host {
 public:
  explicit Host(const std::vector<Function>& functions) : machine(functions) {
    world.add_domain(kDriverDomain, "driver");
    const auto list = bus->devices();
    if (!list) throw std::runtime_error(list.error().message);
    all = *list;
    for (const auto& device : all) world.xen.devices[device.sbdf] = {};
  }

  Machine machine;
  sim::World world;
  std::unique_ptr<PciBus> bus = make_sysfs_pci_bus(machine.sys());
  Toolstack tools{{world.xen, world.store, *bus, world.records(), world.clock}};
  std::vector<Device> all;

  [[nodiscard]] Device device(const std::string& at) const {
    return bus->device(Sbdf::parse(at).value()).value();
  }
  /// The codes of all refusals and warnings, seizing what is not on pciback.
  [[nodiscard]] std::vector<std::string> found(const std::vector<std::string>& specs) {
    std::vector<DeviceSpec> wanted;
    for (const auto& text : specs) wanted.push_back(DeviceSpec::parse(text + ",seize=1").value());
    findings = tools.explain(wanted, kDriverDomain).value();
    std::vector<std::string> codes;
    for (const auto& finding : findings)
      if (finding.severity != Severity::ok) codes.push_back(finding.code);
    return codes;
  }
  [[nodiscard]] std::string evidence(const std::string& code) const {
    for (const auto& finding : findings)
      if (finding.code == code && finding.severity != Severity::ok) return finding.evidence;
    return "no " + code;
  }
  std::vector<Finding> findings;
};

TEST(Machines, Desktop) {
  Host host({
      {.at = "00:00.0", .kind = Kind::integrated, .id = "8086:3e30", .cls = 0x060000},
      {.at = "00:01.0", .kind = Kind::root_port, .cls = 0x060400, .acs = Acs::absent},
      {.at = "00:02.0",
       .kind = Kind::integrated,
       .id = "8086:3e98",
       .cls = 0x030000,
       .reset_method = "flr",
       .driver = "i915"},
      {.at = "00:14.0",
       .kind = Kind::integrated,
       .id = "8086:a36d",
       .cls = 0x0c0330,
       .reset_method = "pm",
       .gsi = 16,
       .driver = "xhci_hcd"},
      {.at = "00:17.0",
       .kind = Kind::integrated,
       .id = "8086:a352",
       .cls = 0x010601,
       .gsi = 17,
       .driver = "ahci"},
      {.at = "00:1f.0",
       .kind = Kind::integrated,
       .id = "8086:a305",
       .cls = 0x060100,
       .multifunction = true},
      {.at = "00:1f.6",
       .kind = Kind::integrated,
       .id = "8086:15bc",
       .cls = 0x020000,
       .flr = true,
       .gsi = 18,
       .driver = "e1000e"},
      {.at = "01:00.0",
       .below = "00:01.0",
       .id = "10de:1c82",
       .cls = 0x030000,
       .multifunction = true,
       .reset_method = "bus",
       .driver = "nouveau"},
      {.at = "01:00.1",
       .below = "00:01.0",
       .id = "10de:0fb9",
       .cls = 0x040300,
       .multifunction = true,
       .reset_method = "bus",
       .driver = "snd_hda_intel"},
  });
  host.machine.disk("00:17.0", "sda", "8:0");
  host.machine.mounted("8:0", "/");
  host.machine.interface("00:1f.6", "eth0");
  host.machine.default_route("eth0");
  host.machine.tree.file(host.machine.tree.sys() / "class/vtconsole/vtcon1/name",
                         "(M) frame buffer device\n");
  host.machine.tree.file(host.machine.tree.sys() / "class/vtconsole/vtcon1/bind", "1\n");
  host.machine.tree.file(host.machine.dir("00:02.0") / "graphics/fb0/dev", "29:0\n");
  host.machine.tree.link(host.machine.tree.sys() / "class/graphics/fb0",
                         host.machine.dir("00:02.0") / "graphics/fb0");
  host.world.xen.devices[{0, 0, 2, 0}].reserved = {{0x8b800, 0x4000}};
  host.world.xen.devices[{0, 0, 0x14, 0}].reserved = {{0x89f00, 0x21}};

  EXPECT_EQ(host.all.size(), 9U);
  EXPECT_EQ(host.device("01:00.1").location(), "pci0000:00/01.0/00.1");
  EXPECT_THAT(host.found({"00:1f.0"}), ElementsAre("E-NOT-ENDPOINT", "E-NO-RESET", "E-GROUP"));
  EXPECT_THAT(host.found({"00:02.0"}), ElementsAre("E-DOM0-USES", "W-RMRR"));
  EXPECT_EQ(host.evidence("E-DOM0-USES"), "dom0 uses it: console on fb0");
  EXPECT_THAT(host.found({"00:14.0"}), ElementsAre("W-RMRR"));
  EXPECT_THAT(host.found({"00:17.0"}), ElementsAre("E-DOM0-USES", "E-NO-RESET"));
  EXPECT_THAT(host.found({"00:1f.6"}), ElementsAre("E-DOM0-USES"));
  EXPECT_EQ(host.evidence("E-DOM0-USES"), "dom0 uses it: default route through eth0");
  EXPECT_THAT(host.found({"01:00.0"}), ElementsAre("E-GROUP"));
  EXPECT_EQ(host.evidence("E-GROUP"), "it cannot be isolated from 0000:01:00.1 (snd_hda_intel)");
  EXPECT_THAT(host.found({"01:00.0", "01:00.1"}), IsEmpty());
  EXPECT_THAT(host.found({"01:00.*"}), IsEmpty());
}

TEST(Machines, LaptopWithReservedMemoryAndSharedLines) {
  Host host({
      {.at = "00:02.0",
       .kind = Kind::integrated,
       .cls = 0x030000,
       .reset_method = "flr",
       .gsi = 16,
       .driver = "i915"},
      {.at = "00:1a.0",
       .kind = Kind::conventional,
       .cls = 0x0c0320,
       .reset_method = "af_flr",
       .gsi = 16,
       .driver = "ehci-pci"},
      {.at = "00:1c.0", .kind = Kind::root_port, .cls = 0x060400, .multifunction = true},
      {.at = "00:1c.4", .kind = Kind::root_port, .cls = 0x060400, .multifunction = true},
      {.at = "00:1d.0",
       .kind = Kind::conventional,
       .cls = 0x088000,
       .reset_method = "pm",
       .gsi = 23,
       .driver = "pciback"},
      {.at = "03:00.0",
       .below = "00:1c.0",
       .id = "8086:24fd",
       .cls = 0x028000,
       .flr = true,
       .gsi = 16,
       .driver = "pciback"},
      {.at = "04:00.0",
       .below = "00:1c.4",
       .id = "144d:a808",
       .cls = 0x010802,
       .flr = true,
       .gsi = 17,
       .msix_on = true,
       .driver = "nvme"},
  });
  // An unlocked root file system on a volume in an encrypted partition.
  host.machine.disk("04:00.0", "nvme0n1", "259:0");
  host.machine.disk("04:00.0", "nvme0n1p2", "259:2", {"dm-0"});
  host.machine.volume("dm-0", "254:0", "luks");
  host.machine.tree.file(host.machine.tree.sys() / "class/block/dm-0/holders/dm-1", "");
  host.machine.volume("dm-1", "254:1", "vg-root");
  host.machine.mounted("254:1", "/");
  for (const Sbdf at : {Sbdf{0, 0, 0x1a, 0}, Sbdf{0, 0, 0x1d, 0}})
    host.world.xen.devices[at].reserved = {{0x9f000, 0x20}};
  host.world.xen.devices[{0, 0, 2, 0}].reserved = {{0xbb800, 0x4000}};

  EXPECT_THAT(host.found({"03:00.0"}), ElementsAre("E-GROUP", "E-SHARED-INTX"));
  EXPECT_EQ(host.evidence("E-GROUP"), "it cannot be isolated from 0000:04:00.0 (nvme)")
      << "the root ports are functions of one device, without ACS";
  EXPECT_EQ(host.evidence("E-SHARED-INTX"),
            "it shares interrupt line GSI 16 with 0000:00:02.0 (i915), 0000:00:1a.0 (ehci-pci)");
  EXPECT_THAT(host.found({"00:1a.0"}), ElementsAre("E-RMRR", "E-SHARED-INTX"));
  EXPECT_THAT(host.evidence("E-RMRR"), testing::HasSubstr("together with 0000:00:1d.0"));
  EXPECT_THAT(host.found({"00:1a.0,rdm_policy=relaxed", "00:02.0"}),
              ElementsAre("E-RMRR", "W-RMRR"))
      << "accepted; and the line stays within the domain";
  EXPECT_THAT(host.found({"04:00.0"}), ElementsAre("E-DOM0-USES"));
  EXPECT_EQ(host.evidence("E-DOM0-USES"), "dom0 uses it: mounted on /");
}

std::vector<Function> server() {
  std::vector<Function> list = {
      {.at = "00:01.0", .kind = Kind::root_port, .cls = 0x060400, .acs = Acs::on},
      {.at = "00:02.0", .kind = Kind::root_port, .cls = 0x060400, .acs = Acs::on},
      {.at = "00:16.0",
       .kind = Kind::conventional,
       .id = "1415:950b",
       .cls = 0x070002,
       .reset_method = "pm",
       .gsi = 19,
       .driver = "serial"},
      {.at = "01:00.0", .below = "00:01.0", .kind = Kind::upstream, .cls = 0x060400},
  };
  for (int port = 0; port < 2; ++port) {
    const auto down = fmt::format("02:{:02x}.0", port);
    list.push_back({.at = down,
                    .below = "01:00.0",
                    .kind = Kind::downstream,
                    .cls = 0x060400,
                    .acs = Acs::on});
    for (int function = 0; function < 2; ++function)
      list.push_back({.at = fmt::format("{:02x}:00.{}", 3 + port, function),
                      .below = down,
                      .id = "8086:1572",
                      .multifunction = true,
                      .acs = Acs::on,
                      .flr = true,
                      .driver = port == 0 ? "pciback" : "i40e",
                      .serial = fmt::format("3cfdfe9e8080000{}", port)});
  }
  list.push_back({.at = "05:00.0",
                  .below = "00:02.0",
                  .id = "144d:a824",
                  .cls = 0x010802,
                  .flr = true,
                  .driver = "nvme"});
  return list;
}

TEST(Machines, ServerWithAcs) {
  Host host(server());
  host.machine.disk("05:00.0", "nvme0n1", "259:0", {"md0"});
  host.machine.volume("md0", "9:0", "");
  const auto tty = host.machine.dir("00:16.0") / "tty/ttyS4";
  host.machine.tree.file(tty / "dev", "4:68\n");
  host.machine.tree.link(host.machine.tree.sys() / "class/tty/ttyS4", tty);
  host.machine.tree.file(host.machine.tree.proc() / "consoles",
                         "ttyS4                -W- (EC p a)    4:68\n");
  EXPECT_EQ(host.device("03:00.1").serial, "3c-fd-fe-9e-80-80-00-00");
  EXPECT_EQ(host.device("04:00.0").location(), "pci0000:00/01.0/00.0/01.0/00.0");
  for (const char* at : {"03:00.0", "03:00.1", "04:00.0"}) EXPECT_THAT(host.found({at}), IsEmpty());
  EXPECT_THAT(host.found({"05:00.0"}), ElementsAre("E-DOM0-USES"));
  EXPECT_EQ(host.evidence("E-DOM0-USES"), "dom0 uses it: part of md0");
  EXPECT_THAT(host.found({"00:16.0"}), ElementsAre("E-DOM0-USES"));
  EXPECT_EQ(host.evidence("E-DOM0-USES"), "dom0 uses it: console on ttyS4");
  EXPECT_THAT(host.found({"01:00.0"}), ElementsAre("E-NOT-ENDPOINT", "E-NO-RESET"));
}

TEST(Machines, ServerWhoseFirmwareLeftAcsOff) {
  auto list = server();
  for (auto& function : list)
    if (function.kind == Kind::downstream) function.acs = Acs::off;
  Host host(list);
  EXPECT_THAT(host.found({"03:00.0"}), ElementsAre("E-GROUP"));
  EXPECT_EQ(host.evidence("E-GROUP"),
            "it cannot be isolated from 0000:04:00.0 (i40e), 0000:04:00.1 (i40e)");
}

TEST(Machines, VirtualFunctions) {
  std::vector<Function> list = {
      {.at = "00:03.0", .kind = Kind::root_port, .cls = 0x060400, .acs = Acs::on},
      {.at = "06:00.0", .below = "00:03.0", .id = "8086:1572", .flr = true, .driver = "i40e"}};
  for (int i = 0; i < 8; ++i)
    list.push_back({.at = fmt::format("06:02.{}", i),
                    .below = "00:03.0",
                    .id = "8086:154c",
                    .flr = true,
                    .driver = i < 4 ? "pciback" : "iavf",
                    .physfn = "06:00.0"});
  Host host(list);
  EXPECT_EQ(host.device("06:02.3").physfn, (Sbdf{0, 6, 0, 0}));
  EXPECT_THAT(host.found({"06:02.0"}), IsEmpty());
  EXPECT_THAT(host.found({"06:02.0", "06:02.5"}), IsEmpty());
  EXPECT_THAT(host.found({"06:00.0"}), ElementsAre("E-GROUP"))
      << "dom0 uses functions that it rules";
  EXPECT_EQ(host.evidence("E-GROUP"),
            "it cannot be isolated from 0000:06:02.4 (iavf), 0000:06:02.5 (iavf), "
            "0000:06:02.6 (iavf), 0000:06:02.7 (iavf)");
}

TEST(Machines, ConventionalBridge) {
  Host host({
      {.at = "00:1e.0", .kind = Kind::root_port, .cls = 0x060400, .acs = Acs::on},
      {.at = "07:00.0",
       .below = "00:1e.0",
       .kind = Kind::to_conventional,
       .cls = 0x060400,
       .resets_below = true},
      {.at = "08:00.0",
       .below = "07:00.0",
       .kind = Kind::conventional,
       .id = "10ec:8139",
       .gsi = 20,
       .driver = "8139too"},
      {.at = "08:01.0",
       .below = "07:00.0",
       .kind = Kind::conventional,
       .id = "1102:0002",
       .cls = 0x040100,
       .gsi = 21,
       .driver = "pciback"},
      {.at = "08:02.0", .below = "07:00.0", .kind = Kind::conventional_bridge, .cls = 0x060400},
      {.at = "09:04.0",
       .below = "08:02.0",
       .kind = Kind::conventional,
       .id = "8086:1229",
       .gsi = 22,
       .driver = "pciback"},
  });
  EXPECT_EQ(host.device("09:04.0").path.size(), 3U);
  EXPECT_THAT(host.found({"08:01.0"}), ElementsAre("E-NO-RESET", "E-GROUP"));
  EXPECT_THAT(host.found({"09:04.0,reset=bus"}), ElementsAre("E-NO-RESET", "E-GROUP"));
  EXPECT_EQ(host.evidence("E-NO-RESET"), "dom0's kernel cannot reset the bus below 0000:08:02.0");
  EXPECT_THAT(host.found({"08:01.0,reset=bus", "08:00.0,reset=bus"}), IsEmpty())
      << "all of the bus goes along or is nobody's";
  EXPECT_THAT(host.found({"08:01.0,allow=no-reset+group"}), ElementsAre("E-NO-RESET", "E-GROUP"));
  for (const auto& finding : host.findings) EXPECT_NE(finding.severity, Severity::refusal);
}

TEST(Machines, Large64BitBars) {
  constexpr std::uint64_t kHigh = 0x0000f80000000000ULL, kGiB = 1ULL << 30;
  Host host({
      {.at = "40:01.0", .kind = Kind::root_port, .cls = 0x060400, .acs = Acs::on},
      {.at = "41:00.0",
       .below = "40:01.0",
       .id = "10de:20b0",
       .cls = 0x030200,
       .reset_method = "flr bus",
       .driver = "pciback",
       .bars = {{0xb0000000, 0x1000000},
                {kHigh, 64 * kGiB, false, true},
                {},
                {kHigh + 64 * kGiB, 32U << 20, false, true}}},
      {.at = "42:00.0",
       .kind = Kind::integrated,
       .flr = true,
       .driver = "ice",
       .bars = {{kHigh + 65 * kGiB, 0x2000000, false, true}}},
  });
  const auto gpu = host.device("41:00.0");
  ASSERT_EQ(gpu.regions.size(), 3U);
  EXPECT_EQ(gpu.regions[1].frames(), 64ULL << 18);
  EXPECT_TRUE(gpu.regions[1].is_64bit);
  EXPECT_EQ(gpu.parent_bus, "pci0000:40");
  EXPECT_THAT(host.found({"41:00.0"}), IsEmpty());
}

TEST(Machines, MultiFunctionNicWithoutAcs) {
  std::vector<Function> list = {
      {.at = "00:1c.0", .kind = Kind::root_port, .cls = 0x060400, .acs = Acs::on}};
  for (int i = 0; i < 4; ++i)
    list.push_back({.at = fmt::format("02:00.{}", i),
                    .below = "00:1c.0",
                    .id = "8086:1521",
                    .multifunction = true,
                    .flr = true,
                    .gsi = 16 + i,
                    .driver = i == 3 ? "igb" : "pciback"});
  Host host(list);
  EXPECT_THAT(host.found({"02:00.0"}), ElementsAre("E-GROUP"));
  EXPECT_EQ(host.evidence("E-GROUP"), "it cannot be isolated from 0000:02:00.3 (igb)");
  EXPECT_THAT(host.found({"02:00.*"}), IsEmpty());
  // Half of the card to another domain is as bad.
  host.world.add_domain(4, "other");
  host.world.store.put("/libxl/pci/0000-02-00-1/domid", "4");
  EXPECT_THAT(host.found({"02:00.0", "02:00.3"}), ElementsAre("E-GROUP", "E-GROUP"));
  EXPECT_EQ(host.evidence("E-GROUP"), "it cannot be isolated from 0000:02:00.1 (domain 4)");
  EXPECT_THAT(host.found({"02:00.1"}), ElementsAre("E-OWNED", "E-GROUP"));
}

TEST(Machines, SegmentsAndAControllerWithABusOfItsOwn) {
  Host host({
      {.at = "0000:00:0e.0",
       .kind = Kind::integrated,
       .id = "8086:9a0b",
       .cls = 0x010400,
       .flr = true,
       .driver = "vmd"},
      {.at = "0001:00:01.0", .kind = Kind::root_port, .cls = 0x060400, .acs = Acs::on},
      {.at = "0001:01:00.0", .below = "0001:00:01.0", .flr = true, .driver = "pciback"},
  });
  // What lies behind the controller has a root bus of its own, of which Xen knows nothing.
  const auto behind = host.machine.dir("0000:00:0e.0") / "pci10000:e0/10000:e0:06.0";
  host.machine.tree.file(behind / "vendor", "0x144d\n");
  host.machine.tree.file(behind / "block/nvme1n1/dev", "259:8\n");
  host.machine.tree.link(host.machine.tree.sys() / "class/block/nvme1n1", behind / "block/nvme1n1");
  host.machine.mounted("259:8", "/srv");
  EXPECT_EQ(host.all.size(), 3U);
  EXPECT_THAT(host.found({"0001:01:00.0"}), IsEmpty());
  EXPECT_THAT(host.found({"0000:00:0e.0"}), ElementsAre("E-DOM0-USES"));
  host.world.xen.devices.erase({1, 1, 0, 0});
  EXPECT_THAT(host.found({"0001:01:00.0"}), ElementsAre("E-NOT-IN-XEN"));
}

TEST(Machines, OldOneWithBarsInOnePage) {
  Host host({
      {.at = "00:0a.0",
       .kind = Kind::conventional,
       .id = "8086:1229",
       .reset_method = "pm",
       .gsi = 10,
       .driver = "pciback",
       .bars = {{0xe8000000, 0x800}, {0xd000, 0x40, true}}},
      {.at = "00:0b.0",
       .kind = Kind::conventional,
       .id = "1011:0019",
       .reset_method = "pm",
       .gsi = 11,
       .driver = "tulip",
       .bars = {{0xe8000800, 0x400}, {0xd040, 0x80, true}}},
  });
  EXPECT_THAT(host.found({"00:0a.0"}), ElementsAre("E-SHARED-PAGE"));
  EXPECT_THAT(host.found({"00:0a.0", "00:0b.0"}), IsEmpty());
}

TEST(Machines, FourThousandFunctions) {
  Host host(many_functions(4096));
  EXPECT_EQ(host.all.size(), 4096U);
  EXPECT_TRUE(std::is_sorted(host.all.begin(), host.all.end(),
                             [](const Device& a, const Device& b) { return a.sbdf < b.sbdf; }));
  EXPECT_THAT(host.found({"10:1f.6"}), IsEmpty());
  EXPECT_EQ(host.tools.list()->size(), 4096U);
}

}  // namespace
}  // namespace pciassign::test
