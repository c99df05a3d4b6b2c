// SPDX-License-Identifier: GPL-2.0-or-later
// What comes from outside as bytes: the configuration, xenstore's messages, the kernel's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
extern "C" {
#include <xen/io/xs_wire.h>
}

#include "config.hpp"
#include "uevents.hpp"
#include "xenbus.hpp"

namespace pciassign::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::string_literals;

TEST(AgentConfig, ReadsEverything) {
  const auto config = parse_config(R"(
    class = "block"
    heartbeat-seconds = 2
    modules = ["/a.ko", "/b.ko"]
    [net]
    mode = "route"
    bridge = "lan"
    mtu = 9000
    address = "192.0.2.2/24"
    gateway = "192.0.2.1"
    [block]
    volumes = true
    [[block.mount]]
    device = "/dev/a"
    at = "/srv"
    type = "ext4"
  )",
                                   "f");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->kind, Kind::vbd);
  EXPECT_EQ(config->heartbeat.count(), 2);
  EXPECT_THAT(config->modules, ElementsAre("/a.ko", "/b.ko"));
  EXPECT_TRUE(config->net.route);
  EXPECT_EQ(config->net.bridge, "lan");
  EXPECT_EQ(config->net.mtu, 9000U);
  EXPECT_EQ(config->net.address, "192.0.2.2/24");
  EXPECT_EQ(config->net.gateway, "192.0.2.1");
  EXPECT_TRUE(config->block.volumes);
  ASSERT_EQ(config->block.mounts.size(), 1U);
  EXPECT_EQ(config->block.mounts[0].at, "/srv");
}

TEST(AgentConfig, SaysWhereAMistakeIs) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"", "class must be"},
      {"class = \"usb\"", "class must be"},
      {"class = \"net\"\nclas = 1", "f:2:8: unknown key \"clas\""},
      {"class = \"net\"\n[net]\nmode = \"nat\"", "f:3:8: mode is"},
      {"class = \"net\"\n[net]\nbridge = \"longer-than-a-name\"", "f:3:10: bridge must be"},
      {"class = \"net\"\n[net]\nbridge = \"..\"", "f:3:10: bridge must be"},
      {"class = \"net\"\n[net]\nmtu = 99999", "f:3:7: mtu must be"},
      {"class = \"net\"\nmodules = [1]", "f:2:12: modules must be"},
      {"class = \"block\"\n[block]\nvolumes = 1", "f:3:11: volumes must be"},
      {"class = \"block\"\n[block]\nmount = [1]", "f:3:10: mount must be"},
      {"class = \"block\"\n[[block.mount]]\ndevice = \"/a\"", "a mount needs"},
      {"class = \"net\"\nheartbeat-seconds = 0", "f:2:21: heartbeat-seconds must be"},
      {"class = ", "f:1:"},
  };
  for (const auto& [text, words] : mistakes) {
    const auto config = parse_config(text, "f");
    ASSERT_FALSE(config) << text;
    EXPECT_THAT(config.error().message, HasSubstr(words));
  }
}

TEST(AgentUevents, FindsWhatConcernsTheAgent) {
  const auto event = parse_uevent(
      "add@/devices/vif-3-0/net/vif3.0\0ACTION=add\0DEVPATH=/devices/vif-3-0/net/vif3.0\0"
      "SUBSYSTEM=net\0INTERFACE=vif3.0\0SEQNUM=1\0"s);
  EXPECT_EQ(event.subsystem, "net");
  EXPECT_EQ(event.interface, "vif3.0");
  EXPECT_EQ(event.device, "vif3.0");
  const auto cut = parse_uevent("add@/x\0SUBSYSTEM=net\0INTERF"s);
  EXPECT_EQ(cut.subsystem, "net");
  EXPECT_EQ(cut.interface, "");
}

TEST(AgentUevents, KnowsNamesOfGuestsDevices) {
  EXPECT_EQ(guest_of_interface("vif3.1"), (BackendId{3, 1}));
  EXPECT_EQ(guest_of_device("vbd-3-51728"), (BackendId{3, 51728}));
  for (const char* name : {"eth0", "vif3", "vif.1", "vif3.", "vif3.1-emu", "vifx.1", "xvif3.1"})
    EXPECT_EQ(guest_of_interface(name), std::nullopt) << name;
  for (const char* name : {"vbd", "vbd-3", "vbd--1", "vbd-3-", "vbd-3-x"})
    EXPECT_EQ(guest_of_device(name), std::nullopt) << name;
}

/// xenstored's end of a connection, which has said everything before it is asked.
class AgentXenbus : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    peer_ = Fd(ends[1]);
    store_ = make_xenbus_store(Fd(ends[0]));
  }
  void say(std::uint32_t type, const std::string& body) {
    const xsd_sockmsg head{type, 0, 0, static_cast<std::uint32_t>(body.size())};
    ASSERT_EQ(write(peer_.get(), &head, sizeof head), static_cast<ssize_t>(sizeof head));
    ASSERT_EQ(write(peer_.get(), body.data(), body.size()), static_cast<ssize_t>(body.size()));
  }
  std::pair<xsd_sockmsg, std::string> asked() {
    xsd_sockmsg head{};
    EXPECT_EQ(read(peer_.get(), &head, sizeof head), static_cast<ssize_t>(sizeof head));
    std::string body(head.len, '\0');
    EXPECT_EQ(read(peer_.get(), body.data(), body.size()), static_cast<ssize_t>(body.size()));
    return {head, body};
  }

  Fd peer_;
  std::unique_ptr<Store> store_;
};

