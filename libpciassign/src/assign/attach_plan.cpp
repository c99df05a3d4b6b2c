// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "assign/actions.hpp"
#include "assign/claim.hpp"
#include "assign/guards.hpp"
#include "assign/guest.hpp"
#include "assign/nodes.hpp"
#include "assign/plans.hpp"
#include "pciassign/shell_words.hpp"

namespace pciassign::detail {
namespace {

// pciback lets go of a channel in milliseconds once its nodes are gone; nothing announces it.
constexpr std::chrono::milliseconds kFormerChannel{5'000}, kFormerChannelAgain{20};

/// Assembles the steps in the order of the design; `together` is known before the first one.
class AttachBuilder {
 public:
  AttachBuilder(const AttachInput& input, const Settings& settings)
      : input_(input), settings_(settings) {
    for (const auto& [spec, device] : input.devices) together_.push_back(device.sbdf);
  }

  Plan build() {
    plan_.kind = PlanKind::attach;
    plan_.domid = input_.domain.domid;
    plan_.domain_name = input_.domain_name;
    plan_.devices = together_;
    plan_.title = fmt::format("attach {} to {}", names(), domain());
    plan_.undo_command = detach_command();
    for (const auto& [spec, device] : input_.devices) items_.push_back(item(spec, device));
    for (std::size_t i = 0; i < items_.size(); ++i) take(items_[i], input_.devices[i].second);
    for (std::size_t i = 0; i < items_.size(); ++i) give(items_[i], input_.devices[i].second);
    publish_and_wait();
    for (const auto& it : items_) record_done(it);
    return std::move(plan_);
  }

 private:
  [[nodiscard]] std::string detach_command() const {
    std::vector<std::string> words{domain_operand(input_.domain_name, input_.domain.domid)};
    for (const auto& device : together_) words.push_back(device.str());
    return shell_command("pciassign detach", words);
  }
  Step& add(std::string id, std::string words, std::function<Result<void>(Ports&)> run) {
    return append_step(plan_, std::move(id), std::move(words), std::move(run));
  }

  [[nodiscard]] std::string domain() const {
    return fmt::format("{} (domain {})", input_.domain_name, input_.domain.domid);
  }
  [[nodiscard]] std::string names() const {
    std::vector<std::string> list;
    for (const auto& device : together_) list.push_back(device.str());
    return fmt::format("{}", fmt::join(list, " "));
  }

  AttachmentPtr item(const DeviceSpec& spec, const Device& device) const {
    auto it = std::make_shared<Attachment>();
    auto& record = it->record = record_of(device);
    record.domid = input_.domain.domid;
    record.domain_name = input_.domain_name;
    record.domain_uuid = input_.domain.uuid_str();
    record.options = spec.options;
    record.iommu = input_.iommu;
    record.reset_acknowledged = spec.options.reset == ResetPolicy::best_effort ||
                                std::find(spec.options.allow.begin(), spec.options.allow.end(),
                                          "no-reset") != spec.options.allow.end();
    return it;
  }

  /// Nobody else gets it: journal, marker, pciback, DOMID_IO, a verified reset.
  void take(const AttachmentPtr& it, const Device& device) {
    const auto bdf = device.sbdf.str();
    auto& journal =
        add("journal", fmt::format("write down what {} is about to get of {}", domain(), bdf),
            [it](Ports& p) -> Result<void> {
              auto known = p.journal.find(it->record.device);
              if (!known) return tl::unexpected(known.error());
              if (*known)
                return fail(ErrorKind::busy, fmt::format("{} is being worked on for domain {}",
                                                         it->record.device.str(), (*known)->domid));
              it->journalled = true;
              it->record.phase = Phase::attaching;
              return p.journal.put(it->record);
            });
    journal.undo = [it](Ports& p) -> Result<void> {
      return it->journalled ? p.journal.erase(it->record.device) : Result<void>{};
    };
    journal.only_when_clean = true;

    auto& marker = add(
        "claim", fmt::format("mark {} as taken by domain {} for libxl", bdf, input_.domain.domid),
        [it](Ports& p) { return claim(p, it->record); });
    marker.undo = [it](Ports& p) { return unclaim(p, it->record); };
    marker.only_when_clean = true;

    if (!it->record.seized_from.empty()) {
      auto& seize =
          add("seize",
              fmt::format("take {} from dom0's driver \"{}\", bind pciback", bdf, device.driver),
              [it](Ports& p) { return detail::seize(p, it->record); });
      seize.undo = unless_lost(it, [it](Ports& p) { return give_back_to_dom0(p, it->record); });
      seize.slow = true;
      seize.only_when_clean = true;  // not while the domain may still reach it
    }
    add("identity",
        fmt::format("check that {} is still {:04x}:{:04x}, on pciback, unchanged", bdf,
                    device.vendor, device.device),
        [it](Ports& p) { return check_identity(p, it->record); });
    if (input_.iommu)
      add("quarantine", fmt::format("put {} into quarantine (DOMID_IO)", bdf),
          if_ours(it, [it](Ports& p) { return into_quarantine(p, it->record.device); }));
    if (input_.rested.contains(device.sbdf)) {
      add("verify", fmt::format("check that {} is as its reset left it", bdf),
          [it](Ports& p) { return verify_reset(p, it->record, "the last clean-up"); });
      return;
    }
    add("reset", fmt::format("{} {}", how_to_reset(it->record, device), bdf),
        if_ours(it, [it](Ports& p) { return reset_and_verify(p, it->record); }))
        .slow = true;
  }

  static std::string how_to_reset(const AttachmentRecord& record, const Device& device) {
    if (record.options.reset == ResetPolicy::none) return "verify without a reset (reset=none)";
    if (!device.reset_methods.empty())
      return fmt::format("reset ({}) and verify", device.reset_methods.front());
    if (record.options.reset == ResetPolicy::bus) return "reset the bus of, and verify,";
    return "verify without a reset (acknowledged)";
  }

  /// Exactly the hardware that it needs.
  void give(const AttachmentPtr& it, const Device& device) {
    const auto bdf = device.sbdf.str();
    const auto together = together_;
    // Its undo comes after all grants are gone and before the journal forgets. The guest may have
    // programmed the device by then, so it is reset once more; the next attach verifies that.
    auto& assign = add(
        "assign",
        input_.iommu ? fmt::format("assign {} to domain {} in the IOMMU", bdf, input_.domain.domid)
                     : fmt::format("{} without an IOMMU (acknowledged)", bdf),
        if_ours(it, [it](Ports& p) -> Result<void> {
          if (!it->record.iommu) return {};
          return p.xen.assign(it->record.domid, it->record.device, it->record.options.rdm_policy);
        }));
    assign.undo = unless_lost_by_all(it, [it](Ports& p) -> Result<void> {
      if (it->still_exported) {
        // Only a change of driver makes pciback let go of a device whose guest is silent.
        if (auto ok = p.pci.unbind_pciback(it->record.device, {}); !ok) return ok;
        if (auto ok = p.pci.bind_pciback(it->record.device); !ok) return ok;
        it->still_exported = false;
      }
      auto reset = reset_and_verify(p, it->record);
      auto taken = take_from_domain(p, it->record);
      // In quarantine it can wait for the next attach's reset; for dom0's driver it is not fit.
      const bool goes_home = !it->record.seized_from.empty();
      if (taken && !reset && goes_home && !means_gone(reset.error())) return reset;
      return taken;
    });
    assign.slow = true;

    for (const auto& region : device.regions) {
      auto& step = add(
          region.io ? "ioports" : "iomem", fmt::format("grant {} of {}", words_for(region), bdf),
          if_ours(it, [it, region](Ports& p) { return grant(p, it->record, region); }));
      step.undo = [it, region, together](Ports& p) {
        return revoke(p, it->record, region, together);
      };
    }
    if (device.interrupt_pin != 0) {
      const auto line = device.on_pciback() && !device.interrupt_is_msi && device.irq > 0
                            ? fmt::format("GSI {}", device.irq)
                            : std::string("the interrupt line");
      auto& step = add(
          "interrupt",
          fmt::format("map {} of {} for domain {} and grant it", line, bdf, input_.domain.domid),
          if_ours(it, [it](Ports& p) { return map_interrupt(p, it->record); }));
      step.undo = [it, together](Ports& p) { return unmap_interrupt(p, it->record, together); };
    }
    if (it->record.options.permissive)
      add("options", fmt::format("permissive configuration space for {}, for this attachment", bdf),
          if_ours(it, [it](Ports& p) { return p.pci.set_permissive(it->record.device); }));
  }

  void publish_and_wait() {
    const auto domid = input_.domain.domid;
    const auto items = items_;
    const auto together = together_;
    const auto record = items_.front()->record;
    auto& former = add("former-channel", "make sure that no former channel is left in dom0",
                       [](Ports&) -> Result<void> { return {}; });
    former.ready = [domid](Ports& p) { return former_channel_gone(p, domid); };
    former.limit = kFormerChannel;
    former.ask_again = kFormerChannelAgain;

    std::vector<Exposure> exposures;
    for (const auto& it : items_) exposures.push_back({it->record.device, it->record.options});
    auto& step = add("publish",
                     fmt::format("publish {} device{} for domain {} in one xenstore transaction",
                                 exposures.size(), exposures.size() == 1 ? "" : "s", domid),
                     [exposures, domid, name = input_.domain_name](Ports& p) {
                       return publish(p.store, domid, name, exposures);
                     });
    step.undo = [items, together, record](Ports& p) -> Result<void> {
      auto where = presence(p, record);
      if (!where) return tl::unexpected(where.error());
      if (*where == Presence::replaced) return {};  // these nodes are another domain's
      auto gone = withdraw(p.store, record.domid, together);
      if (!gone) return tl::unexpected(gone.error());
      for (const auto& it : items)
        it->still_exported = std::find(gone->maybe_exported.begin(), gone->maybe_exported.end(),
                                       it->record.device) != gone->maybe_exported.end();
      return {};
    };

    const bool hot = input_.mode == AttachMode::hot;
    auto& wait = add(hot ? "wait-connected" : "wait-backend",
                     hot ? fmt::format("wait until both ends are connected (at most {} s)",
                                       settings_.connect_limit.count() / 1000)
                         : fmt::format("wait until pciback exports the devices (at most {} s)",
                                       settings_.backend_limit.count() / 1000),
                     [domid](Ports& p) { return watch_channel(p, domid); });
    wait.ready = [record, together, hot](Ports& p) {
      return hot ? connected(p, record, together) : exported(p, record, together);
    };
    wait.limit = hot ? settings_.connect_limit : settings_.backend_limit;
    wait.finish = [domid](Ports& p) { unwatch_channel(p, domid); };
  }

  void record_done(const AttachmentPtr& it) {
    auto& done = add("done", fmt::format("write down that {} is attached", it->record.device.str()),
                     [it](Ports& p) {
                       it->record.phase = Phase::attached;
                       return p.journal.put(it->record);
                     });
    // Before anything is taken back: else an undo that is interrupted would leave an entry behind
    // that looks like a healthy attachment.
    done.undo = [it](Ports& p) {
      it->record.phase = Phase::attaching;
      return p.journal.put(it->record);
    };
  }

  const AttachInput& input_;
  const Settings& settings_;
  std::vector<Sbdf> together_;
  std::vector<AttachmentPtr> items_;
  Plan plan_;
};

}  // namespace

std::string words_for(const Region& region) {
  const auto name = region.index == 6 ? std::string("ROM") : fmt::format("BAR {}", region.index);
  if (region.io)
    return fmt::format("I/O ports {:x}-{:x} ({})", region.start, region.start + region.size - 1,
                       name);
  return fmt::format("I/O memory {:x}-{:x} ({})", region.first_frame(),
                     region.first_frame() + region.frames() - 1, name);
}

Plan build_attach(const AttachInput& input, const Settings& settings) {
  return AttachBuilder(input, settings).build();
}

}  // namespace pciassign::detail
