// SPDX-License-Identifier: GPL-2.0-or-later
// `create` with a stand-in for xl that asks the test to do to the simulated machine what xl does.
#include <sys/stat.h>

#include <array>
#include <fstream>

#include "fixture.hpp"

namespace pciassign::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Create : public DaemonTest {
 protected:
  Create() {
    xl = directory / "xl";
    const std::string ask = directory / "ask", answer = directory / "answer";
    ::mkfifo(ask.c_str(), 0600);
    ::mkfifo(answer.c_str(), 0600);
    std::ofstream(xl) << "#!/bin/sh\n"
                      << "[ \"$1\" = create ] && cp \"$3\" " << (directory / "copy") << "\n"
                      << "echo \"$*\" > " << ask << "\nread status words < " << answer
                      << "\necho \"$words\"\nexit $status\n";
    ::chmod(xl.c_str(), 0755);
    server_ = std::thread([this, ask, answer] {
      for (;;) {
        std::string words;
        std::getline(std::ifstream(ask), words);
        if (words == "end") return;
        calls.push_back(words.substr(0, words.find(' ', words.find(' ') + 1)));
        const std::string said = serve(words);
        std::ofstream(answer) << said << '\n';
      }
    });
  }
  ~Create() override {
    std::ofstream(directory / "ask") << "end\n";
    server_.join();
  }

