// SPDX-License-Identifier: GPL-2.0-or-later
// Dependents of a driver domain: found, connected to another one, replaced. The nodes are those
// that libxl 4.17 and Linux 6.1 wrote on real Xen.
#include "pciassign/dependents.hpp"

#include <gmock/gmock.h>

#include "domain/scene.hpp"

namespace pciassign::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(FindDependents, AreThoseOfTheDomainByGuestKindAndNumber) {
  DomainScene scene;
  scene.add_vif(kGuestB, 0, kOtherBackend);
  scene.add_vif(kGuestB, 3, kBackend);
  scene.add_vbd(kGuestA, kBackend);
  scene.add_vif(kGuestA, 0, kBackend);
  auto found = find_dependents(scene.store, {kBackend});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(*found,
              ElementsAre(scene.vif(kGuestA, 0), scene.vbd(kGuestA), scene.vif(kGuestB, 3)));
  EXPECT_EQ(found->at(0).name, "00:16:3e:11:22:33");
  EXPECT_EQ(found->at(1).name, "xvdb");
}

TEST(FindDependents, MayBeThoseOfSeveralDomains) {
  DomainScene scene;
  scene.add_vif(kGuestB, 0, kOtherBackend);
  scene.add_vif(kGuestA, 0, kBackend);
  scene.add_vif(kGuestA, 1, kNewBackend);
  auto found = find_dependents(scene.store, {kBackend, kOtherBackend});
  ASSERT_TRUE(found) << found.error().message;
  auto other = scene.vif(kGuestB, 0);
  other.backend = kOtherBackend;
  EXPECT_THAT(*found, ElementsAre(scene.vif(kGuestA, 0), other));
}

TEST(FindDependents, OutliveTheirDriverDomain) {
  DomainScene scene;
  scene.add_vif(kGuestA, 0, kBackend);
  scene.destroy(kBackend);
  auto found = find_dependents(scene.store, {kBackend});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(*found, ElementsAre(scene.vif(kGuestA, 0)));
}

TEST(FindDependents, AreNotRecordsOfAnotherForm) {
  DomainScene scene;
  for (const char* path :
       {"/local/domain/7/backend/qdisk/3/51712", "/local/domain/7/backend/vbd/4/51712",
        "/local/domain/7/backend/vbd/3/51713", "/local/domain/7",
        "/local/domain/7x/backend/vbd/3/51712", "/local/domain/", ""})
    scene.store.put("/libxl/3/device/vbd/51712/backend", path);
  auto found = find_dependents(scene.store, {kBackend});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(*found, IsEmpty());
}

TEST(FindDependents, FailWhereXenstoreDoes) {
  DomainScene scene;
  scene.add_vif(kGuestA, 0, kBackend);
  const auto calls = scene.faults.calls();
  ASSERT_TRUE(find_dependents(scene.store, {kBackend}));
  const auto needed = scene.faults.calls() - calls;
  for (std::size_t nth = 1; nth <= needed; ++nth) {
    scene.faults.fail_nth(nth);
    EXPECT_FALSE(find_dependents(scene.store, {kBackend})) << nth;
    scene.faults.clear();
  }
}

TEST(RecoveryOf, IsInPlaceForThoseThatSaySo) {
  DomainScene scene;
  scene.add_guest(kGuestA);
  EXPECT_EQ(recovery_of(scene.store, kGuestA).value(), Recovery::remove_and_add);
  for (const auto& [says, recovery] : {std::pair{"1", Recovery::in_place},
                                       {"kernel", Recovery::remove_and_add},
                                       {"", Recovery::remove_and_add},
                                       {"2", Recovery::remove_and_add}}) {
    scene.store.put("/local/domain/3/data/pciassign/reconnect", says);
    EXPECT_EQ(recovery_of(scene.store, kGuestA).value(), recovery) << says;
  }
}

