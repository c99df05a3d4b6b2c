// SPDX-License-Identifier: GPL-2.0-or-later
#include "pciassign/journal.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "assign/journal_json.hpp"

namespace pciassign::test {
namespace {

namespace fs = std::filesystem;

AttachmentRecord sample() {
  AttachmentRecord record;
  record.device = {0, 0, 4, 0};
  record.vendor = 0x8086;
  record.device_id = 0x10d3;
  record.domid = 3;
  record.domain_name = "net \"quoted\"";
  record.domain_uuid = "01020304-0000-0000-0000-000000000000";
  record.phase = Phase::detaching;
  record.regions = {{0, 0xfe840000, 0x20000, false, false, false},
                    {3, 0xfffffffff000, 0x1000, false, true, true},
                    {2, 0xc000, 0x20, true, false, false}};
  record.gsi = 20;
  record.options.allow = {"no-reset"};
  record.options.vslot = 4;
  record.iommu = false;
  record.reset_acknowledged = true;
  record.seized_from = "e1000e";
  return record;
}

void expect_same(const AttachmentRecord& a, const AttachmentRecord& b) {
  EXPECT_EQ(detail::to_json(a), detail::to_json(b));
  EXPECT_EQ(a.regions, b.regions);
  EXPECT_EQ(a.options, b.options);
  EXPECT_EQ(a.pirq, b.pirq);
}

struct FileJournal : testing::Test {
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "pciassign-journal-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory = fs::path(name) / "deep/er";
  }
  void TearDown() override { fs::remove_all(directory.parent_path().parent_path()); }
  fs::path directory;
};

TEST(JournalFormat, WritingAndReadingAreInverse) {
  auto again = detail::record_from_json(detail::to_json(sample()));
  ASSERT_TRUE(again) << again.error().message;
  expect_same(sample(), *again);
}

TEST(JournalFormat, DamageIsAnErrorWithAReason) {
  const auto good = detail::to_json(sample());
  const auto replaced = [&](const std::string& from, const std::string& to) {
    auto text = good;
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  for (const auto& text :
       {std::string{}, std::string("{}"), std::string("[]"), good.substr(0, good.size() / 2),
        replaced("\"version\":1", "\"version\":2"), replaced("detaching", "dreaming"),
        replaced("\"domid\":3", "\"domid\":-3"), replaced("\"vendor\":32902", "\"vendor\":99999"),
        replaced("0000:00:04.0", "0000:00:44.0"), replaced("\"size\":32", "\"size\":0")})
    EXPECT_FALSE(detail::record_from_json(text)) << text;
}

TEST_F(FileJournal, KeepsRecordsAcrossRestarts) {
  {
    auto journal = open_journal(directory);
    ASSERT_TRUE(journal) << journal.error().message;
    ASSERT_TRUE((*journal)->put(sample()));
  }
  auto journal = open_journal(directory);
  auto all = (*journal)->all();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 1U);
  expect_same(all->front(), sample());
  ASSERT_TRUE(*(*journal)->find({0, 0, 4, 0}));
  EXPECT_FALSE(*(*journal)->find({0, 0, 5, 0}));
  EXPECT_TRUE((*journal)->erase({0, 0, 4, 0}));
  EXPECT_TRUE((*journal)->erase({0, 0, 4, 0}));
  EXPECT_TRUE((*journal)->all()->empty());
}

TEST_F(FileJournal, AHalfWrittenEntryDoesNotHideTheOneBefore) {
  auto journal = open_journal(directory);
  ASSERT_TRUE((*journal)->put(sample()));
  std::ofstream(directory / "0000-00-04-0.json.new") << "{\"versi";
  EXPECT_EQ((*journal)->all()->size(), 1U);
}

TEST_F(FileJournal, ADamagedEntryIsNamedAndNeverDropped) {
  auto journal = open_journal(directory);
  std::ofstream(directory / "0000-00-04-0.json") << "{";
  auto all = (*journal)->all();
  ASSERT_FALSE(all);
  EXPECT_NE(all.error().message.find("0000-00-04-0.json"), std::string::npos);
  EXPECT_TRUE(fs::exists(directory / "0000-00-04-0.json"));
}

TEST_F(FileJournal, AFullDiskKeepsTheOldEntry) {
  auto journal = open_journal(directory);
  ASSERT_TRUE((*journal)->put(sample()));
  // A directory in the place of the temporary file: the new entry cannot be written.
  fs::create_directory(directory / "0000-00-04-0.json.new");
  auto changed = sample();
  changed.domid = 9;
  EXPECT_FALSE((*journal)->put(changed));
  EXPECT_EQ((*(*journal)->find({0, 0, 4, 0}))->domid, 3U);
}

TEST_F(FileJournal, OnlyRootReadsIt) {
  auto journal = open_journal(directory);
  ASSERT_TRUE((*journal)->put(sample()));
  struct stat info {};
  ASSERT_EQ(::stat((directory / "0000-00-04-0.json").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

}  // namespace
}  // namespace pciassign::test