TEST_F(AgentXenbus, ReadsWritesAndLists) {
  say(XS_READ, "value");
  EXPECT_EQ(**store_->read("a/b"), "value");
  EXPECT_EQ(asked().second, "a/b\0"s);
  say(XS_WRITE, "OK\0"s);
  EXPECT_TRUE(store_->write("a/b", "v"));
  EXPECT_EQ(asked().second, "a/b\0v"s);
  say(XS_DIRECTORY, "one\0two\0"s);
  EXPECT_THAT(*store_->list("a"), ElementsAre("one", "two"));
  say(XS_DIRECTORY, "");
  EXPECT_THAT(*store_->list("a"), ElementsAre());
}

TEST_F(AgentXenbus, EventsThatComeBeforeAnAnswerAreKept) {
  say(XS_WATCH_EVENT, "p1\0t1\0"s);
  say(XS_WATCH_EVENT, "p2\0t2\0"s);
  say(XS_READ, "value");
  say(XS_WATCH_EVENT, "p3\0t3\0"s);
  EXPECT_EQ(**store_->read("a"), "value");
  for (const char* path : {"p1", "p2", "p3"}) {
    const auto event = store_->next_event();
    ASSERT_TRUE(event && *event);
    EXPECT_EQ((*event)->path, path);
  }
  EXPECT_FALSE(*store_->next_event());
}

TEST_F(AgentXenbus, WhatIsNotThereIsNoError) {
  say(XS_ERROR, "ENOENT\0"s);
  EXPECT_EQ(*store_->read("a"), std::nullopt);
  say(XS_ERROR, "ENOENT\0"s);
  EXPECT_THAT(*store_->list("a"), ElementsAre());
  say(XS_ERROR, "ENOENT\0"s);
  EXPECT_TRUE(store_->remove("a"));
}

TEST_F(AgentXenbus, ErrorsHaveTheirNumberAndTheirNode) {
  say(XS_ERROR, "EACCES\0"s);
  const auto denied = store_->write("a/b", "v");
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().sys_errno, EACCES);
  EXPECT_THAT(denied.error().message, HasSubstr("a/b"));
  say(XS_ERROR, "ENEWS\0"s);
  EXPECT_EQ(store_->read("a").error().sys_errno, EINVAL);
}

TEST_F(AgentXenbus, AConflictIsTriedAgain) {
  for (const char* id : {"7", "8"}) {
    say(XS_TRANSACTION_START, id + "\0"s);
    say(XS_WRITE, "OK\0"s);
    if (id[0] == '7') {
      say(XS_ERROR, "EAGAIN\0"s);
    } else {
      say(XS_TRANSACTION_END, "OK\0"s);
    }
  }
  int tries = 0;
  EXPECT_TRUE(store_->transaction([&](StoreView& view) {
    ++tries;
    return view.write("a", "v");
  }));
  EXPECT_EQ(tries, 2);
  (void)asked();
  EXPECT_EQ(asked().first.tx_id, 7U);
  EXPECT_EQ(asked().second, "T\0"s);
}

TEST_F(AgentXenbus, AnErrorInsideATransactionAbortsIt) {
  say(XS_TRANSACTION_START, "7\0"s);
  say(XS_ERROR, "ENOSPC\0"s);
  say(XS_TRANSACTION_END, "OK\0"s);
  const auto done = store_->transaction([](StoreView& view) { return view.write("a", "v"); });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().sys_errno, ENOSPC);
  (void)asked();
  (void)asked();
  EXPECT_EQ(asked().second, "F\0"s);
}

TEST_F(AgentXenbus, AnAnswerThatIsTooLongOrHalfIsAnError) {
  const xsd_sockmsg head{XS_READ, 0, 0, XENSTORE_PAYLOAD_MAX + 1};
  ASSERT_GT(write(peer_.get(), &head, sizeof head), 0);
  EXPECT_EQ(store_->read("a").error().kind, ErrorKind::unavailable);
  SetUp();
  const xsd_sockmsg half{XS_READ, 0, 0, 10};
  ASSERT_GT(write(peer_.get(), &half, sizeof half), 0);
  ASSERT_EQ(shutdown(peer_.get(), SHUT_WR), 0);
  EXPECT_FALSE(store_->read("a"));
}

TEST_F(AgentXenbus, ARequestThatIsTooLongIsNotSent) {
  EXPECT_EQ(store_->write("a", std::string(XENSTORE_PAYLOAD_MAX, 'x')).error().sys_errno, E2BIG);
}

}  // namespace
}  // namespace pciassign::agent
