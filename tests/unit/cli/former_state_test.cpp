// SPDX-License-Identifier: GPL-2.0-or-later
// What a former boot, or a former release, has left: nothing is done by it, and nothing of this
// boot is lost.
#include "former_state.hpp"

#include <fstream>

#include "fixture.hpp"
#include "pciassign/journal.hpp"

namespace pciassign::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kFormerBoot = "22222222-2222-4222-8222-222222222222";

class FormerState : public DaemonTest {
 protected:
  FormerState() {
    world.add_domain(3, "net");
    uuid = world.xen.all[3].info.uuid_str();
    journal = *open_journal(config.paths.runtime / "journal", boot);
    world.store.put("/local/domain/3/vm", "/vm/" + uuid);
  }
  void write(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  /// As the toolstack notes it when it starts the domain: seconds from now.
  void started(int seconds) {
    world.store.put("/vm/" + uuid + "/start_time", std::to_string(std::time(nullptr) + seconds));
  }
  void pause() {
    world.xen.all[3].pause_count = 1;
    world.xen.all[3].info.paused = true;
  }
  void settle() {
    const Ports ports = world.ports();
    daemon::Log log([this](const daemon::LogRecord& record) { lines += log_line(record) + "\n"; },
                    daemon::LogLevel::debug);
    const auto settled = daemon::settle_former_state(
        Ports{ports.xen, ports.store, ports.pci, *journal, ports.clock}, config.paths, boot, log);
    EXPECT_TRUE(settled) << settled.error().message;
  }
  daemon::StateFiles::Pause pause_of() {
    return daemon::StateFiles(config.paths.runtime, boot).pause_of(world.xen.all[3].info);
  }
  std::vector<DeviceSpec> created() {
    return daemon::StateFiles(config.paths.runtime, boot).created(world.xen.all[3].info);
  }
  using Pause = daemon::StateFiles::Pause;
  std::string uuid, lines;
  std::unique_ptr<Journal> journal;
};

TEST_F(FormerState, a_pause_of_another_boot_is_nobodys) {
  pause();
  started(-100);
  const fs::path file = config.paths.runtime / "paused" / "3";
  write(file, std::string("boot ") + kFormerBoot + "\n" + uuid + "\n");
  EXPECT_EQ(pause_of(), Pause::none);
  settle();
  EXPECT_EQ(pause_of(), Pause::none);
  EXPECT_FALSE(fs::exists(file));
  EXPECT_THAT(lines, HasSubstr("warning former-record: dropped: " + file.string()));
}

TEST_F(FormerState, a_daemon_does_not_let_go_what_another_boots_note_tells_of) {
  pause();
  write(config.paths.runtime / "paused" / "3",
        std::string("boot ") + kFormerBoot + "\n" + uuid + "\n");
  start(assigned("other", {"00:04.0"}));
  EXPECT_EQ(pciassign({"status"}).status, 0);
  EXPECT_EQ(on_loop([&] { return world.xen.all[3].pause_count; }), 1);
}

TEST_F(FormerState, a_former_releases_pause_of_this_boot_is_taken_over) {
  pause();
  started(-100);
  for (const char* word : {"", "releasing\n"}) {
    write(config.paths.state / "paused" / "3", uuid + "\n" + word);
    settle();
    EXPECT_EQ(pause_of(), *word == 0 ? Pause::ours : Pause::releasing);
    EXPECT_FALSE(fs::exists(config.paths.state / "paused" / "3"));
    fs::remove(config.paths.runtime / "paused" / "3");
  }
}

TEST_F(FormerState, a_former_releases_pause_that_its_domain_does_not_prove_is_dropped) {
  struct {
    const char* what;
    bool paused;
    int started;
    std::string uuid;
  } const cases[] = {{"it runs", false, -100, uuid},
                     {"the domain was started later", true, +1000, uuid},
                     {"another domain", true, -100, "00000000-0000-4000-8000-000000000000"}};
  for (const auto& one : cases) {
    world.xen.all[3].info.paused = one.paused;
    started(one.started);
    write(config.paths.state / "paused" / "3", one.uuid + "\n");
    lines.clear();
    settle();
    EXPECT_EQ(pause_of(), Pause::none) << one.what;
    EXPECT_FALSE(fs::exists(config.paths.state / "paused" / "3")) << one.what;
    EXPECT_THAT(lines, HasSubstr("former-record: dropped")) << one.what;
  }
}

TEST_F(FormerState, devices_of_create_are_taken_over_only_with_a_mark_of_this_boot) {
  const fs::path file = config.paths.state / "created" / uuid;
  write(file, "0000:00:04.0\n");
  settle();
  EXPECT_TRUE(created().empty());
  EXPECT_FALSE(fs::exists(file));
  write(file, "0000:00:04.0\n");
  world.store.put("/libxl/pci/0000-00-05-0/pciassign", uuid + " 9");
  settle();
  ASSERT_EQ(created().size(), 1U);
  EXPECT_EQ(created().front().sbdf, nic);
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(FormerState, files_that_are_not_named_as_ours_are_left_alone) {
  for (const auto& directory : {config.paths.state, config.paths.runtime})
    for (const char* name : {"paused/note", "paused/3~", "created/note", "created/3", "other/3"})
      write(directory / name, "mine");
  settle();
  EXPECT_EQ(lines, "");
  for (const auto& directory : {config.paths.state, config.paths.runtime})
    for (const char* name : {"paused/note", "paused/3~", "created/note", "created/3", "other/3"})
      EXPECT_TRUE(fs::exists(directory / name)) << name;
}

TEST_F(FormerState, devices_of_create_of_another_boot_are_not_given_again) {
  write(config.paths.runtime / "created" / uuid,
        std::string("boot ") + kFormerBoot + "\n0000:00:04.0\n");
  world.store.put("/libxl/pci/0000-00-05-0/pciassign", uuid + " 9");
  EXPECT_TRUE(created().empty());
  settle();
  EXPECT_TRUE(created().empty());
}

TEST_F(FormerState, each_dropped_record_is_told_with_its_device_and_domain) {
  AttachmentRecord record;
  record.device = nic;
  record.vendor = 0x8086;
  record.domid = 3;
  record.domain_name = "web server";
  record.domain_uuid = uuid;
  ASSERT_TRUE((*open_journal(config.paths.runtime / "journal", kFormerBoot))->put(record));
  settle();
  EXPECT_THAT(lines, HasSubstr("bdf=0000:00:04.0"));
  EXPECT_THAT(lines, HasSubstr("domain=\"web server\" domid=3"));
  EXPECT_TRUE(journal->all()->empty());
  EXPECT_TRUE(journal->faults()->empty());
}

/// The fault that this is about: the record of a former boot, the device on dom0's own driver.
TEST_F(FormerState, a_device_that_dom0_drives_is_left_alone_whatever_the_journal_says) {
  for (const Phase phase : {Phase::attaching, Phase::attached, Phase::detaching}) {
    AttachmentRecord record;
    record.device = nic;
    record.vendor = 0x8086;
    record.device_id = 0x10d3;
    record.domid = 9;
    record.domain_name = "gone";
    record.domain_uuid = "00000000-0000-4000-8000-000000000000";
    record.phase = phase;
    ASSERT_TRUE(world.records().put(record));
    world.pci.all[nic].facts.driver = "nvme";
    start();
    ASSERT_TRUE(eventually([&] { return !*world.records().find(nic); }));
    EXPECT_TRUE(logged("left-alone"));
    stop();
    EXPECT_EQ(world.pci.all[nic].resets, 0);
    EXPECT_EQ(world.pci.all[nic].disturbed, 0);
    EXPECT_EQ(world.xen.devices[nic].owner, kDom0);
  }
}

}  // namespace
}  // namespace pciassign::test