  std::string serve(const std::string& words) {
    if (words.starts_with("create")) {
      on_loop([&] {
        if (another) world.add_domain(9, "net");
        return 0;
      });
      if (!xl_fails.empty() && !half_way) return "1 libxl: error: " + xl_fails;
      on_loop([&] {
        world.add_domain(7, "net");
        world.xen.all[7].info.uuid = uuid_of(read(directory / "copy"));
        world.xen.all[7].pause_count = 1;
        world.xen.all[7].info.paused = true;
        world.xen.all[7].passthrough = passthrough;
        return 0;
      });
      if (half_way) return "1 libxl: error: " + xl_fails;
    } else if (words.starts_with("destroy")) {
      if (destroy_fails) return "1 libxl: error: it stays";
      on_loop([&] {
        world.destroy(static_cast<DomId>(std::stoul(words.substr(8))));
        return 0;
      });
    }
    return "0";
  }
  std::string write_cfg(const std::string& text) {
    const std::string file = directory / "net.cfg";
    std::ofstream(file) << text;
    return file;
  }
  static std::string read(const std::filesystem::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// As xl reads it: the last one counts.
  static std::array<std::uint8_t, 16> uuid_of(const std::string& cfg) {
    std::array<std::uint8_t, 16> uuid{};
    const std::string key = "uuid = \"";
    std::string digits;
    for (const char c : cfg.substr(cfg.rfind(key) + key.size(), 36))
      if (c != '-') digits += c;
    for (std::size_t i = 0; i < uuid.size(); ++i)
      uuid[i] = static_cast<std::uint8_t>(std::stoul(digits.substr(2 * i, 2), nullptr, 16));
    return uuid;
  }
  bool nothing_left() {
    return eventually([&] { return world.records().all()->empty() && !world.xen.all.contains(7); });
  }

  std::vector<std::string> calls;
  std::string xl_fails;
  bool half_way = false;  ///< The domain is there although xl fails.
  bool another = false;   ///< Another toolstack makes one of that name meanwhile.
  bool destroy_fails = false;
  bool passthrough = true;

 private:
  std::thread server_;
};

constexpr auto kCfg = "name = 'net'\npci = [ '00:04.0',\n  '00:05.0' ]\n";

TEST_F(Create, makes_the_domain_paused_attaches_and_lets_it_run) {
  start();
  const Ran ran = pciassign({"create", write_cfg(kCfg)});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(calls, ::testing::ElementsAre("create -p"));
  EXPECT_EQ(on_loop([&] { return world.xen.all[7].pause_count; }), 0);
  EXPECT_EQ(on_loop([&] { return world.xen.devices[nic].owner; }), 7U);
  EXPECT_EQ(on_loop([&] { return world.xen.devices[disk].owner; }), 7U);
  const std::string copy = read(directory / "copy");
  EXPECT_THAT(copy, HasSubstr("passthrough = \"enabled\""));
  EXPECT_THAT(copy, HasSubstr("e820_host = 1"));
  EXPECT_THAT(copy, HasSubstr("pci = []"));
  EXPECT_THAT(ran.out, HasSubstr("undo: xl destroy 7"));
}

TEST_F(Create, says_the_same_as_json) {
  start();
  const std::string cfg = write_cfg(kCfg);
  EXPECT_THAT(pciassign({"create", cfg, "--dry-run", "--json"}).out, HasSubstr("\"result\":{"));
  const Ran ran = pciassign({"create", cfg, "--json"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("\"result\":{\"plan\":"));
  EXPECT_THAT(ran.out, HasSubstr("\"undo_command\":\"xl destroy 7\""));
}

TEST_F(Create, leaves_it_paused_when_asked_to) {
  start();
  const Ran ran = pciassign({"create", write_cfg(kCfg), "--no-unpause"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(on_loop([&] { return world.xen.all[7].pause_count; }), 1);
  EXPECT_THAT(ran.out, HasSubstr("paused; start it: xl unpause 7\n"));
}

TEST_F(Create, tells_a_refusal_before_xl_is_run) {
  world.xen.host_info.iommu = false;
  start();
  const Ran ran = pciassign({"create", write_cfg(kCfg)});
  EXPECT_EQ(ran.status, 4);
  EXPECT_THAT(ran.err, HasSubstr("E-NO-IOMMU"));
  EXPECT_TRUE(calls.empty());
}

TEST_F(Create, says_what_xl_said) {
  xl_fails = "out of memory";
  start();
  const Ran ran = pciassign({"create", write_cfg(kCfg)});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, HasSubstr("out of memory"));
  EXPECT_THAT(ran.err, Not(HasSubstr("destroyed")));
  EXPECT_THAT(ran.err, HasSubstr("nothing is left of the domain"));
}

TEST_F(Create, leaves_a_domain_alone_that_got_the_name_meanwhile) {
  xl_fails = "a domain of that name exists";
  another = true;
  start();
  const Ran ran = pciassign({"create", write_cfg(kCfg)});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, HasSubstr("nothing is left of the domain"));
  EXPECT_THAT(calls, ::testing::ElementsAre("create -p"));
  EXPECT_TRUE(on_loop([&] { return world.xen.all.contains(9); }));
}

TEST_F(Create, destroys_what_xl_left_half_made_and_not_its_namesake) {
  xl_fails = "out of memory";
  half_way = another = true;
  start();
  const Ran ran = pciassign({"create", write_cfg(kCfg)});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, HasSubstr("destroyed again"));
  EXPECT_THAT(calls, ::testing::ElementsAre("create -p", "destroy 7"));
  EXPECT_TRUE(nothing_left());
  EXPECT_TRUE(on_loop([&] { return world.xen.all.contains(9); }));
}

TEST_F(Create, says_the_number_of_what_could_not_be_destroyed) {
  passthrough = false;
  destroy_fails = true;
  start();
  const Ran ran = pciassign({"create", write_cfg(kCfg)});
  EXPECT_NE(ran.status, 0);
  EXPECT_THAT(ran.err, HasSubstr("it stays"));
  EXPECT_THAT(ran.err, HasSubstr("destroy it: xl destroy 7"));
}

TEST_F(Create, refuses_a_name_that_is_a_number) {
  world.add_domain(7, "other");
  start();
  const Ran ran = pciassign({"create", write_cfg("name = '7'\n")});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("name is a number"));
  EXPECT_TRUE(calls.empty());
  const auto asked =
      client().call("create-prepare", {{"name", "7"}, {"devices", boost::json::array{}}});
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().kind, ErrorKind::usage);
}

TEST_F(Create, keeps_the_uuid_of_the_file) {
  start();
  const std::string uuid = "abcdef00-0000-4000-8000-000000000001";
  ASSERT_EQ(pciassign({"create", write_cfg("name='net'\nuuid='" + uuid + "'\n")}).status, 0);
  EXPECT_EQ(on_loop([&] { return world.xen.all[7].info.uuid_str(); }), uuid);
}

TEST_F(Create, refuses_a_uuid_that_a_domain_has_though_it_dies) {
  world.add_domain(3, "other");
  start();
  const std::string uuid = on_loop([&] { return world.xen.all[3].info.uuid_str(); });
  const std::string cfg = write_cfg("name='net'\nuuid='" + uuid + "'\n");
  for (const bool dying : {false, true}) {
    on_loop([&] { return world.xen.all[3].info.dying = dying; });
    const Ran ran = pciassign({"create", cfg});
    EXPECT_EQ(ran.status, 4);
    EXPECT_THAT(ran.err, HasSubstr(uuid + " exists (domain 3)"));
  }
  EXPECT_TRUE(calls.empty());
}

