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

namespace pciassign::detail {
namespace {

/// libxl reads the entries of a list within milliseconds; nothing announces that it has.
constexpr std::chrono::milliseconds kListRead{100}, kListReadLimit{1'000};

/// Everything goes forward: a step that fails is noted, and the later ones still take back what
/// they can. Only the marker and the journal's entry stay then, for another try.
class TakeBackBuilder {
 public:
  TakeBackBuilder(const TakeBackInput& input, const Settings& settings)
      : input_(input), settings_(settings) {
    for (const auto& record : input.records) {
      auto it = std::make_shared<Attachment>();
      it->record = record;
      items_.push_back(it);
      together_.push_back(record.device);
    }
  }

  Plan build() {
    const auto& first = input_.records.front();
    plan_.kind = input_.kind;
    plan_.title = input_.title;
    plan_.domid = first.domid;
    plan_.domain_uuid = first.domain_uuid;
    plan_.domain_name = first.domain_name;
    plan_.devices = together_;
    if (input_.toolstack_reads) hide_nodes();
    for (const auto& it : items_) note_intent(it);
    if (input_.tell_guest) {
      tell_guest();
      make_pciback_let_go();
    } else {
      if (input_.toolstack_reads) wait_for_libxl();
      withdraw_nodes();
    }
    for (const auto& it : items_) {
      revoke_all(it);
      reset_and_quarantine(it);
    }
    if (input_.tell_guest) withdraw_nodes();
    for (const auto& it : items_) forget(it);
    return std::move(plan_);
  }

 private:
  Step& add(std::string id, std::string words, std::function<Result<void>(Ports&)> run) {
    Step& step = append_step(plan_, std::move(id), std::move(words), std::move(run));
    step.keep_going = true;
    return step;
  }

  [[nodiscard]] DomId domid() const { return input_.records.front().domid; }

  void note_intent(const AttachmentPtr& it) {
    add("journal",
        fmt::format("write down that {} leaves domain {}", it->record.device.str(), domid()),
        [it](Ports& p) -> Result<void> {
          auto known = p.journal.find(it->record.device);
          if (!known) return tl::unexpected(known.error());
          if (!*known) return {};  // somebody finished it already
          // "attaching" says already that all goes back, and that a seized device goes home.
          if ((*known)->phase == Phase::attaching) return {};
          it->record.phase = Phase::detaching;
          return p.journal.put(it->record);
        });
  }

  void hide_nodes() {
    hidden_ = std::make_shared<std::optional<Clock::TimePoint>>();
    add("hide", fmt::format("show libxl no devices of domain {}", domid()),
        [id = domid(), together = together_, at = hidden_](Ports& p) -> Result<void> {
          auto hidden = hide(p.store, id, together);
          if (!hidden) return tl::unexpected(hidden.error());
          if (*hidden) *at = p.clock.now();
          return {};
        });
  }

  void wait_for_libxl() {
    auto& step = add("former-list", "let libxl finish with the list that it may have begun to read",
                     [](Ports&) -> Result<void> { return {}; });
    step.ready = [at = hidden_](Ports& p) -> Result<bool> {
      return !*at || p.clock.now() - **at >= kListRead;
    };
    step.limit = kListReadLimit;
    step.ask_again = kListRead;
    step.advisory = true;
  }

  void tell_guest() {
    talk_ = std::make_shared<DetachTalk>(input_.records.front(), together_);
    auto& step = add("tell-guest",
                     fmt::format("tell the guest and wait until it lets go (at most {} s)",
                                 settings_.detach_limit.count() / 1000),
                     [id = domid()](Ports& p) { return watch_channel(p, id); });
    step.ready = [talk = talk_](Ports& p) { return talk->ready(p); };
    step.limit = settings_.detach_limit;
    step.finish = [id = domid()](Ports& p) { unwatch_channel(p, id); };
    step.advisory = true;  // a silent guest does not keep its devices
  }

  /// Wraps what touches the device itself: no effect if it has a new owner already, is another one,
  /// or dom0 drives it: then it was never seized, is home again, or somebody has bound it by hand.
  static Operation if_still_ours(const AttachmentPtr& it, Operation run) {
    return unless_taken(it, unless_lost(it, std::move(run)));
  }

  static Operation unless_taken(AttachmentPtr it, Operation run) {
    return [it = std::move(it), run = std::move(run)](Ports& p) -> Result<void> {
      auto taken = taken_by_other(p, it->record);
      if (!taken) return tl::unexpected(taken.error());
      return *taken ? Result<void>{} : run(p);
    };
  }

  void make_pciback_let_go() {
    for (const auto& it : items_)
      add("let-go",
          fmt::format("make sure that pciback no longer serves {}", it->record.device.str()),
          if_still_ours(it,
                        [it, talk = talk_, together = together_](Ports& p) -> Result<void> {
                          if (talk->released()) return {};
                          auto entries = read_entries(p.store, it->record.domid);
                          if (!entries) return tl::unexpected(entries.error());
                          // With the last device the directory itself goes, which pciback notices.
                          // Beside others, only a change of driver makes it let go of what a silent
                          // guest keeps.
                          const bool last = std::all_of(
                              entries->begin(), entries->end(), [&](const Entry& entry) {
                                return std::find(together.begin(), together.end(), entry.device) !=
                                       together.end();
                              });
                          if (last) return {};
                          auto out = p.pci.unbind_pciback(it->record.device, {});
                          if (!out && !means_gone(out.error())) return out;
                          auto in = p.pci.bind_pciback(it->record.device);
                          if (!in && !means_gone(in.error())) return in;
                          return {};
                        }))
          .slow = true;
  }

  void revoke_all(const AttachmentPtr& it) {
    const auto bdf = it->record.device.str();
    const auto together = together_;
    if (it->record.pirq)
      add("interrupt",
          fmt::format("take back GSI {} (pirq {}) of {}", it->record.gsi.value_or(-1),
                      *it->record.pirq, bdf),
          [it, together](Ports& p) { return unmap_interrupt(p, it->record, together); });
    for (auto at = it->record.regions.rbegin(); at != it->record.regions.rend(); ++at)
      add(at->io ? "ioports" : "iomem", fmt::format("take back {} of {}", words_for(*at), bdf),
          [it, region = *at, together](Ports& p) {
            return revoke(p, it->record, region, together);
          });
  }

  /// Seized for an attach that did not succeed.
  static bool goes_home(const AttachmentRecord& record) {
    return record.phase == Phase::attaching && !record.seized_from.empty();
  }

  void reset_and_quarantine(const AttachmentPtr& it) {
    const auto bdf = it->record.device.str();
    auto& reset = add("reset", fmt::format("reset and verify {}", bdf),
                      if_still_ours(it, [it](Ports& p) -> Result<void> {
                        auto done = reset_and_verify(p, it->record);
                        it->was_reset = done.has_value();
                        if (!done && done.error().kind == ErrorKind::not_found)
                          return {};  // unplugged
                        return done;
                      }));
    reset.slow = true;
    // It stays in quarantine, and the next attach resets and verifies before anyone has it. But
    // dom0, whose memory no IOMMU keeps from it, does not get it as a guest has left it.
    reset.advisory = !goes_home(it->record);
    if (!it->record.iommu) return;
    const Operation take = [it](Ports& p) { return take_from_domain(p, it->record); };
    // With a domain that ends Xen takes the device away by itself.
    const bool lives = input_.tell_guest;
    add("quarantine", fmt::format("move {} from domain {} to quarantine (DOMID_IO)", bdf, domid()),
        unless_taken(it, lives ? unless_lost_by_all(it, take) : unless_lost(it, take)));
  }

  void withdraw_nodes() {
    if (input_.domid_reused) return;
    add("withdraw", fmt::format("remove the devices from xenstore of domain {}", domid()),
        [together = together_, record = input_.records.front()](Ports& p) -> Result<void> {
          auto gone = withdraw(p.store, record.domid, together);
          if (!gone) return tl::unexpected(gone.error());
          return {};
        });
  }

  void forget(const AttachmentPtr& it) {
    const auto bdf = it->record.device.str();
    if (goes_home(it->record)) {
      auto& home =
          add("give-back",
              fmt::format("give {} back to dom0's driver \"{}\"", bdf, it->record.seized_from),
              if_still_ours(it, [it](Ports& p) { return give_back_to_dom0(p, it->record); }));
      home.slow = true;
      home.only_when_clean = true;  // not while the domain may still reach it
    }
    add("unclaim", fmt::format("remove libxl's marker of {}", bdf), [it](Ports& p) {
      return unclaim(p, it->record);
    }).only_when_clean = true;
    add("forget", fmt::format("remove the journal's entry of {}", bdf),
        [it, rested = input_.rested](Ports& p) {
          auto erased = p.journal.erase(it->record.device);
          // With any other policy less than a reset may have been enough.
          const bool required =
              it->record.options.reset == ResetPolicy::required && !it->record.reset_acknowledged;
          if (erased && rested && required && it->was_reset && it->record.iommu &&
              !goes_home(it->record))
            rested(it->record.device);
          return erased;
        })
        .only_when_clean = true;
  }

  const TakeBackInput& input_;
  const Settings& settings_;
  std::vector<AttachmentPtr> items_;
  std::vector<Sbdf> together_;
  std::shared_ptr<DetachTalk> talk_;
  std::shared_ptr<std::optional<Clock::TimePoint>> hidden_;  ///< When, if there was anything.
  Plan plan_;
};

}  // namespace

Plan build_take_back(const TakeBackInput& input, const Settings& settings) {
  return TakeBackBuilder(input, settings).build();
}

}  // namespace pciassign::detail