TEST(Reconnect, MakesTheBackEndFromTheRecord) {
  DomainScene scene;
  scene.add_vif(kGuestA, 0, kBackend);
  scene.destroy(kBackend);
  scene.add_domain(kNewBackend);
  ASSERT_TRUE(reconnect(scene.store, scene.vif(kGuestA, 0), kNewBackend));
  EXPECT_EQ(scene.store.tree().dump("/local/domain/9/backend/vif/3/0"),
            (Nodes{{"/local/domain/9/backend/vif/3/0", ""},
                   {"/local/domain/9/backend/vif/3/0/frontend", "/local/domain/3/device/vif/0"},
                   {"/local/domain/9/backend/vif/3/0/frontend-id", "3"},
                   {"/local/domain/9/backend/vif/3/0/online", "1"},
                   {"/local/domain/9/backend/vif/3/0/state", "1"},
                   {"/local/domain/9/backend/vif/3/0/handle", "0"},
                   {"/local/domain/9/backend/vif/3/0/mac", "00:16:3e:11:22:33"},
                   {"/local/domain/9/backend/vif/3/0/bridge", "xenbr0"},
                   {"/local/domain/9/backend/vif/3/0/hotplug-status", ""},
                   {"/local/domain/9/backend/vif/3/0/script", "/etc/xen/scripts/vif-bridge"},
                   {"/local/domain/9/backend/vif/3/0/type", "vif"}}));
  auto found = find_dependents(scene.store, {kNewBackend});
  ASSERT_TRUE(found);
  EXPECT_THAT(*found, SizeIs(1));
  EXPECT_THAT(find_dependents(scene.store, {kBackend}).value(), IsEmpty());
}

TEST(Reconnect, LeavesNothingOfTheFormerConnection) {
  DomainScene scene;
  scene.add_vbd(kGuestA, kBackend);
  const std::string front = "/local/domain/3/device/vbd/51728";
  for (const char* node :
       {"/ring-ref0", "/ring-ref1", "/ring-page-order", "/multi-queue-num-queues",
        "/queue-0/ring-ref", "/queue-0/event-channel", "/queue-1/tx-ring-ref", "/tx-ring-ref",
        "/rx-ring-ref", "/event-channel-tx", "/event-channel-rx"})
    scene.store.put(front + node, "8");
  scene.add_domain(kNewBackend);
  ASSERT_TRUE(reconnect(scene.store, scene.vbd(kGuestA), kNewBackend));
  EXPECT_EQ(scene.store.tree().dump(front),
            (Nodes{{front, ""},
                   {front + "/backend", "/local/domain/9/backend/vbd/3/51728"},
                   {front + "/backend-id", "9"},
                   {front + "/device-type", "disk"},
                   {front + "/feature-persistent", "1"},
                   {front + "/protocol", "x86_64-abi"},
                   {front + "/reconnected", "1"},
                   {front + "/state", "1"},
                   {front + "/virtual-device", "51728"}}));
  EXPECT_FALSE(scene.store.tree().has("/local/domain/7/backend/vbd/3/51728"));
  const auto back = scene.store.tree().dump("/local/domain/9/backend/vbd/3/51728");
  EXPECT_FALSE(back.contains("/local/domain/9/backend/vbd/3/51728/physical-device"));
}

TEST(Reconnect, EachSideMayReadTheOtherAndNobodyElse) {
  DomainScene scene;
  scene.add_vif(kGuestA, 0, kBackend);
  // What the guest made itself inherited the old domain's permission.
  scene.store.put("/local/domain/3/device/vif/0/deep/er", "x");
  scene.destroy(kBackend);
  scene.add_domain(kNewBackend);
  ASSERT_TRUE(reconnect(scene.store, scene.vif(kGuestA, 0), kNewBackend));
  auto& tree = scene.store.tree();
  for (const auto& [path, value] : tree.dump("/local/domain/3/device/vif/0")) {
    const bool mtu = path.ends_with("/mtu");
    EXPECT_TRUE(tree.may_read(kNewBackend, path)) << path;
    EXPECT_EQ(tree.may_write(kNewBackend, path), mtu) << path;
    EXPECT_TRUE(tree.may_read(kGuestA, path)) << path;
    EXPECT_EQ(tree.may_write(kGuestA, path), !mtu) << path;
    EXPECT_FALSE(tree.may_read(kBackend, path)) << path;
    EXPECT_FALSE(tree.may_read(kGuestB, path)) << path;
  }
  for (const auto& [path, value] : tree.dump("/local/domain/9/backend/vif/3/0")) {
    EXPECT_TRUE(tree.may_write(kNewBackend, path)) << path;
    EXPECT_TRUE(tree.may_read(kGuestA, path)) << path;
    EXPECT_FALSE(tree.may_write(kGuestA, path)) << path;
    EXPECT_FALSE(tree.may_read(kGuestB, path)) << path;
  }
  // The directories above are dom0's: a driver domain makes no devices for itself.
  EXPECT_FALSE(tree.may_write(kNewBackend, "/local/domain/9/backend/vif/3"));
  EXPECT_FALSE(tree.may_write(kNewBackend, "/local/domain/9/backend"));
}

