// SPDX-License-Identifier: GPL-2.0-or-later
// A fault at every call of every port, and death of the process at every instant: whatever
// happens, no right, node or journal entry is left behind.
#include <gtest/gtest.h>

#include "assign/scene.hpp"

namespace pciassign::test {
namespace {

using sim::FrontMode;
using sim::When;

struct Attach {
  const char* name;
  std::vector<Sbdf> devices;
  AttachMode mode;
  bool beside;  ///< The domain has another device already.
  FrontMode front;
  bool seize = false;  ///< The devices are taken from a dom0 driver that uses MSI.
};

struct Detach {
  const char* name;
  std::vector<Sbdf> devices;
  FrontMode front;
  bool dead;
  bool beside;
};

template <class T>
std::string name_of(const testing::TestParamInfo<T>& info) {
  return info.param.name;
}

/// A scene in which kSound may be attached already, before any fault.
std::unique_ptr<Scene> scene_for(const Attach& how) {
  auto scene = std::make_unique<Scene>();
  if (how.beside) {
    {
      auto r = scene->attach({kSound});
      EXPECT_FALSE(r.error) << r.error->message;
    }
  }
  if (how.mode == AttachMode::cold) scene->world.xen.all[kNet].info.paused = true;
  scene->world.guest(kNet).front = how.front;
  if (how.seize)
    for (const auto& device : how.devices) {
      auto& facts = scene->world.pci.all[device].facts;
      facts.driver = "e1000e";
      facts.interrupt_is_msi = true;
      scene->world.pci.all[device].command = 0x107;
    }
  return scene;
}

PlanReport attach(Scene& scene, const Attach& how) {
  std::vector<DeviceSpec> specs;
  for (const auto& device : how.devices) {
    specs.push_back(Scene::spec(device));
    specs.back().options.seize = how.seize;
  }
  return scene.run(scene.tools.plan_attach(kNet, specs, how.mode));
}

/// A device that was taken from its driver is back there; one that was on pciback still is.
void expect_driver(Scene& scene, const Attach& how) {
  for (const auto& device : how.devices) {
    EXPECT_EQ(scene.world.pci.all[device].facts.driver, how.seize ? "e1000e" : "pciback");
    EXPECT_EQ(scene.world.pci.all[device].disturbed, 0) << "reset while dom0 drove it";
  }
}

void expect_nothing_left(Scene& scene, const std::vector<Sbdf>& devices, bool beside,
                         bool two_faults = false) {
  // Two failures in a row may both hit the removal of a watch, which is harmless.
  if (!two_faults) {
    EXPECT_EQ(scene.world.store.watches(), 0U);
  }
  if (!beside) {
    EXPECT_EQ(scene.leftovers(devices), "");
    return;
  }
  EXPECT_EQ(scene.wrong_rights({kSound}), "") << "the other device's rights";
  std::string left;
  for (const auto& device : devices) {
    if (*scene.world.records().find(device)) left += device.str() + " in the journal; ";
    if (scene.world.xen.devices[device].owner == kNet) left += device.str() + " still owned; ";
    if (scene.world.guest(kNet).exported().contains(device)) left += device.str() + " exported; ";
    for (auto& [path, value] : scene.world.store.tree().dump())
      if (value == device.str()) left += path + "; ";
  }
  EXPECT_EQ(left, "");
}

std::size_t calls_of(Scene& scene, const std::function<void()>& work) {
  const auto before = scene.world.faults.calls();
  work();
  return scene.world.faults.calls() - before;
}

class AttachFaults : public testing::TestWithParam<Attach> {};

TEST_P(AttachFaults, AnyCallFailsAndNothingIsLeft) {
  const auto& how = GetParam();
  std::size_t total = 0;
  {
    auto scene = scene_for(how);
    total = calls_of(*scene, [&] { (void)attach(*scene, how); });
  }
  ASSERT_GT(total, 20U);
  for (const auto when : {When::before, When::after})
    for (std::size_t n = 1; n <= total; ++n) {
      auto scene = scene_for(how);
      scene->world.faults.fail_nth(n, EIO, when);
      const auto report = attach(*scene, how);
      SCOPED_TRACE(fmt::format("call {} ({}), {}", n, scene->world.faults.log()[n - 1],
                               report.error ? report.error->message : "success"));
      if (!report.error) continue;  // the failure did not matter
      scene->world.faults.clear();
      if (!report.undo_errors.empty()) scene->reconcile();
      expect_nothing_left(*scene, how.devices, how.beside);
      expect_driver(*scene, how);
      if (HasFailure()) return;
    }
}

TEST_P(AttachFaults, AnyCallFailsAndSoDoesOneOfTheUndo) {
  const auto& how = GetParam();
  std::size_t total = 0;
  {
    auto scene = scene_for(how);
    total = calls_of(*scene, [&] { (void)attach(*scene, how); });
  }
  for (std::size_t n = 1; n <= total; ++n)
    for (std::size_t m = 1; m <= 60; m += 7) {
      auto scene = scene_for(how);
      scene->world.faults.fail_nth(n);
      scene->world.faults.fail_nth(n + m);
      const auto report = attach(*scene, how);
      SCOPED_TRACE(fmt::format("calls {} and {}", n, n + m));
      scene->world.faults.clear();
      if (!report.error) continue;
      scene->reconcile();
      expect_nothing_left(*scene, how.devices, how.beside, true);
      expect_driver(*scene, how);
      if (HasFailure()) return;
    }
}

TEST_P(AttachFaults, KilledAtAnyInstantARestartConverges) {
  const auto& how = GetParam();
  std::size_t total = 0;
  {
    auto scene = scene_for(how);
    total = calls_of(*scene, [&] { (void)attach(*scene, how); });
  }
  for (const auto when : {When::before, When::after})
    for (std::size_t n = 1; n <= total; ++n) {
      auto scene = scene_for(how);
      scene->world.faults.kill_nth(n, when);
      bool killed = false;
      try {
        (void)attach(*scene, how);
      } catch (const sim::Killed&) {
        killed = true;
      }
      SCOPED_TRACE(fmt::format("killed in call {} ({})", n, scene->world.faults.log().back()));
      scene->world.faults.clear();
      // A process that dies takes its watches along.
      scene->reconcile();
      std::vector<Sbdf> undone;
      for (const auto& device : how.devices) {
        const auto record = *scene->world.records().find(device);
        if (record) {
          EXPECT_EQ(record->phase, Phase::attached) << device.str();
        } else {
          undone.push_back(device);
        }
      }
      if (undone.size() == how.devices.size() && !how.beside) {
        expect_driver(*scene, how);
        EXPECT_EQ(scene->leftovers(how.devices), "");
      }
      for (const auto& device : undone) EXPECT_NE(scene->world.xen.devices[device].owner, kNet);
      EXPECT_TRUE(killed || undone.empty() || how.front != FrontMode::responsive);
      if (HasFailure()) return;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, AttachFaults,
    testing::Values(
        Attach{"hot", {kNic}, AttachMode::hot, false, FrontMode::responsive},
        Attach{"hot_two", {kNic, kDisk}, AttachMode::hot, false, FrontMode::responsive},
        Attach{"hot_beside", {kNic}, AttachMode::hot, true, FrontMode::responsive},
        Attach{"hot_beside_silent", {kNic}, AttachMode::hot, true, FrontMode::goes_silent},
        Attach{"hot_silent", {kNic}, AttachMode::hot, false, FrontMode::silent},
        Attach{"hot_dies", {kNic, kDisk}, AttachMode::hot, false, FrontMode::dies_connecting},
        Attach{"cold", {kNic}, AttachMode::cold, false, FrontMode::responsive},
        Attach{"hot_seized", {kNic, kDisk}, AttachMode::hot, false, FrontMode::responsive, true},
        Attach{"cold_two", {kNic, kDisk}, AttachMode::cold, false, FrontMode::responsive}),
    name_of<Attach>);

std::unique_ptr<Scene> scene_for(const Detach& how) {
  auto scene = std::make_unique<Scene>();
  auto devices = how.devices;
  if (how.beside) devices.push_back(kSound);
  {
    auto r = scene->attach(devices);
    EXPECT_FALSE(r.error) << r.error->message << r.error->hint;
  }
  scene->world.guest(kNet).front = how.front;
  if (how.dead) scene->world.crash(kNet);
  return scene;
}

class DetachFaults : public testing::TestWithParam<Detach> {};

TEST_P(DetachFaults, AnyCallFailsAndARetryFinishes) {
  const auto& how = GetParam();
  std::size_t total = 0;
  {
    auto scene = scene_for(how);
    total = calls_of(*scene, [&] { EXPECT_FALSE(scene->detach(how.devices).error); });
    expect_nothing_left(*scene, how.devices, how.beside);
  }
  ASSERT_GT(total, 20U);
  for (const auto when : {When::before, When::after})
    for (std::size_t n = 1; n <= total; ++n) {
      auto scene = scene_for(how);
      const auto before = scene->world.faults.calls();
      scene->world.faults.fail_nth(n, EIO, when);
      const auto report = scene->detach(how.devices);
      SCOPED_TRACE(fmt::format("call {} ({}), {}", n, scene->world.faults.log()[before + n - 1],
                               report.error ? report.error->message : "success"));
      scene->world.faults.clear();
      if (report.error) {
        scene->reconcile();
        // Planning itself failed: nothing has begun, so a second detach is what finishes it.
        if (report.steps.empty() && !how.dead) {
          EXPECT_FALSE(scene->detach(how.devices).error);
        }
      }
      expect_nothing_left(*scene, how.devices, how.beside && !how.dead);
      if (HasFailure()) return;
    }
}

TEST_P(DetachFaults, KilledAtAnyInstantARestartFinishes) {
  const auto& how = GetParam();
  std::size_t total = 0;
  {
    auto scene = scene_for(how);
    total = calls_of(*scene, [&] { (void)scene->detach(how.devices); });
  }
  for (const auto when : {When::before, When::after})
    for (std::size_t n = 1; n <= total; ++n) {
      auto scene = scene_for(how);
      scene->world.faults.kill_nth(n, when);
      EXPECT_THROW((void)scene->detach(how.devices), sim::Killed);
      SCOPED_TRACE(fmt::format("killed in call {} ({})", n, scene->world.faults.log().back()));
      scene->world.faults.clear();
      scene->reconcile();
      // Each device is either still attached in full or taken back in full; a second request
      // finishes the rest.
      std::vector<Sbdf> kept;
      for (const auto& device : how.devices) {
        const auto record = *scene->world.records().find(device);
        if (!record) continue;
        EXPECT_EQ(record->phase, Phase::attached);
        kept.push_back(device);
      }
      if (!kept.empty()) {
        EXPECT_FALSE(scene->detach(kept).error);
      }
      expect_nothing_left(*scene, how.devices, how.beside && !how.dead, true);
      if (how.dead) {
        EXPECT_EQ(scene->leftovers(how.devices), "");
      }
      if (HasFailure()) return;
    }
}

TEST_P(DetachFaults, ADomainThatVanishesInTheMiddleIsSuccess) {
  const auto& how = GetParam();
  auto counting = scene_for(how);
  auto steps = counting->tools.plan_detach(kNet, how.devices)->steps.size();
  for (std::size_t at = 0; at < steps; ++at) {
    auto scene = scene_for(how);
    auto plan = scene->tools.plan_detach(kNet, how.devices);
    ASSERT_TRUE(plan);
    // xl destroy runs at the same time and is done with everything before step `at`.
    plan->steps[at].run = [run = plan->steps[at].run, &scene](Ports& p) {
      scene->world.destroy(kNet);
      return run(p);
    };
    const auto report = scene->world.run(std::move(*plan));
    EXPECT_FALSE(report.error) << report.error->message;
    EXPECT_EQ(scene->leftovers(how.devices), "") << "destroyed before step " << at;
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, DetachFaults,
    testing::Values(Detach{"orderly", {kNic}, FrontMode::responsive, false, false},
                    Detach{"orderly_two", {kNic, kDisk}, FrontMode::responsive, false, false},
                    Detach{"orderly_beside", {kNic}, FrontMode::responsive, false, true},
                    Detach{"silent", {kNic}, FrontMode::goes_silent, false, false},
                    Detach{"silent_beside", {kNic}, FrontMode::goes_silent, false, true},
                    Detach{
                        "dies_when_told", {kNic, kDisk}, FrontMode::dies_when_told, false, false},
                    Detach{"dead", {kNic, kDisk}, FrontMode::responsive, true, false}),
    name_of<Detach>);

}  // namespace
}  // namespace pciassign::test
