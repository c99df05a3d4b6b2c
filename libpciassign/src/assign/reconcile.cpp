// SPDX-License-Identifier: LGPL-2.1-or-later
// Level-triggered: the journal says what was meant, Xen and xenstore say what is; plans are made
// from the difference. A restart at any instant is just another comparison.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "assign/claim.hpp"
#include "assign/facts.hpp"
#include "assign/guards.hpp"
#include "assign/nodes.hpp"
#include "assign/plans.hpp"
#include "domain/record.hpp"

namespace pciassign {
namespace {

/// A domid alone does not name a domain: it may have been given to another one since.
using DomainKey = std::pair<DomId, std::string>;

struct Situation {
  bool exists = false;  ///< The record's domain, by its uuid.
  bool reused = false;  ///< Its domid belongs to another domain.
  bool living = false;
};

Result<Situation> look(Ports& ports, const DomainKey& key) {
  auto info = ports.xen.domain(key.first);
  if (!info && info.error().kind == ErrorKind::not_found) return Situation{};
  if (!info) return tl::unexpected(info.error());
  Situation situation;
  situation.exists = info->uuid_str() == key.second;
  situation.reused = !situation.exists;
  situation.living = situation.exists && !info->gone();
  return situation;
}

/// In a living domain a completed attachment is left alone, unless its nodes are gone: then xl has
/// taken the device away, and the record is all that is left to clean up.
bool needs_work(const AttachmentRecord& record, const Situation& situation,
                const std::vector<detail::Entry>& entries) {
  if (!situation.living || record.phase != Phase::attached) return true;
  return std::none_of(entries.begin(), entries.end(),
                      [&](const detail::Entry& entry) { return entry.device == record.device; });
}

/// What the clean-up is going to leave alone, which somebody should know.
Result<void> tell_of_strangers(Ports& ports, const std::vector<AttachmentRecord>& records,
                               Plan& plan) {
  for (const auto& record : records) {
    // Seized for an attach that did not come to that: it is where it belongs.
    if (record.phase == Phase::attaching && !record.seized_from.empty()) continue;
    auto why = detail::hands_off(ports, record);
    if (!why) return tl::unexpected(why.error());
    if (*why)
      plan.findings.push_back(
          {(*why)->code, Severity::warning, record.device, (*why)->message, (*why)->hint, {}});
  }
  return {};
}

/// Reservations that were interrupted go back to dom0: whoever asked for one was told that it
/// failed, and whoever asked for a release gets it.
Result<void> append_homecomings(Ports& ports, const std::vector<Sbdf>& busy,
                                std::vector<Plan>& plans) {
  auto marked = detail::marked_changes(ports.store);
  if (!marked) return tl::unexpected(marked.error());
  std::erase_if(*marked, [&](const Sbdf& device) {
    return std::find(busy.begin(), busy.end(), device) != busy.end();
  });
  if (marked->empty()) return {};
  auto owners = detail::read_owners(ports);
  if (!owners) return tl::unexpected(owners.error());
  auto host = ports.xen.host();
  if (!host) return tl::unexpected(host.error());
  for (const auto& sbdf : *marked) {
    if (std::any_of(owners->begin(), owners->end(),
                    [&](const Owner& owner) { return owner.device == sbdf; })) {
      plans.push_back(detail::build_unmark_change(sbdf));
      continue;
    }
    auto device = ports.pci.device(sbdf);
    if (!device && device.error().kind != ErrorKind::not_found)
      return tl::unexpected(device.error());
    if (!device || (!device->driver.empty() && !device->on_pciback())) {
      plans.push_back(detail::build_forget_change(sbdf));
      continue;
    }
    auto driver = detail::remembered_driver(ports.store, sbdf);
    if (!driver) return tl::unexpected(driver.error());
    plans.push_back(detail::build_homecoming({*device, host->iommu, *driver}));
  }
  return {};
}

/// libxl, which destroys a domain while we take its devices back, may write its nodes once more
/// after we have removed them. Nobody else comes for those of a domain that is gone.
Result<void> append_remains(Ports& ports, const std::vector<AttachmentRecord>& records,
                            std::vector<Plan>& plans) {
  const std::string above = "/local/domain/0/backend/pci";
  auto names = ports.store.list(above);
  if (!names) return tl::unexpected(names.error());
  for (const auto& name : *names) {
    const auto domid = detail::whole_number<DomId>(name);
    // What the journal tells of is taken back by its own plan.
    if (!domid || std::any_of(records.begin(), records.end(), [&](const AttachmentRecord& record) {
          return record.domid == *domid;
        }))
      continue;
    const auto is_gone = [id = *domid](Ports& p) -> Result<bool> {
      auto info = p.xen.domain(id);
      if (info) return false;
      if (info.error().kind == ErrorKind::not_found) return true;
      return tl::unexpected(info.error());
    };
    auto gone = is_gone(ports);
    if (!gone) return tl::unexpected(gone.error());
    if (!*gone) continue;
    Plan& plan = plans.emplace_back();
    plan.kind = PlanKind::cleanup;
    plan.domid = domid;
    plan.domain_name = fmt::format("domain-{}", *domid);
    plan.title = fmt::format("remove what is left of domain {}, gone", *domid);
    detail::append_step(plan, "remains", "remove the nodes that came back after it was gone",
                        [is_gone, path = above + "/" + name](Ports& p) -> Result<void> {
                          auto still = is_gone(p);
                          if (!still) return tl::unexpected(still.error());
                          return *still ? p.store.remove(path) : Result<void>{};
                        });
  }
  return {};
}

}  // namespace

Result<std::vector<Plan>> Toolstack::reconcile(const std::vector<Sbdf>& busy) {
  auto all = ports_.journal.all();
  if (!all) return tl::unexpected(all.error());
  std::vector<Plan> plans;
  if (auto ok = append_remains(ports_, *all, plans); !ok) return tl::unexpected(ok.error());
  std::map<DomainKey, std::vector<AttachmentRecord>> domains;
  for (auto& record : *all)
    if (std::find(busy.begin(), busy.end(), record.device) == busy.end())
      domains[{record.domid, record.domain_uuid}].push_back(std::move(record));

  for (auto& [key, records] : domains) {
    auto situation = look(ports_, key);
    if (!situation) return tl::unexpected(situation.error());
    auto entries = detail::read_entries(ports_.store, key.first);
    if (!entries) return tl::unexpected(entries.error());
    std::erase_if(records, [&](const AttachmentRecord& record) {
      return !needs_work(record, *situation, *entries);
    });
    if (records.empty()) continue;
    detail::TakeBackInput input;
    input.kind = PlanKind::cleanup;
    input.records = std::move(records);
    input.tell_guest = situation->living;
    input.domid_reused = situation->reused;
    input.toolstack_reads = situation->exists && !situation->living;
    input.title = fmt::format("clean up after {} (domain {}{})", input.records.front().domain_name,
                              key.first, situation->living ? "" : ", gone");
    auto& plan = plans.emplace_back(detail::build_take_back(input, settings_));
    if (auto told = tell_of_strangers(ports_, input.records, plan); !told)
      return tl::unexpected(told.error());
  }
  if (auto ok = append_homecomings(ports_, busy, plans); !ok) return tl::unexpected(ok.error());
  return plans;
}

Result<std::optional<Error>> Toolstack::awaits_clean_up(const std::vector<DeviceSpec>& specs) {
  auto all = ports_.journal.all();
  if (!all) return tl::unexpected(all.error());
  for (const auto& spec : specs) {
    auto wanted = spec.sbdf;
    if (!spec.name.empty()) {
      auto named = detail::device_named(ports_.store, spec.name);
      if (!named) return tl::unexpected(named.error());
      if (!*named) continue;
      wanted = **named;
    }
    for (const auto& record : *all) {
      auto device = record.device;
      if (spec.all_functions) device.function = wanted.function;
      if (device != wanted) continue;
      auto situation = look(ports_, {record.domid, record.domain_uuid});
      if (!situation) return tl::unexpected(situation.error());
      if (!situation->living)
        return Error{ErrorKind::busy, "E-OWNED",
                     fmt::format("{} is still being taken back from {} (domain {}), which is gone",
                                 record.device.str(), record.domain_name, record.domid),
                     "`pciassign status` tells what is in the way", 0};
    }
  }
  return std::nullopt;
}

}  // namespace pciassign
