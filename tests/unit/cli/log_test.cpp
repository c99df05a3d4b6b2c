// SPDX-License-Identifier: GPL-2.0-or-later
// What journald gets, and what its catalog says of it.
#include "log.hpp"

#include <fstream>
#include <map>
#include <set>

#include "fixture.hpp"

namespace pciassign::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

TEST(MessageIds, are_unique_and_well_formed) {
  std::set<std::string_view> names, uuids;
  for (const daemon::MessageId& id : daemon::kMessageIds) {
    EXPECT_TRUE(names.insert(id.name).second) << id.name;
    EXPECT_TRUE(uuids.insert(id.uuid).second) << id.uuid;
    EXPECT_EQ(id.uuid.size(), 32U) << id.name;
    EXPECT_EQ(id.uuid.find_first_not_of("0123456789abcdef"), id.uuid.npos) << id.name;
  }
}

struct Entry {
  std::string subject, text;
};

/// Entries begin with "-- UUID"; headers, an empty line and the text follow.
std::map<std::string, Entry> read_catalog() {
  std::map<std::string, Entry> entries;
  std::ifstream in(CATALOG);
  Entry* entry = nullptr;
  bool in_text = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("-- ")) {
      entry = &entries[line.substr(3)];
      in_text = false;
    } else if (entry == nullptr || (line.starts_with('#') && !in_text)) {
      continue;
    } else if (!in_text && line.starts_with("Subject: ")) {
      entry->subject = line.substr(9);
    } else if (line.empty()) {
      in_text = true;
    } else if (in_text) {
      entry->text += line + "\n";
    }
  }
  return entries;
}

TEST(MessageIds, are_each_explained_in_the_catalog_and_no_other_is) {
  auto catalog = read_catalog();
  for (const daemon::MessageId& id : daemon::kMessageIds) {
    const auto found = catalog.find(std::string(id.uuid));
    ASSERT_NE(found, catalog.end()) << id.name;
    EXPECT_FALSE(found->second.subject.empty()) << id.name;
    EXPECT_FALSE(found->second.text.empty()) << id.name;
    catalog.erase(found);
  }
  EXPECT_TRUE(catalog.empty()) << catalog.begin()->first;
}

TEST(Journal, entries_carry_the_message_the_id_and_each_field) {
  const daemon::LogRecord record{
      daemon::LogLevel::warning,
      "attach-failed",
      "no\nreset",
      {{"domain", "net"}, {"bdf", "0000:00:04.0"}, {"bdf", "0000:00:05.0"}}};
  const auto entries = daemon::journal_entries(record);
  EXPECT_THAT(entries.front(), ::testing::StartsWith("MESSAGE=no\\x0areset"));
  EXPECT_THAT(entries, Contains("MESSAGE_ID=" + std::string(record.id.uuid())));
  EXPECT_THAT(entries, Contains("PCIASSIGN_ID=attach-failed"));
  EXPECT_THAT(entries, Contains("PRIORITY=4"));
  EXPECT_THAT(entries, Contains("PCIASSIGN_DOMAIN=net"));
  EXPECT_THAT(entries, Contains("PCIASSIGN_BDF=0000:00:04.0"));
  EXPECT_THAT(entries, Contains("PCIASSIGN_BDF=0000:00:05.0"));
}

TEST_F(DaemonTest, the_messages_of_a_change_name_its_devices_and_its_domain) {
  world.add_domain(3, "net");
  start();
  ASSERT_EQ(pciassign({"attach", "net", "00:04.0", "00:05.0"}).status, 0);
  for (const char* id : {"plan-begins", "step", "plan-done"}) {
    const auto entries = journal_of(id);
    EXPECT_THAT(entries, Contains("PCIASSIGN_DOMAIN=net")) << id;
    EXPECT_THAT(entries, Contains("PCIASSIGN_DOMID=3")) << id;
    EXPECT_THAT(entries, Contains("PCIASSIGN_BDF=0000:00:04.0")) << id;
    EXPECT_THAT(entries, Contains("PCIASSIGN_BDF=0000:00:05.0")) << id;
  }
}

TEST_F(DaemonTest, a_failure_names_the_code_of_what_refused_it) {
  world.xen.host_info.iommu = false;
  world.add_domain(3, "net");
  world.xen.all[3].pause_count = 1;
  world.xen.all[3].info.paused = true;
  start(assigned("net", {"00:04.0"}));
  ASSERT_TRUE(eventually([&] { return logged("attach-failed"); }));
  const auto entries = journal_of("attach-failed");
  EXPECT_THAT(entries, Contains("PCIASSIGN_CODE=E-NO-IOMMU"));
  EXPECT_THAT(entries, Contains("PCIASSIGN_DOMAIN=net"));
  EXPECT_THAT(entries, Contains("PCIASSIGN_BDF=0000:00:04.0"));
}

}  // namespace
}  // namespace pciassign::test
