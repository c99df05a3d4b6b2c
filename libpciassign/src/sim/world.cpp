// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/sim/world.hpp"

#include <fmt/format.h>

namespace pciassign::sim {

class World::FaultyJournal final : public Journal {
 public:
  FaultyJournal(Journal& real, Faults& faults, const std::set<Sbdf>& damaged)
      : real_(real), faults_(faults), damaged_(damaged) {}
  Result<void> put(const AttachmentRecord& record) override {
    return faults_.call<Result<void>>("journal.put", [&] { return real_.put(record); });
  }
  Result<void> erase(const Sbdf& device) override {
    return faults_.call<Result<void>>("journal.erase", [&] { return real_.erase(device); });
  }
  Result<std::vector<AttachmentRecord>> all() override {
    return faults_.call<Result<std::vector<AttachmentRecord>>>("journal.all", [&] {
      auto records = real_.all();
      if (records)
        std::erase_if(*records, [&](const AttachmentRecord& record) {
          return damaged_.contains(record.device);
        });
      return records;
    });
  }
  Result<std::optional<AttachmentRecord>> find(const Sbdf& device) override {
    using Found = Result<std::optional<AttachmentRecord>>;
    return faults_.call<Found>("journal.find", [&]() -> Found {
      if (damaged_.contains(device))
        return fail(ErrorKind::busy, "sim: " + words(device), {}, "E-OWNED");
      return real_.find(device);
    });
  }
  Result<std::vector<JournalFault>> faults() override {
    using Listed = Result<std::vector<JournalFault>>;
    return faults_.call<Listed>("journal.faults", [&]() -> Listed {
      std::vector<JournalFault> list;
      for (const auto& device : damaged_)
        list.push_back({JournalFault::Kind::damaged, device.libxl_key() + ".json", device,
                        words(device), "look at it"});
      return list;
    });
  }
  [[nodiscard]] std::filesystem::path directory() const override { return real_.directory(); }

 private:
  static std::string words(const Sbdf& device) { return device.libxl_key() + ".json is damaged"; }
  Journal& real_;
  Faults& faults_;
  const std::set<Sbdf>& damaged_;
};

World::World()
    : records_(make_memory_journal()),
      journal_(std::make_unique<FaultyJournal>(*records_, faults, damaged_records)) {
  store.on_change = [this] { settle(); };
  pci.on_unbind = [this](const Sbdf& sbdf) {
    for (auto& [domid, guest] : guests_) guest->unbound(sbdf);
  };
  pci.on_reset = [this](const Sbdf& sbdf) { xen.devices[sbdf].msix_maskall = false; };
}

World::~World() {
  store.on_change = nullptr;
}

Ports World::ports() {
  return {xen, store, pci, *journal_, clock};
}

void World::settle() {
  if (settling_) return;  // the loop below sees it
  settling_ = true;
  bool moved = true;
  while (moved) {
    moved = false;
    for (auto& [domid, guest] : guests_) moved = guest->step() || moved;
  }
  settling_ = false;
}

Guest& World::add_domain(DomId domid, const std::string& name, FrontMode front) {
  Domain domain;
  domain.info.domid = domid;
  // Each domain that ever lives has another uuid, also when its number comes back.
  static std::uint32_t next = 1;
  for (int i = 0; i < 4; ++i)
    domain.info.uuid[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(next >> 8 * i);
  ++next;
  xen.all[domid] = domain;
  const auto home = fmt::format("/local/domain/{}", domid);
  store.tree().mkdir(home);
  store.tree().set_perms(home, {kDom0, domid});
  store.tree().write(home + "/name", name);
  store.tree().mkdir(home + "/device");
  auto& guest = guests_[domid];
  guest = std::make_unique<Guest>(domid, xen, store, pci);
  guest->front = front;
  store.fire("@introduceDomain");
  return *guest;
}

Device& World::add_device(const Sbdf& sbdf, int gsi, const std::string& driver) {
  BusDevice device;
  auto& facts = device.facts;
  facts.sbdf = sbdf;
  facts.vendor = 0x8086;
  facts.device = 0x10d3;
  facts.class_code = 0x020000;
  facts.irq = gsi;
  facts.interrupt_pin = gsi > 0 ? 1 : 0;
  facts.msi = facts.msix = true;
  facts.pcie_type = 9;  // integrated in the root complex: no bridge above
  facts.reset_methods = {"flr"};
  facts.driver = driver;
  facts.parent_bus = "pci0000:00";
  const std::uint64_t base = 0xfe000000ULL + sbdf.device * 0x100000ULL + sbdf.function * 0x20000ULL;
  facts.regions = {
      {0, base, 0x20000, false, false, false},
      {2, 0xc000ULL + sbdf.device * 0x100U + sbdf.function * 0x20U, 0x20, true, false, false},
      {3, 0x380000000000ULL + sbdf.device * 0x100000ULL + sbdf.function * 0x4000U, 0x4000, false,
       true, true}};
  auto& stored = pci.all[sbdf] = device;
  xen.devices[sbdf] = {};
  return stored.facts;
}

void World::crash(DomId domid) {
  auto& info = xen.all.at(domid).info;
  info.shutdown = true;
  info.shutdown_code = 3;
  store.fire("@releaseDomain");
}

void World::destroy(DomId domid) {
  xen.destroy(domid);
  store.drop(fmt::format("/local/domain/0/backend/pci/{}", domid));
  store.drop(fmt::format("/local/domain/{}", domid));
  store.fire("@releaseDomain");
}

PlanReport World::run(Plan plan) {
  Execution execution(std::move(plan), ports());
  while (true) {
    switch (execution.next()) {
      case Execution::Next::run:
        execution.perform();
        break;
      case Execution::Next::wait: {
        bool any = false;
        while (true) {
          auto event = store.next_event();
          if (!event || !*event) break;
          any = true;
        }
        if (!any) clock.to(execution.deadline());
        execution.poll();
        break;
      }
      case Execution::Next::finished:
        return execution.report();
    }
  }
}

}  // namespace pciassign::sim
