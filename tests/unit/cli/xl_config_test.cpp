// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pciassign/config_xl.hpp"
#include "pciassign/uuid.hpp"

namespace pciassign::config {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Case {
  const char* what;
  const char* text;
  std::vector<std::string> devices;  ///< Canonical.
};

class XlFile : public ::testing::TestWithParam<Case> {};

TEST_P(XlFile, lists_its_devices) {
  const auto domain = parse_xl_domain(GetParam().text, "d.cfg");
  ASSERT_TRUE(domain) << domain.error().message;
  EXPECT_EQ(domain->name, "net");
  std::vector<std::string> canonical;
  for (const std::string& text : GetParam().devices)
    canonical.push_back(DeviceSpec::parse(text)->str());
  std::vector<std::string> read;
  for (const DeviceSpec& spec : domain->devices) read.push_back(spec.str());
  EXPECT_EQ(read, canonical);
}

INSTANTIATE_TEST_SUITE_P(
    All, XlFile,
    ::testing::Values(
        Case{"none", "name='net'\n", {}}, Case{"empty", "name='net'\npci=[]\n", {}},
        Case{"one", "name=\"net\"\npci=[\"00:04.0\"]\n", {"00:04.0"}},
        Case{"single quotes, spaces, comment",
             "name = 'net' # the network\npci = [ '00:04.0' ] # nic\n",
             {"00:04.0"}},
        Case{"many lines",
             "name='net'\npci = [\n  '00:04.0',\n  # the disk\n  '0000:00:05.0',\n]\n",
             {"00:04.0", "00:05.0"}},
        Case{"hash inside quotes", "name='net'\nextra='a#b'\npci=['00:04.0']\n", {"00:04.0"}},
        Case{"semicolons", "name='net'; pci=['00:04.0']\n", {"00:04.0"}},
        Case{"no newline at the end", "name='net'\npci=['00:04.0']", {"00:04.0"}},
        Case{
            "later assignment wins", "name='net'\npci=['00:03.0']\npci=['00:04.0']\n", {"00:04.0"}},
        Case{"added", "name='net'\npci=['00:03.0']\npci+=['00:04.0']\n", {"00:03.0", "00:04.0"}},
        Case{"options and a slot",
             "name='net'\npci=['00:04.0@1a,permissive=1']\n",
             {"00:04.0@1a,permissive=1"}},
        Case{"defaults of the file",
             "name='net'\npci_permissive=1\npci_seize=1\npci=['00:04.0','00:05.0,permissive=0']\n",
             {"00:04.0,permissive=1,seize=1", "00:05.0,seize=1"}},
        Case{"Xen 2.0's form", "name='net'\npci=['00,04,00','03,1a,01']\n", {"00:04.0", "03:1a.1"}},
        Case{"brackets of Xen 2 0",
             "name='net'\npci=['(device (pci (bus 3)(dev 26)(func 1)))']\n",
             {"03:1a.1"}},
        Case{"brackets of xend 3",
             "name='net'\npci=['(device (pci (dev (bus 0x3)(slot 0x1a)(func 0x1))))']\n",
             {"03:1a.1"}},
        Case{"all defaults of the file",
             "name='net'\npci_permissive=1\npci_msitranslate=1\npci_seize=1\npci_power_mgmt=1\n"
             "pci=['00:04.0','00,05,00','00:06.0,permissive=0,msitranslate=0,seize=0,power_mgmt=0']"
             "\n",
             {"00:04.0,permissive=1,msitranslate=1,seize=1,power_mgmt=1",
              "00:05.0,permissive=1,msitranslate=1,seize=1,power_mgmt=1", "00:06.0"}},
        Case{"every option",
             "name='net'\npci=['0001:03:00.2@1a, permissive=1, msitranslate=1, seize=1, "
             "power_mgmt=1, "
             "rdm_policy=relaxed']\n",
             {"0001:03:00.2,vslot=1a,permissive=1,msitranslate=1,seize=1,power_mgmt=1,"
              "rdm_policy=relaxed"}},
        Case{"keys only", "name='net'\npci=['bdf=03:00.0,vslot=5']\n", {"03:00.0,vslot=5"}},
        Case{"a name", "name='net'\npci=['name=nic0,permissive=1']\n", {"name=nic0,permissive=1"}},
        Case{"graphics that are not passed",
             "name='net'\ngfx_passthru=0\npci=['00:04.0']\n",
             {"00:04.0"}},
        Case{"all functions", "name='net'\npci=['00:04.*']\n", {"00:04.*"}}),
    [](const auto& info) {
      std::string name;
      for (const char* c = info.param.what; *c != '\0'; ++c) name += std::isalnum(*c) ? *c : '_';
      return name;
    });

TEST(XlFileKind, is_read_from_type_and_builder) {
  EXPECT_EQ(parse_xl_domain("name='a'", "d")->kind, DomainKind::pv);
  EXPECT_EQ(parse_xl_domain("name='a'\ntype='pv'", "d")->kind, DomainKind::pv);
  EXPECT_EQ(parse_xl_domain("name='a'\ntype='hvm'", "d")->kind, DomainKind::hvm);
  EXPECT_EQ(parse_xl_domain("name='a'\ntype='pvh'", "d")->kind, DomainKind::pvh);
  EXPECT_EQ(parse_xl_domain("name='a'\nbuilder='hvm'", "d")->kind, DomainKind::hvm);
  EXPECT_EQ(parse_xl_domain("name='a'\nbuilder='generic'", "d")->kind, DomainKind::pv);
}

TEST(XlFileErrors, say_where_and_what) {
  const struct {
    const char* text;
    const char* starts;
    const char* says;
  } cases[] = {
      {"name='a'\npci=['00:04.0'\nkernel='x'\n", "d.cfg:3", "parsing error"},
      {"name='a'\n\n)\n", "d.cfg:3", "parsing error"},
      {"pci=[]", "d.cfg: ", "name is missing"},
      {"name='7'", "d.cfg: ", "name is a number"},
      {"name=7", "d.cfg: ", "name is a number"},
      {"name='a'\nuuid='a'", "d.cfg: ", "uuid must be"},
      {"name='a'\nuuid='00000000-0000-4000-8000-00000000000g'", "d.cfg: ", "uuid must be"},
      {"name='a'\nuuid=['a']", "d.cfg: ", "uuid must be a string"},
      {"name='a'\npci='00:04.0'", "d.cfg: ", "pci must be a list"},
      {"name='a'\npci=[['00:04.0']]", "d.cfg: ", "no string"},
      {"name='a'\npci=['zz']", "d.cfg: pci: ", "zz"},
      {"name='a'\npci=['00:04.0,colour=red']", "d.cfg: pci: ", "colour"},
      {"name='a'\ntype='jail'", "d.cfg: ", "type"},
      {"name='a'\npci_seize='yes'\npci=['00:04.0']", "d.cfg: ", "pci_seize"},
      {"name='a'\npassthrough='disabled'\npci=['00:04.0']", "d.cfg: ", "passthrough"},
      {"name=['a']", "d.cfg: ", "name must be a string"},
      {"name='a'\ngfx_passthru=1\npci=['00:04.0']", "d.cfg: ", "gfx_passthru is not supported"},
      {"name='a'\ngfx_passthru='igd'\npci=['00:04.0']", "d.cfg: ", "use xl create"},
      {"\n(vm (name a) (device (pci (bus 1))))", "d.cfg: ", "xend's own form (SXP)"},
      {"name='a'\npci=['00:04.0-3']", "d.cfg: pci: ", "00:04.0-3"},
      {"name='a'\npci=['(device (pci (bus 1)))']", "d.cfg: pci: ", "missing"},
  };
  for (const auto& c : cases) {
    const auto domain = parse_xl_domain(c.text, "d.cfg");
    ASSERT_FALSE(domain) << c.text;
    EXPECT_EQ(domain.error().kind, ErrorKind::usage);
    EXPECT_THAT(domain.error().message, StartsWith(c.starts)) << c.text;
    EXPECT_THAT(domain.error().message, HasSubstr(c.says)) << c.text;
  }
}

TEST(XlFileErrors, a_byte_of_zero_is_refused_before_the_parser_sees_it) {
  using namespace std::string_view_literals;
  const auto domain = parse_xl_domain("name='a'\nextra='x\0'\n"sv, "d.cfg");
  ASSERT_FALSE(domain);
  EXPECT_THAT(domain.error().message, StartsWith("d.cfg:2: a byte of zero"));
}

/// What xl would read from the copy.
XlDomain reread(const std::string& text) {
  const auto domain = parse_xl_domain(text, "d.cfg");
  EXPECT_TRUE(domain) << domain.error().message;
  const auto copy = parse_xl_domain(text_for_paused_creation(text, *domain), "copy");
  EXPECT_TRUE(copy) << copy.error().message;
  return *copy;
}

TEST(Copy, has_no_devices_but_room_for_them) {
  for (const char* text :
       {"name='a'\npci=['00:04.0']", "name='a'\npci=[\n'00:04.0',\n'00:05.0' ]\npci+=['00:06.0']\n",
        "name='a'\npci=['00:04.0'] # end", "name='a'; pci=['00:04.0']"}) {
    const XlDomain copy = reread(text);
    EXPECT_TRUE(copy.devices.empty()) << text;
    EXPECT_EQ(copy.passthrough, "enabled");
    EXPECT_EQ(copy.e820_host, true);
    EXPECT_EQ(copy.name, "a");
  }
}

TEST(Copy, has_the_uuid_by_which_the_domain_is_known) {
  auto domain = parse_xl_domain("name='a'\nuuid='ABCDEF00-0000-4000-8000-000000000001'\n", "d.cfg");
  ASSERT_TRUE(domain) << domain.error().message;
  EXPECT_EQ(domain->uuid, "abcdef00-0000-4000-8000-000000000001");
  EXPECT_EQ(reread("name='a'\nuuid='ABCDEF00-0000-4000-8000-000000000001'\n").uuid, domain->uuid);
  const std::string without = "name='7a'\n";
  domain = parse_xl_domain(without, "d.cfg");
  ASSERT_TRUE(domain) << domain.error().message;
  EXPECT_EQ(domain->uuid, "");
  domain->uuid = new_uuid();
  EXPECT_EQ(parse_uuid(domain->uuid), domain->uuid);
  EXPECT_NE(new_uuid(), domain->uuid);
  EXPECT_EQ(parse_xl_domain(text_for_paused_creation(without, *domain), "copy")->uuid,
            domain->uuid);
}

TEST(Copy, keeps_a_passthrough_that_was_chosen) {
  EXPECT_EQ(reread("name='a'\npassthrough='sync_pt'\npci=['00:04.0']\n").passthrough, "sync_pt");
}

TEST(Copy, leaves_the_memory_map_of_other_kinds_alone) {
  EXPECT_FALSE(reread("name='a'\ntype='hvm'\npci=['00:04.0']\n").e820_host);
}

}  // namespace
}  // namespace pciassign::config
