// SPDX-License-Identifier: GPL-2.0-or-later
// Two guests whose devices are served by driver domains: the nodes of libxl 4.17 and Linux 6.1.
#pragma once
#include <fmt/format.h>

#include "pciassign/dependents.hpp"
#include "pciassign/sim/store.hpp"

namespace pciassign::test {

using Nodes = std::map<std::string, std::string>;

inline constexpr DomId kGuestA = 3;
inline constexpr DomId kGuestB = 4;
inline constexpr DomId kBackend = 7;
inline constexpr DomId kOtherBackend = 8;
inline constexpr DomId kNewBackend = 9;

struct DomainScene {
  sim::Faults faults;
  sim::Store store{faults};

  static Dependent vif(DomId guest, std::uint32_t devid) {
    return {guest, DependentKind::vif, devid, kBackend, "00:16:3e:11:22:33"};
  }
  static Dependent vbd(DomId guest) { return {guest, DependentKind::vbd, 51728, kBackend, "xvdb"}; }

  void add_domain(DomId domid) {
    const auto home = fmt::format("/local/domain/{}", domid);
    if (store.tree().has(home)) return;
    store.tree().mkdir(home);
    store.tree().set_perms(home, {kDom0, domid});
    store.put(home + "/name", fmt::format("domain-{}", domid));
  }
  void add_guest(DomId domid) {
    add_domain(domid);
    const auto home = fmt::format("/local/domain/{}", domid);
    store.put(home + "/data", "");
    store.tree().set_perms(home + "/data", {domid, std::nullopt});
    store.put(home + "/device", "");
  }
  /// As `xl destroy` and xenstored: nodes of its own go wherever they are.
  void destroy(DomId domid) {
    store.drop(fmt::format("/local/domain/{}", domid));
    store.drop(fmt::format("/libxl/{}", domid));
    for (const DomId guest : {kGuestA, kGuestB})
      store.drop(fmt::format("/local/domain/{}/device/vif/0/mtu", guest));
  }

  void add_vif(DomId guest, std::uint32_t devid, DomId backend) {
    add_device(guest, "vif", devid, backend,
               {{"bridge", "xenbr0"},
                {"handle", std::to_string(devid)},
                {"hotplug-status", ""},
                {"mac", "00:16:3e:11:22:33"},
                {"script", "/etc/xen/scripts/vif-bridge"},
                {"type", "vif"}},
               {{"feature-sg", "1"},
                {"handle", std::to_string(devid)},
                {"mac", "00:16:3e:11:22:33"},
                {"request-rx-copy", "1"},
                {"event-channel-rx", "12"},
                {"event-channel-tx", "11"},
                {"multi-queue-num-queues", "1"},
                {"rx-ring-ref", "579"},
                {"tx-ring-ref", "578"}});
    const auto mtu = fmt::format("/local/domain/{}/device/vif/{}/mtu", guest, devid);
    store.put(mtu, "1500");
    store.tree().set_perms(mtu, {backend, guest});
  }

  void add_vbd(DomId guest, DomId backend) {
    add_device(guest, "vbd", 51728, backend,
               {{"bootable", "1"},
                {"dev", "xvdb"},
                {"device-type", "disk"},
                {"discard-enable", "1"},
                {"mode", "w"},
                {"params", "/dev/nvme0n1p2"},
                {"removable", "0"},
                {"script", "/etc/xen/scripts/block"},
                {"specification", "xen"},
                {"type", "phy"}},
               {{"device-type", "disk"},
                {"event-channel", "11"},
                {"feature-persistent", "1"},
                {"protocol", "x86_64-abi"},
                {"ring-ref", "26"},
                {"virtual-device", "51728"}});
    store.put(fmt::format("/local/domain/{}/backend/vbd/{}/51728/physical-device", backend, guest),
              "103:2");
  }

 private:
  void add_device(DomId guest, const std::string& kind, std::uint32_t devid, DomId backend,
                  const Nodes& recorded, const Nodes& front_nodes) {
    add_guest(guest);
    add_domain(backend);
    const auto record = fmt::format("/libxl/{}/device/{}/{}", guest, kind, devid);
    const auto front = fmt::format("/local/domain/{}/device/{}/{}", guest, kind, devid);
    const auto back = fmt::format("/local/domain/{}/backend/{}/{}/{}", backend, kind, guest, devid);
    auto& tree = store.tree();
    tree.mkdir(back);
    tree.set_perms(back, {backend, guest});
    tree.mkdir(front);
    tree.set_perms(front, {guest, backend});
    for (const auto& [name, value] : recorded)
      for (const auto& directory : {record, back}) store.put(directory + "/" + name, value);
    for (const auto& directory : {record, back}) {
      store.put(directory + "/frontend", front);
      store.put(directory + "/frontend-id", std::to_string(guest));
      store.put(directory + "/online", "1");
    }
    store.put(record + "/backend", back);
    store.put(record + "/state", "1");
    store.put(back + "/state", "4");
    store.put(front + "/backend", back);
    store.put(front + "/backend-id", std::to_string(backend));
    store.put(front + "/state", "4");
    for (const auto& [name, value] : front_nodes) store.put(front + "/" + name, value);
  }
};

}  // namespace pciassign::test
