// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/sim/guest.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace pciassign::sim {
namespace {

std::string back_path(DomId domid) {
  return fmt::format("/local/domain/0/backend/pci/{}/0", domid);
}
std::string front_path(DomId domid) {
  return fmt::format("/local/domain/{}/device/pci/0", domid);
}

}  // namespace

int Guest::state(const std::string& path) const {
  const auto text = const_cast<Store&>(store_).tree().read(path + "/state");
  return text ? std::atoi(text->c_str()) : 0;
}

void Guest::set_state(const std::string& path, int value, DomId who) {
  (void)store_.write_as(who, path + "/state", std::to_string(value));
}

bool Guest::step() {
  return step_back() || step_front();
}

bool Guest::export_new() {
  const auto back = back_path(domid_);
  auto& tree = store_.tree();
  const int count = std::atoi(tree.read(back + "/num_devs").value_or("0").c_str());
  bool any = false;
  for (int i = 0; i < count; ++i) {
    if (tree.read(fmt::format("{}/state-{}", back, i)) != "1") continue;
    auto sbdf = Sbdf::parse(tree.read(fmt::format("{}/dev-{}", back, i)).value_or(""));
    if (!sbdf || !pci_.all.contains(*sbdf) || !pci_.all[*sbdf].facts.on_pciback()) continue;
    exported_.insert(*sbdf);
    tree.write(fmt::format("{}/vdev-{}", back, i), fmt::format("0000:00:{:02x}.00", i));
    store_.put(fmt::format("{}/state-{}", back, i), "3");
    any = true;
  }
  return any;
}

bool Guest::release_closing() {
  const auto back = back_path(domid_);
  auto& tree = store_.tree();
  const int count = std::atoi(tree.read(back + "/num_devs").value_or("0").c_str());
  for (int i = 0; i < count; ++i) {
    if (tree.read(fmt::format("{}/state-{}", back, i)) != "5") continue;
    auto sbdf = Sbdf::parse(tree.read(fmt::format("{}/dev-{}", back, i)).value_or(""));
    if (!sbdf) continue;
    exported_.erase(*sbdf);
    if (pci_.all.contains(*sbdf)) pci_.all[*sbdf].command = 0;
  }
  return true;
}

void Guest::release_all() {
  for (const auto& sbdf : exported_)
    if (pci_.all.contains(sbdf)) pci_.all[sbdf].command = 0;
  exported_.clear();
}

bool Guest::step_back() {
  if (back == BackMode::silent) return false;
  const auto path = back_path(domid_);
  if (!store_.tree().has(path)) {
    const bool had = !exported_.empty();
    release_all();
    return had;
  }
  const int own = state(path), other = state(front_path(domid_));
  if (back == BackMode::fails && own == 1) {
    store_.put(fmt::format("/local/domain/0/error/backend/pci/{}/0/error", domid_),
               "22 cannot export");
    set_state(path, 5, kDom0);
    return true;
  }
  if (own == 1) return set_state(path, 2, kDom0), true;
  if (own == 2) {
    export_new();
    return set_state(path, 3, kDom0), true;
  }
  if (own == 3 && other == 3) return set_state(path, 4, kDom0), true;
  if (own == 3) return export_new();
  if (own == 7 && other == 7) {
    export_new();
    release_closing();
    return set_state(path, 8, kDom0), true;
  }
  if (own == 8 && other == 4) return set_state(path, 4, kDom0), true;
  if (other == 6 && own != 6) {
    release_all();
    return set_state(path, 6, kDom0), true;
  }
  return false;
}

void Guest::drive_devices() {
  for (const auto& sbdf : exported_)
    if (pci_.all.contains(sbdf)) pci_.all[sbdf].command = 0x7;
}

void Guest::crash() {
  auto& info = xen_.all[domid_].info;
  info.shutdown = true;
  info.shutdown_code = 3;
  store_.fire("@releaseDomain");
}

bool Guest::step_front() {
  const auto at = xen_.all.find(domid_);
  if (at == xen_.all.end() || at->second.info.gone() || at->second.info.paused) return false;
  if (front == FrontMode::silent) return false;
  const auto path = front_path(domid_);
  // A front end that may not read its back end sees nothing at all.
  if (!store_.read_as(domid_, back_path(domid_) + "/state")) return false;
  const int own = state(path), other = state(back_path(domid_));
  if (own == 1 && other >= 2 && other < 5) {
    if (front == FrontMode::dies_connecting) return crash(), true;
    (void)store_.write_as(domid_, path + "/pci-op-ref", "8");
    (void)store_.write_as(domid_, path + "/magic", "7");
    return set_state(path, 3, domid_), true;
  }
  if (own == 3 && other == 4) {
    drive_devices();
    return set_state(path, 4, domid_), true;
  }
  if (own == 4 && other == 7) {
    if (front == FrontMode::goes_silent) return false;
    if (front == FrontMode::dies_when_told) return crash(), true;
    return set_state(path, 7, domid_), true;
  }
  if (own == 7 && other == 8) {
    drive_devices();
    return set_state(path, 4, domid_), true;
  }
  return false;
}

}  // namespace pciassign::sim
