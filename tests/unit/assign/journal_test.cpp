// SPDX-License-Identifier: GPL-2.0-or-later
#include "pciassign/journal.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "assign/journal_json.hpp"
#include "pciassign/sim/world.hpp"

namespace pciassign::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBoot = "11111111-1111-4111-8111-111111111111";
constexpr const char* kFormerBoot = "22222222-2222-4222-8222-222222222222";

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

void expect_same(AttachmentRecord a, AttachmentRecord b) {
  a.boot = b.boot = kBoot;
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
        replaced("\"domid\":3", "\"domid\":-3"), replaced("\"domid\":3", "\"domid\":0"),
        replaced("\"domid\":3", "\"domid\":32753"),
        replaced("\"vendor\":32902", "\"vendor\":99999"), replaced("0000:00:04.0", "0000:00:44.0"),
        replaced("\"size\":32", "\"size\":0")})
    EXPECT_FALSE(detail::record_from_json(text)) << text;
}

TEST_F(FileJournal, KeepsRecordsAcrossRestarts) {
  {
    auto journal = open_journal(directory, kBoot);
    ASSERT_TRUE(journal) << journal.error().message;
    ASSERT_TRUE((*journal)->put(sample()));
  }
  auto journal = open_journal(directory, kBoot);
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
  auto journal = open_journal(directory, kBoot);
  ASSERT_TRUE((*journal)->put(sample()));
  std::ofstream(directory / "0000-00-04-0.json.new") << "{\"versi";
  EXPECT_EQ((*journal)->all()->size(), 1U);
}

TEST_F(FileJournal, ADamagedEntryIsNamedAndNeverDropped) {
  auto journal = open_journal(directory, kBoot);
  fs::create_directories(directory);
  std::ofstream(directory / "0000-00-04-0.json") << "{";
  const auto found = (*journal)->find({0, 0, 4, 0});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, "E-OWNED");
  EXPECT_NE(found.error().message.find("0000-00-04-0.json"), std::string::npos);
  EXPECT_TRUE(fs::exists(directory / "0000-00-04-0.json"));
}

TEST_F(FileJournal, OneBadFileConcernsItsOwnDeviceOnly) {
  auto journal = open_journal(directory, kBoot);
  ASSERT_TRUE((*journal)->put(sample()));
  const auto file = [&](const char* name) { return directory / name; };
  for (const char* stray : {"note", "0000-00-05-0.json~", "0000-00-07-0.JSON", ".hidden",
                            "0000-00-05-0", "0000-00-5-0.json", "lost.json"})
    std::ofstream(file(stray)) << "{}";
  fs::create_directory(file("lost+found"));
  // Each of these is the record of one device.
  std::ofstream(file("0000-00-05-0.json")) << "not JSON";
  fs::create_directory(file("0000-00-06-0.json"));
  ASSERT_EQ(::mkfifo(file("0000-00-07-0.json").c_str(), 0600), 0);
  fs::create_symlink(file("0000-00-04-0.json"), file("0000-00-08-0.json"));
  std::ofstream(file("0000-00-09-0.json")) << detail::to_json(sample());
  std::ofstream(file("0000-00-0a-0.json")) << std::string(2U << 20U, ' ');
  std::ofstream(file("0000-00-0b-0.json"));

  const auto all = (*journal)->all();
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 1U);
  expect_same(all->front(), sample());
  EXPECT_TRUE(*(*journal)->find({0, 0, 4, 0}));
  EXPECT_FALSE(*(*journal)->find({0, 0, 0x0c, 0}));
  const auto faults = (*journal)->faults();
  ASSERT_TRUE(faults);
  std::size_t damaged = 0, stray = 0;
  for (const auto& fault : *faults) {
    EXPECT_NE(fault.why.find(fault.file.filename().string()), std::string::npos);
    EXPECT_EQ(fault.device.has_value(), fault.kind != JournalFault::Kind::stray);
    if (fault.device) {
      EXPECT_FALSE((*journal)->find(*fault.device));
    }
    (fault.kind == JournalFault::Kind::damaged ? damaged : stray) += 1;
  }
  EXPECT_EQ(damaged, 7U);
  EXPECT_EQ(stray, 8U);
}

