// SPDX-License-Identifier: GPL-2.0-or-later
// The nodes are what libxl 4.17 writes, node by node, because xl reads them.
#include <gtest/gtest.h>

#include "assign/nodes.hpp"
#include "assign/scene.hpp"

namespace pciassign::test {
namespace {

using Nodes = std::map<std::string, std::string>;

/// The domain's back end without the nodes that pciback writes.
Nodes toolstack_nodes(Scene& scene) {
  Nodes nodes;
  const auto base = detail::backend_path(kNet);
  for (const auto& [path, value] : scene.world.store.tree().dump(base)) {
    const auto name = path.substr(base.size());
    if (!name.starts_with("/vdev-")) nodes[name] = value;
  }
  return nodes;
}

TEST(LibxlLayout, OfTheFirstDevices) {
  Scene scene;
  scene.world.guest(kNet).back = sim::BackMode::silent;
  ASSERT_TRUE(detail::publish(scene.world.store, kNet, "net", {{kNic, {}}, {kDisk, {}}}));
  EXPECT_EQ(toolstack_nodes(scene),
            (Nodes{{"", ""},
                   {"/frontend", "/local/domain/3/device/pci/0"},
                   {"/frontend-id", "3"},
                   {"/online", "1"},
                   {"/state", "1"},
                   {"/domain", "net"},
                   {"/key-0", "0000:00:04.0"},
                   {"/dev-0", "0000:00:04.0"},
                   {"/opts-0", "msitranslate=0,power_mgmt=0,permissive=0,rdm_policy=strict"},
                   {"/state-0", "1"},
                   {"/key-1", "0000:00:05.0"},
                   {"/dev-1", "0000:00:05.0"},
                   {"/opts-1", "msitranslate=0,power_mgmt=0,permissive=0,rdm_policy=strict"},
                   {"/state-1", "1"},
                   {"/num_devs", "2"}}));
  EXPECT_EQ(scene.world.store.tree().dump(detail::frontend_path(kNet)),
            (Nodes{{"/local/domain/3/device/pci/0", ""},
                   {"/local/domain/3/device/pci/0/backend", "/local/domain/0/backend/pci/3/0"},
                   {"/local/domain/3/device/pci/0/backend-id", "0"},
                   {"/local/domain/3/device/pci/0/state", "1"}}));
}

TEST(LibxlLayout, ThePermissionsLetEachSideReadTheOther) {
  Scene scene;
  scene.world.guest(kNet).back = sim::BackMode::silent;
  ASSERT_TRUE(detail::publish(scene.world.store, kNet, "net", {{kNic, {}}}));
  auto& tree = scene.world.store.tree();
  for (const char* node : {"", "/state", "/dev-0", "/num_devs"}) {
    EXPECT_TRUE(tree.may_read(kNet, detail::backend_path(kNet) + node)) << node;
    EXPECT_FALSE(tree.may_write(kNet, detail::backend_path(kNet) + node)) << node;
    EXPECT_FALSE(tree.may_read(kOther, detail::backend_path(kNet) + node)) << node;
  }
  EXPECT_TRUE(tree.may_write(kNet, detail::frontend_path(kNet) + "/state"));
  EXPECT_FALSE(tree.may_read(kOther, detail::frontend_path(kNet) + "/state"));
}

TEST(LibxlLayout, ALaterDeviceAsksForAReconfiguration) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  scene.world.guest(kNet).front = sim::FrontMode::goes_silent;
  AssignOptions options;
  options.vslot = 5;
  options.permissive = true;
  ASSERT_TRUE(detail::publish(scene.world.store, kNet, "net", {{kDisk, options}}));
  const auto nodes = toolstack_nodes(scene);
  EXPECT_EQ(nodes.at("/state"), "7");
  EXPECT_EQ(nodes.at("/num_devs"), "2");
  EXPECT_EQ(nodes.at("/vdevfn-1"), "28");
  EXPECT_EQ(nodes.at("/opts-1"), "msitranslate=0,power_mgmt=0,permissive=1,rdm_policy=strict");
}

TEST(LibxlLayout, RemovingOneMovesTheOthersUp) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic, kDisk, kSound}).error);
  ASSERT_FALSE(scene.detach({kNic}).error);
  const auto nodes = toolstack_nodes(scene);
  EXPECT_EQ(nodes.at("/num_devs"), "2");
  EXPECT_EQ(nodes.at("/dev-0"), "0000:00:05.0");
  EXPECT_EQ(nodes.at("/key-1"), "0000:00:06.0");
  EXPECT_FALSE(nodes.contains("/dev-2"));
  EXPECT_FALSE(nodes.contains("/state-2"));
  EXPECT_EQ(scene.wrong_rights({kDisk, kSound}), "");
}

TEST(LibxlLayout, TheLastOneTakesBothDirectoriesAlong) {
  Scene scene;
  ASSERT_FALSE(scene.attach({kNic}).error);
  ASSERT_FALSE(scene.detach({kNic}).error);
  EXPECT_FALSE(scene.world.store.tree().has("/local/domain/0/backend/pci/3"));
  EXPECT_FALSE(scene.world.store.tree().has("/local/domain/3/device/pci"));
  EXPECT_TRUE(scene.world.store.tree().has("/local/domain/3/device"));
}

TEST(LibxlLayout, PublishingForAVanishedDomainDoesNotBringItBack) {
  Scene scene;
  scene.world.destroy(kNet);
  auto done = detail::publish(scene.world.store, kNet, "net", {{kNic, {}}});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::not_found);
  EXPECT_FALSE(scene.world.store.tree().has("/local/domain/3"));
}

TEST(LibxlLayout, ConflictingTransactionsAreRepeated) {
  Scene scene;
  scene.world.store.conflict(3);
  EXPECT_FALSE(scene.attach({kNic, kDisk}).error);
  EXPECT_EQ(scene.wrong_rights({kNic, kDisk}), "");
}

TEST(LibxlLayout, ADamagedCountIsNoEndlessLoop) {
  Scene scene;
  for (const char* count : {"", "-1", "999999999", "99999999999999999999", "two"}) {
    scene.world.store.put(detail::backend_path(kNet) + "/num_devs", count);
    EXPECT_TRUE(detail::read_entries(scene.world.store, kNet));
    EXPECT_TRUE(detail::withdraw(scene.world.store, kNet, {kNic}));
  }
}

}  // namespace
}  // namespace pciassign::test