TEST(Reconnect, AgainAndAgain) {
  DomainScene scene;
  scene.add_vif(kGuestA, 0, kBackend);
  auto dependent = scene.vif(kGuestA, 0);
  const auto nodes_of = [&](DomId domain) {
    std::vector<std::string> nodes;
    const auto base = fmt::format("/local/domain/{}/backend/vif/3/0", domain);
    for (const auto& [path, value] : scene.store.tree().dump(base))
      nodes.push_back(path.substr(base.size()) + "=" + value);
    return nodes;
  };
  scene.add_domain(kNewBackend);
  ASSERT_TRUE(reconnect(scene.store, dependent, kNewBackend));
  const auto first = nodes_of(kNewBackend);
  // Once more, with what the guest and the domain wrote in between, and with a third domain.
  scene.store.put("/local/domain/9/backend/vif/3/0/state", "5");
  scene.store.put("/local/domain/9/backend/vif/3/0/feature-sg", "1");
  ASSERT_TRUE(reconnect(scene.store, dependent, kNewBackend));
  EXPECT_EQ(nodes_of(kNewBackend), first);
  scene.destroy(kNewBackend);
  scene.add_domain(11);
  ASSERT_TRUE(reconnect(scene.store, dependent, 11));
  EXPECT_EQ(nodes_of(11), first);
  EXPECT_EQ(scene.store.tree().read("/local/domain/3/device/vif/0/backend-id"), "11");
  // The guest's module tells one from the other by this; a guest may write there what it likes.
  EXPECT_EQ(scene.store.tree().read("/local/domain/3/device/vif/0/reconnected"), "3");
  scene.store.put("/local/domain/3/device/vif/0/reconnected", "-9999999999999");
  ASSERT_TRUE(reconnect(scene.store, dependent, 11));
  EXPECT_EQ(scene.store.tree().read("/local/domain/3/device/vif/0/reconnected"), "1");
}

TEST(Reconnect, BringsNoDirectoryBackToLife) {
  for (const DomId gone : {kGuestA, kNewBackend}) {
    DomainScene scene;
    scene.add_vif(kGuestA, 0, kBackend);
    scene.add_domain(kNewBackend);
    scene.destroy(gone);
    const auto before = scene.store.tree().dump();
    auto done = reconnect(scene.store, scene.vif(kGuestA, 0), kNewBackend);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::not_found);
    EXPECT_EQ(scene.store.tree().dump(), before);
  }
  for (const char* removed : {"/libxl/3/device/vif/0", "/local/domain/3/device/vif/0"}) {
    DomainScene scene;
    scene.add_vif(kGuestA, 0, kBackend);
    scene.add_domain(kNewBackend);
    scene.store.drop(removed);
    const auto before = scene.store.tree().dump();
    auto done = reconnect(scene.store, scene.vif(kGuestA, 0), kNewBackend);
    ASSERT_FALSE(done) << removed;
    EXPECT_EQ(done.error().kind, ErrorKind::not_found);
    EXPECT_EQ(scene.store.tree().dump(), before);
  }
}

TEST(Reconnect, IsAllOrNothing) {
  DomainScene scene;
  scene.add_vif(kGuestA, 0, kBackend);
  scene.add_domain(kNewBackend);
  const auto before = scene.store.tree().dump();
  for (std::size_t nth = 1;; ++nth) {
    scene.faults.fail_nth(nth);
    const auto done = reconnect(scene.store, scene.vif(kGuestA, 0), kNewBackend);
    scene.faults.clear();
    if (done) {
      EXPECT_GT(nth, 30U);
      break;
    }
    EXPECT_EQ(scene.store.tree().dump(), before) << nth;
  }
}

