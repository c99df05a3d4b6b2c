// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include "assign/actions.hpp"
#include "assign/claim.hpp"
#include "assign/guards.hpp"
#include "assign/plans.hpp"

namespace pciassign::detail {
namespace {

Result<void> out_of_quarantine(Ports& ports, const Sbdf& device) {
  auto out = ports.xen.deassign(kDomIo, device);
  if (!out && means_gone(out.error())) return {};  // hidden at boot: it never was in quarantine
  return out;
}

/// Without a method only the verification is left, where that is enough.
void append_reset(Plan& plan, const Device& device, bool none_is_enough) {
  auto record = record_of(device);
  record.reset_acknowledged = none_is_enough;
  append_step(
      plan, "reset",
      fmt::format("{} {}",
                  device.reset_methods.empty() ? "verify (it cannot be reset)" : "reset and verify",
                  device.sbdf.str()),
      if_ours(record, [record](Ports& p) { return reset_and_verify(p, record); }))
      .slow = true;
}

}  // namespace

Plan build_reserve(const ReserveInput& input) {
  const auto sbdf = input.device.sbdf;
  const auto driver = input.device.driver;
  const auto record = record_of(input.device);
  Plan plan;
  plan.kind = PlanKind::reserve;
  plan.title = "reserve " + sbdf.str();
  plan.devices = {sbdf};
  plan.undo_command = "pciassign release " + sbdf.str();
  if (!input.device.on_pciback()) {
    auto& keep = append_step(plan, "remember",
                             driver.empty() ? std::string("remember that it had no driver")
                                            : fmt::format("remember dom0's driver \"{}\"", driver),
                             [=](Ports& p) { return mark_change(p.store, sbdf, driver); });
    keep.undo = [=](Ports& p) { return forget_change(p.store, sbdf); };
    keep.only_when_clean = true;
    auto& seize = append_step(
        plan, "seize",
        driver.empty()
            ? fmt::format("bind {} to pciback", sbdf.str())
            : fmt::format("take {} from dom0's driver \"{}\", bind pciback", sbdf.str(), driver),
        [=](Ports& p) { return detail::seize(p, record); });
    seize.undo = unless_lost(record, [=](Ports& p) -> Result<void> {
      auto out = p.pci.unbind_pciback(sbdf, driver);
      if (!out && means_gone(out.error())) return {};
      return out;
    });
    seize.slow = true;
  }
  if (input.iommu) {
    const bool was_free = !input.device.on_pciback();
    auto& step = append_step(plan, "quarantine",
                             fmt::format("put {} into quarantine (DOMID_IO)", sbdf.str()),
                             if_ours(record, [=](Ports& p) { return into_quarantine(p, sbdf); }));
    if (was_free)
      step.undo = unless_lost(record, [=](Ports& p) { return out_of_quarantine(p, sbdf); });
  }
  if (!input.device.on_pciback())
    append_step(plan, "done", fmt::format("note that {} is reserved", sbdf.str()),
                [=](Ports& p) { return unmark_change(p.store, sbdf); });
  return plan;
}

Plan build_release(const ReserveInput& input) {
  const auto sbdf = input.device.sbdf;
  const auto driver = input.driver;
  const auto record = record_of(input.device);
  Plan plan;
  plan.kind = PlanKind::release;
  plan.title = "release " + sbdf.str();
  plan.devices = {sbdf};
  plan.undo_command = "pciassign reserve " + sbdf.str();
  auto& mark = append_step(plan, "mark", fmt::format("note that {} goes back to dom0", sbdf.str()),
                           [=](Ports& p) { return mark_change(p.store, sbdf); });
  mark.undo = [=](Ports& p) { return unmark_change(p.store, sbdf); };
  mark.only_when_clean = true;
  // A guest's device whose reset failed lies in quarantine as well. Nothing keeps it from dom0's
  // memory once it leaves that.
  if (input.device.on_pciback()) append_reset(plan, input.device, true);
  if (input.iommu) {
    auto& step = append_step(plan, "unquarantine",
                             fmt::format("take {} out of quarantine, to dom0", sbdf.str()),
                             if_ours(record, [=](Ports& p) { return out_of_quarantine(p, sbdf); }));
    step.undo = unless_lost(record, [=](Ports& p) { return into_quarantine(p, sbdf); });
  }
  auto& unbind = append_step(
      plan, "unbind",
      driver.empty()
          ? fmt::format("take {} from pciback", sbdf.str())
          : fmt::format("take {} from pciback, bind dom0's driver \"{}\"", sbdf.str(), driver),
      if_ours(record, [=](Ports& p) { return p.pci.unbind_pciback(sbdf, driver); }));
  unbind.undo = unless_lost(record, [=](Ports& p) { return p.pci.bind_pciback(sbdf); });
  unbind.slow = true;
  append_step(plan, "forget", "forget the driver that it came from",
              [=](Ports& p) { return forget_change(p.store, sbdf); });
  return plan;
}

Plan build_homecoming(const ReserveInput& input) {
  auto plan = build_release(input);
  plan.kind = PlanKind::cleanup;
  plan.title =
      fmt::format("bring {} home, whose reservation was interrupted", input.device.sbdf.str());
  plan.undo_command.clear();
  return plan;
}

Plan build_forget_change(const Sbdf& sbdf) {
  Plan plan;
  plan.kind = PlanKind::cleanup;
  plan.title = fmt::format("forget the interrupted reservation of {}", sbdf.str());
  plan.devices = {sbdf};
  append_step(plan, "forget", "forget that it was under way",
              [=](Ports& p) { return forget_change(p.store, sbdf); });
  return plan;
}

Plan build_unmark_change(const Sbdf& sbdf) {
  auto plan = build_forget_change(sbdf);
  plan.steps.front().run = [=](Ports& p) { return unmark_change(p.store, sbdf); };
  return plan;
}

Plan build_reset(const Device& device) {
  Plan plan;
  plan.kind = PlanKind::reset;
  plan.title = "reset " + device.sbdf.str();
  plan.devices = {device.sbdf};
  append_reset(plan, device, false);
  return plan;
}

}  // namespace pciassign::detail