TEST_F(Create, completes_nothing_for_a_domain_that_got_the_number_meanwhile) {
  world.add_domain(7, "other");
  world.xen.all[7].pause_count = 1;
  world.xen.all[7].info.paused = true;
  start();
  const auto complete = [&](const std::string& uuid) {
    return client().call("create-complete",
                         {{"domid", 7}, {"devices", boost::json::array{}}, {"uuid", uuid}});
  };
  const auto refused = complete("abcdef00-0000-4000-8000-000000000001");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::not_found);
  EXPECT_THAT(refused.error().message, HasSubstr("another domain"));
  EXPECT_EQ(on_loop([&] { return world.xen.all[7].pause_count; }), 1);
  EXPECT_TRUE(complete(on_loop([&] { return world.xen.all[7].info.uuid_str(); })));
}

TEST_F(Create, a_client_that_knows_no_uuids_is_served) {
  world.add_domain(7, "net");
  world.xen.all[7].pause_count = 1;
  world.xen.all[7].info.paused = true;
  start();
  EXPECT_TRUE(
      client().call("create-prepare", {{"name", "new"}, {"devices", boost::json::array{}}}));
  EXPECT_TRUE(client().call("create-complete", {{"domid", 7}, {"devices", boost::json::array{}}}));
}

TEST_F(Create, a_domain_is_found_by_its_uuid_unless_it_dies) {
  world.add_domain(3, "other");
  start();
  const auto ask = [&](const std::string& uuid) {
    return client().call("domain", {{"domain", "net"}, {"uuid", uuid}});
  };
  const std::string uuid = on_loop([&] { return world.xen.all[3].info.uuid_str(); });
  const auto found = ask(uuid);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->as_object().at("name").as_string(), "other");
  on_loop([&] { return world.xen.all[3].info.dying = true; });
  EXPECT_EQ(ask(uuid).error().kind, ErrorKind::not_found);
  EXPECT_EQ(ask("abcdef00-0000-4000-8000-000000000001").error().kind, ErrorKind::not_found);
}

TEST_F(Create, destroys_what_it_made_when_the_devices_cannot_be_attached) {
  passthrough = false;
  start();
  const Ran ran = pciassign({"create", write_cfg(kCfg)});
  EXPECT_NE(ran.status, 0);
  EXPECT_THAT(ran.err, HasSubstr("destroyed again"));
  EXPECT_THAT(calls, ::testing::ElementsAre("create -p", "destroy 7"));
  EXPECT_TRUE(nothing_left());
}

TEST_F(Create, does_not_touch_a_domain_that_exists) {
  world.add_domain(3, "net");
  start();
  const Ran ran = pciassign({"create", write_cfg(kCfg)});
  EXPECT_EQ(ran.status, 4);
  EXPECT_THAT(ran.err, HasSubstr("exists"));
  EXPECT_TRUE(calls.empty());
}

TEST_F(Create, a_restart_by_xl_gets_the_devices_again) {
  start();
  ASSERT_EQ(pciassign({"create", write_cfg(kCfg)}).status, 0);
  on_loop([&] {
    const auto uuid = world.xen.all[7].info.uuid;
    world.crash(7);
    world.destroy(7);
    world.add_domain(8, "net");
    world.xen.all[8].info.uuid = uuid;  // xl keeps it over a restart.
    world.xen.all[8].pause_count = 1;
    world.xen.all[8].info.paused = true;
    return 0;
  });
  EXPECT_TRUE(eventually(
      [&] { return world.xen.devices[nic].owner == 8 && world.xen.all[8].pause_count == 1; }));
}

TEST_F(Create, configured_devices_are_attached_as_well) {
  start(assigned("net", {"00:05.0"}));
  const Ran ran = pciassign({"create", write_cfg("name='net'\npci=['00:04.0']\n")});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(on_loop([&] { return world.xen.devices[disk].owner; }), 7U);
  EXPECT_EQ(on_loop([&] { return world.xen.all[7].pause_count; }), 0);
}

TEST_F(Create, errors_of_the_file_are_told_with_their_place) {
  start();
  const Ran ran = pciassign({"create", write_cfg("name='net'\npci=['zz']\n")});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("net.cfg"));
  EXPECT_EQ(pciassign({"create", "/does/not/exist"}).status, 3);
}

}  // namespace
}  // namespace pciassign::test