TEST(Reconnect, OneThatFillsItsDirectoryIsRefused) {
  DomainScene scene;
  scene.add_vif(kGuestA, 0, kBackend);
  scene.add_domain(kNewBackend);
  for (int i = 0; i < 900; ++i)
    ASSERT_TRUE(
        scene.store.write_as(kGuestA, fmt::format("/local/domain/3/device/vif/0/x{}", i), ""));
  auto done = reconnect(scene.store, scene.vif(kGuestA, 0), kNewBackend);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::refused);
}

TEST(Reconnect, AGuestThatWritesAllTheTimeGetsNoneAndKeepsNobodyWaiting) {
  DomainScene scene;
  scene.add_vif(kGuestA, 0, kBackend);
  scene.add_vif(kGuestB, 0, kBackend);
  scene.add_domain(kNewBackend);
  scene.store.hammering = kGuestA;
  auto done = reconnect(scene.store, scene.vif(kGuestA, 0), kNewBackend);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::busy);
  EXPECT_TRUE(reconnect(scene.store, scene.vif(kGuestB, 0), kNewBackend));
}

TEST(StateOf, IsConnectedWhenBothEndsAreAndMeanEachOther) {
  DomainScene scene;
  scene.add_vif(kGuestA, 0, kBackend);
  auto old = state_of(scene.store, scene.vif(kGuestA, 0));
  ASSERT_TRUE(old);
  EXPECT_TRUE(old->connected());
  scene.destroy(kBackend);
  scene.add_domain(kNewBackend);
  EXPECT_FALSE(state_of(scene.store, scene.vif(kGuestA, 0))->connected());
  ASSERT_TRUE(reconnect(scene.store, scene.vif(kGuestA, 0), kNewBackend));
  auto dependent = scene.vif(kGuestA, 0);
  dependent.backend = kNewBackend;
  const auto paths = watched_paths(dependent);
  EXPECT_THAT(paths, ElementsAre("/local/domain/3/device/vif/0/state",
                                 "/local/domain/9/backend/vif/3/0/state",
                                 "/local/domain/9/backend/vif/3/0/hotplug-status"));
  EXPECT_FALSE(state_of(scene.store, dependent)->connected());
  scene.store.put(paths[0], "4");
  EXPECT_FALSE(state_of(scene.store, dependent)->connected());
  scene.store.put(paths[1], "4");
  EXPECT_TRUE(state_of(scene.store, dependent)->connected());
  // A front end that is connected to somebody else is not.
  scene.store.put("/local/domain/3/device/vif/0/backend-id", "7");
  EXPECT_FALSE(state_of(scene.store, dependent)->connected());
  scene.store.put(paths[2], "error");
  scene.store.put("/local/domain/9/backend/vif/3/0/hotplug-error", "no bridge");
  EXPECT_EQ(state_of(scene.store, dependent)->hotplug_error, "no bridge");
}

TEST(PlanReplacement, OfANetworkDeviceTakesAnotherNumber) {
  DomainScene scene;
  scene.add_vif(kGuestA, 0, kBackend);
  scene.add_vif(kGuestA, 2, kOtherBackend);
  const std::string record = "/libxl/3/device/vif/0/";
  scene.store.put(record + "rate", "5000,50000");
  scene.store.put(record + "ip", "10.0.0.1");
  scene.store.put(record + "mtu", "1400");
  auto plan = plan_replacement(scene.store, scene.vif(kGuestA, 0), 9);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->remove, ElementsAre("xl", "network-detach", "3", "0"));
  EXPECT_THAT(plan->add, ElementsAre("xl", "network-attach", "3", "devid=3", "backend=9",
                                     "mac=00:16:3e:11:22:33", "bridge=xenbr0", "ip=10.0.0.1",
                                     "script=/etc/xen/scripts/vif-bridge", "mtu=1400", "type=vif",
                                     "rate=100000B/s@50000us"));
  EXPECT_EQ(plan->added.devid, 3U);
}

