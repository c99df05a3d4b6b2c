// SPDX-License-Identifier: LGPL-2.1-or-later
#include "assign/isolation.hpp"

#include <algorithm>
#include <unordered_map>

namespace pciassign::detail {
namespace {

constexpr std::uint8_t kRootPort = 4, kDownstream = 6, kToConventional = 7;

std::uint32_t key_of(const Sbdf& s) {
  return static_cast<std::uint32_t>(s.segment) << 16 | static_cast<std::uint32_t>(s.bus) << 8 |
         static_cast<std::uint32_t>(s.device) << 3 | s.function;
}

/// Sets that are joined; each is named by any of its members.
class Sets {
 public:
  std::uint32_t find(std::uint32_t key) {
    auto parent = parents_.try_emplace(key, key).first->second;
    while (parent != key) {
      auto& above = parents_[parent];
      parents_[key] = above;
      key = parent;
      parent = above;
    }
    return key;
  }
  void join(const Sbdf& a, const Sbdf& b) { parents_[find(key_of(a))] = find(key_of(b)); }

 private:
  std::unordered_map<std::uint32_t, std::uint32_t> parents_;
};

}  // namespace

bool same_slot(const Sbdf& a, const Sbdf& b) {
  return a.segment == b.segment && a.bus == b.bus && a.device == b.device;
}

Merging merging_of(const Device& bridge) {
  if (!bridge.pcie_type || *bridge.pcie_type == kToConventional) return Merging::below;
  if (bridge.acs) return Merging::nothing;
  if (*bridge.pcie_type == kDownstream) return Merging::whole;
  return *bridge.pcie_type == kRootPort ? Merging::siblings : Merging::nothing;
}

std::map<Sbdf, Sbdf> isolation_groups(const std::vector<Device>& devices) {
  std::unordered_map<std::uint32_t, const Device*> bridges;
  for (const auto& device : devices)
    if (device.is_bridge()) bridges.emplace(key_of(device.sbdf), &device);
  Sets sets;
  // Bridges that merge are members too, so that what is below them meets there.
  std::unordered_map<std::uint32_t, Sbdf> points;
  for (const auto& [key, bridge] : bridges) {
    switch (merging_of(*bridge)) {
      case Merging::nothing:
        continue;
      case Merging::below:
        break;
      case Merging::whole:
        if (!bridge->path.empty()) {
          points.emplace(key_of(bridge->path.back()), bridge->path.back());
          continue;
        }
        break;
      case Merging::siblings: {
        Sbdf first = bridge->sbdf;
        first.function = 0;
        sets.join(bridge->sbdf, first);
        break;
      }
    }
    points.emplace(key, bridge->sbdf);
  }
  for (const auto& device : devices) {
    if (device.is_bridge()) continue;
    for (const auto& above : device.path)
      if (points.contains(key_of(above))) sets.join(device.sbdf, above);
    if (device.acs || device.physfn) continue;
    // Functions of one device may talk to each other.
    for (std::uint8_t function = 0; function < device.sbdf.function; ++function) {
      Sbdf other = device.sbdf;
      other.function = function;
      const auto at = std::lower_bound(devices.begin(), devices.end(), other,
                                       [](const Device& d, const Sbdf& s) { return d.sbdf < s; });
      if (at != devices.end() && at->sbdf == other && !at->is_bridge() && !at->acs && !at->physfn)
        sets.join(device.sbdf, other);
    }
  }
  std::unordered_map<std::uint32_t, std::vector<Sbdf>> members;
  for (const auto& device : devices)
    if (!device.is_bridge()) members[sets.find(key_of(device.sbdf))].push_back(device.sbdf);
  std::map<Sbdf, Sbdf> groups;
  for (const auto& [root, group] : members) {
    if (group.size() < 2) continue;
    const auto lowest = *std::min_element(group.begin(), group.end());
    for (const auto& sbdf : group) groups.emplace(sbdf, lowest);
  }
  return groups;
}

}  // namespace pciassign::detail
