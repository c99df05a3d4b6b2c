// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// A whole simulated machine: Xen, xenstore, dom0's bus, guests, journal, clock.
#pragma once
#include <map>
#include <memory>
#include <set>

#include "pciassign/journal.hpp"
#include "pciassign/plan.hpp"
#include "pciassign/sim/guest.hpp"

namespace pciassign::sim {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return now_; }
  void to(TimePoint when) { now_ = std::max(now_, when); }
  void advance(std::chrono::milliseconds by) { now_ += by; }

 private:
  TimePoint now_{};
};

class World {
 public:
  World();
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Faults faults;
  Hypervisor xen{faults};
  Store store{faults};
  PciBus pci{faults};
  ManualClock clock;
  [[nodiscard]] Ports ports();
  /// The journal without the faults.
  [[nodiscard]] Journal& records() { return *records_; }
  /// Devices whose record cannot be read.
  std::set<Sbdf> damaged_records;

  /// A PV domain that can have devices, with its xenstore home as xl makes it.
  Guest& add_domain(DomId domid, const std::string& name, FrontMode front = FrontMode::responsive);
  [[nodiscard]] Guest& guest(DomId domid) { return *guests_.at(domid); }
  /// An endpoint on pciback: two memory BARs (one of 64 bits), I/O ports, INTA on `gsi`, flr.
  Device& add_device(const Sbdf& sbdf, int gsi, const std::string& driver = "pciback");
  void crash(DomId domid);    ///< Kernel panic: shut down, still there.
  void destroy(DomId domid);  ///< As `xl destroy`: nodes and domain vanish.

  /// Runs to the end; where the plan waits for longer than anybody moves, time passes.
  PlanReport run(Plan plan);

 private:
  class FaultyJournal;
  void settle();
  std::map<DomId, std::unique_ptr<Guest>> guests_;
  std::unique_ptr<Journal> records_;
  std::unique_ptr<FaultyJournal> journal_;
  bool settling_ = false;
};

}  // namespace pciassign::sim