TEST(PlanReplacement, OfABlockDeviceTakesAnotherName) {
  DomainScene scene;
  scene.add_vbd(kGuestA, kBackend);
  auto plan = plan_replacement(scene.store, scene.vbd(kGuestA), 9);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->remove, ElementsAre("xl", "block-detach", "-f", "3", "51728"));
  EXPECT_THAT(plan->add,
              ElementsAre("xl", "block-attach", "3",
                          "format=raw,vdev=xvdc,access=rw,backend=9,target=/dev/nvme0n1p2"));
  EXPECT_EQ(plan->added.devid, 51744U);
  EXPECT_EQ(plan->added.name, "xvdc");

  const std::string record = "/libxl/3/device/vbd/51728/";
  scene.store.put(record + "mode", "r");
  scene.store.put(record + "device-type", "cdrom");
  scene.store.put(record + "discard-enable", "0");
  scene.store.put(record + "direct-io-safe", "1");
  scene.store.put(record + "script", "/etc/xen/scripts/block-foo");
  scene.store.put(record + "params", "/srv/a,b=c.img");
  plan = plan_replacement(scene.store, scene.vbd(kGuestA), 4);
  ASSERT_TRUE(plan);
  EXPECT_EQ(
      plan->add.back(),
      "format=raw,vdev=xvdc,access=ro,backend=4,devtype=cdrom,script=/etc/xen/scripts/block-foo,"
      "no-discard,direct-io-safe,target=/srv/a,b=c.img");
}

TEST(PlanReplacement, NamesOfDisksGoOnAfterAllOthers) {
  struct Case {
    std::uint32_t taken;
    std::string name;
    std::uint32_t devid;
  };
  for (const auto& [taken, name, devid] :
       {Case{202 << 8, "xvdc", 51744}, Case{202 << 8 | 14 << 4 | 1, "xvdp", 51952},
        Case{202 << 8 | 15 << 4, "xvdq", 1 << 28 | 16 << 8}, Case{3 << 8 | 64, "xvdc", 51744},
        Case{22 << 8 | 64, "xvde", 51776}, Case{1 << 28 | 25 << 8, "xvdaa", 1 << 28 | 26 << 8}}) {
    DomainScene scene;
    scene.add_vbd(kGuestA, kBackend);
    scene.store.put(fmt::format("/libxl/3/device/vbd/{}/backend", taken), "x");
    auto plan = plan_replacement(scene.store, scene.vbd(kGuestA), 9);
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->added.name, name) << taken;
    EXPECT_EQ(plan->added.devid, devid) << taken;
  }
}

TEST(PlanReplacement, NumbersOfOtherPlansAreTaken) {
  DomainScene scene;
  scene.add_vif(kGuestA, 0, kBackend);
  scene.add_vbd(kGuestA, kBackend);
  const Dependent others[] = {{kGuestA, DependentKind::vif, 4, kBackend, {}},
                              {kGuestB, DependentKind::vif, 9, kBackend, {}},
                              {kGuestA, DependentKind::vbd, 51776, kBackend, {}}};
  const std::vector<Dependent> planned(std::begin(others), std::end(others));
  EXPECT_EQ(plan_replacement(scene.store, scene.vif(kGuestA, 0), 9, planned)->added.devid, 5U);
  EXPECT_EQ(plan_replacement(scene.store, scene.vbd(kGuestA), 9, planned)->added.name, "xvdf");
}

TEST(PlanReplacement, IsForAnotherBackEndWithItsNumberAlone) {
  DomainScene scene;
  scene.add_vif(kGuestA, 0, kBackend);
  scene.add_vbd(kGuestA, kBackend);
  scene.store.put("/libxl/3/device/vbd/51728/params", "/srv/a,backend=b.img");
  for (const Dependent& one : {scene.vif(kGuestA, 0), scene.vbd(kGuestA)}) {
    const auto plan = plan_replacement(scene.store, one, 9);
    const auto other = plan_replacement(scene.store, one, 1234);
    ASSERT_TRUE(plan && other);
    EXPECT_NE(plan->add, other->add);
    EXPECT_EQ(with_backend(plan->add, 1234), other->add);
  }
  EXPECT_THAT(with_backend({"xl", "network-attach", "3", "devid=1", "backend=net", "mac=x"}, 5),
              ElementsAre("xl", "network-attach", "3", "devid=1", "backend=5", "mac=x"))
      << "written down by a daemon that knew the name alone";
}

TEST(PlanReplacement, ThereIsNoneForADeviceThatIsGone) {
  DomainScene scene;
  scene.add_guest(kGuestA);
  auto plan = plan_replacement(scene.store, scene.vbd(kGuestA), 9);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace pciassign::test