TEST_F(FileJournal, ARecordOfAnotherBootIsNone) {
  ASSERT_TRUE((*open_journal(directory, kFormerBoot))->put(sample()));
  auto journal = open_journal(directory, kBoot);
  EXPECT_TRUE((*journal)->all()->empty());
  EXPECT_FALSE(*(*journal)->find(sample().device));
  const auto faults = (*journal)->faults();
  ASSERT_EQ(faults->size(), 1U);
  EXPECT_EQ(faults->front().kind, JournalFault::Kind::former);
  ASSERT_TRUE((*journal)->put(sample()));
  EXPECT_EQ((*journal)->all()->size(), 1U);
}

TEST_F(FileJournal, ReadingMakesNoDirectory) {
  auto journal = open_journal(directory, kBoot);
  EXPECT_TRUE((*journal)->all()->empty());
  EXPECT_TRUE((*journal)->faults()->empty());
  EXPECT_TRUE((*journal)->erase({0, 0, 4, 0}));
  EXPECT_FALSE(fs::exists(directory));
}

TEST_F(FileJournal, WithoutABootThereIsNone) {
  EXPECT_FALSE(open_journal(directory, ""));
}

TEST_F(FileJournal, TheBootsIdentityIsReadOrAnError) {
  const auto proc = directory / "proc";
  EXPECT_FALSE(boot_id(proc));
  const auto random = proc / "sys/kernel/random";
  fs::create_directories(random);
  std::ofstream(random / "boot_id") << kBoot << '\n';
  ASSERT_TRUE(boot_id(proc));
  EXPECT_EQ(*boot_id(proc), kBoot);
  std::ofstream(random / "boot_id") << '\n';
  EXPECT_FALSE(boot_id(proc));
  EXPECT_TRUE(boot_id());
}

/// A release before this one kept its records elsewhere, and did not say of which boot.
struct SettledJournal : FileJournal {
  void SetUp() override {
    FileJournal::SetUp();
    former = directory.parent_path() / "former";
    fs::create_directories(former);
    journal = *open_journal(directory, kBoot);
  }
  static std::string name_of(const AttachmentRecord& record) {
    return record.device.libxl_key() + ".json";
  }
  void write(const fs::path& where, AttachmentRecord record, const char* boot) {
    record.boot = boot;
    fs::create_directories(where);
    std::ofstream(where / name_of(record)) << detail::to_json(record);
  }
  /// As claim() leaves it.
  void mark(const AttachmentRecord& record, const std::string& uuid, DomId domid) {
    world.store.put("/libxl/pci/" + record.device.libxl_key() + "/pciassign",
                    uuid + " " + std::to_string(domid));
  }
  std::vector<SettledRecord> settle(const fs::path& from) {
    auto settled = settle_journal(from, *journal, world.store, kBoot);
    EXPECT_TRUE(settled) << settled.error().message;
    return settled ? *settled : std::vector<SettledRecord>{};
  }
  fs::path former;
  std::unique_ptr<Journal> journal;
  sim::World world;
};

TEST_F(SettledJournal, OfThisBootIsTakenOver) {
  write(former, sample(), "");
  mark(sample(), sample().domain_uuid, sample().domid);
  for (int again = 0; again < 2; ++again) {
    const auto settled = settle(former);
    ASSERT_EQ(settled.size(), again == 0 ? 1U : 0U);
    ASSERT_EQ(journal->all()->size(), 1U);
    auto wanted = sample();
    wanted.boot = kBoot;
    expect_same(journal->all()->front(), wanted);
    EXPECT_FALSE(fs::exists(former / name_of(sample())));
  }
}

TEST_F(SettledJournal, WithoutIdentityAndUnknownToXenstoreIsDroppedAndTold) {
  for (const auto& where : {former, directory}) {
    for (int mark_of_another = 0; mark_of_another < 3; ++mark_of_another) {
      write(where, sample(), "");
      if (mark_of_another == 1) mark(sample(), sample().domain_uuid, 4);
      if (mark_of_another == 2) mark(sample(), "99999999-0000-0000-0000-000000000000", 3);
      const auto settled = settle(where);
      ASSERT_EQ(settled.size(), 1U);
      EXPECT_FALSE(settled.front().taken_over);
      EXPECT_EQ(settled.front().device, sample().device);
      EXPECT_EQ(settled.front().domid, sample().domid);
      EXPECT_EQ(settled.front().domain_name, sample().domain_name);
      EXPECT_FALSE(settled.front().why.empty());
      EXPECT_TRUE(journal->all()->empty());
      EXPECT_FALSE(fs::exists(where / name_of(sample())));
    }
  }
}

TEST_F(SettledJournal, OfAnotherBootIsDroppedWhateverXenstoreSays) {
  for (const auto& where : {former, directory}) {
    write(where, sample(), kFormerBoot);
    mark(sample(), sample().domain_uuid, sample().domid);
    ASSERT_EQ(settle(where).size(), 1U);
    EXPECT_TRUE(journal->all()->empty());
    EXPECT_FALSE(fs::exists(where / name_of(sample())));
  }
}

TEST_F(SettledJournal, WhatTheJournalHasStays) {
  auto newer = sample();
  newer.phase = Phase::attached;
  ASSERT_TRUE(journal->put(newer));
  EXPECT_TRUE(settle(directory).empty());
  write(former, sample(), "");
  mark(sample(), sample().domain_uuid, sample().domid);
  ASSERT_EQ(settle(former).size(), 1U);
  EXPECT_EQ(journal->all()->front().phase, Phase::attached);
}

TEST_F(SettledJournal, ADamagedRecordOfThisBootStillKeepsItsDevice) {
  const auto file = former / name_of(sample());
  std::ofstream(file) << "{";
  ASSERT_EQ(settle(former).size(), 1U);
  EXPECT_TRUE(*(*open_journal(directory, kBoot))->find(sample().device) == std::nullopt);
  std::ofstream(file) << "{";
  mark(sample(), "whoever", 1);
  ASSERT_EQ(settle(former).size(), 1U);
  EXPECT_FALSE(journal->find(sample().device));
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(SettledJournal, WhatIsNoRecordIsLeftAlone) {
  std::ofstream(former / "note") << "mine";
  fs::create_directories(former / "0000-00-04-0.json" / "deep");
  EXPECT_TRUE(settle(former).empty());
  EXPECT_TRUE(fs::exists(former / "note"));
  EXPECT_TRUE(fs::exists(former / "0000-00-04-0.json" / "deep"));
  EXPECT_TRUE(settle(former / "missing").empty());
}

TEST_F(SettledJournal, WhereXenstoreDoesNotAnswerNothingIsDropped) {
  write(former, sample(), "");
  world.faults.fail_all("store.read");
  EXPECT_FALSE(settle_journal(former, *journal, world.store, kBoot));
  EXPECT_TRUE(fs::exists(former / name_of(sample())));
}

TEST_F(FileJournal, AFullDiskKeepsTheOldEntry) {
  auto journal = open_journal(directory, kBoot);
  ASSERT_TRUE((*journal)->put(sample()));
  // A directory in the place of the temporary file: the new entry cannot be written.
  fs::create_directory(directory / "0000-00-04-0.json.new");
  auto changed = sample();
  changed.domid = 9;
  EXPECT_FALSE((*journal)->put(changed));
  EXPECT_EQ((*(*journal)->find({0, 0, 4, 0}))->domid, 3U);
}

TEST_F(FileJournal, OnlyRootReadsIt) {
  auto journal = open_journal(directory, kBoot);
  ASSERT_TRUE((*journal)->put(sample()));
  struct stat info {};
  ASSERT_EQ(::stat((directory / "0000-00-04-0.json").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

}  // namespace
}  // namespace pciassign::test
