// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Dependents of a driver domain: the network and block devices of guests whose back end it runs.
/// Finding them, connecting them to another domain, and what to do where a guest cannot follow.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pciassign/store.hpp"

namespace pciassign {

/// What the device is to the guest.
enum class DependentKind { vif, vbd };
/// "vif" or "vbd", as in xenstore.
std::string_view to_string(DependentKind kind) noexcept;

/// One device of one guest, as the toolstack's own record has it; the record is dom0's alone and
/// outlives the driver domain.
struct Dependent {
  DomId guest = 0;                          ///< Whose device it is.
  DependentKind kind = DependentKind::vif;  ///< Network or block.
  std::uint32_t devid = 0;                  ///< Its number in xenstore.
  DomId backend = 0;                        ///< The domain that the record names.
  std::string name;                         ///< MAC or virtual device ("xvda"); may be empty.
  bool operator==(const Dependent&) const = default;  ///< All fields.
};

/// The devices of all guests whose back end is in one of `backends`, by guest, kind and number. A
/// driver domain that is gone still has its dependents: until they are connected to another one.
Result<std::vector<Dependent>> find_dependents(StoreView& store, const std::set<DomId>& backends);
/// The same device as it is now; empty when the toolstack has removed it.
Result<std::optional<Dependent>> find_dependent(StoreView& store, DomId guest, DependentKind kind,
                                                std::uint32_t devid);

/// How a guest comes to a new back end.
enum class Recovery {
  in_place,        ///< The guest said that it follows: reconnect().
  remove_and_add,  ///< The device is removed and added again: Replacement.
};
/// "in place" or "remove and add".
std::string_view to_string(Recovery recovery) noexcept;
/// What the guest says of itself (data/pciassign/reconnect). A guest that lies harms itself alone.
Result<Recovery> recovery_of(StoreView& store, DomId guest);

/// Both ends of one dependent at one moment.
struct DependentState {
  XenbusState frontend = XenbusState::unknown;  ///< What the guest says.
  XenbusState backend = XenbusState::unknown;   ///< What the driver domain says.
  std::string hotplug_status;                   ///< "connected", "error" or empty.
  std::string hotplug_error;                    ///< The driver domain's words for an error.
  bool means_backend = false;                   ///< The front end's backend-id is that domain.
  /// Both ends say Connected, and mean each other.
  [[nodiscard]] bool connected() const noexcept {
    return means_backend && frontend == XenbusState::connected && backend == XenbusState::connected;
  }
};
/// Of the device and the domain that the record names.
Result<DependentState> state_of(StoreView& store, const Dependent& dependent);
/// Where state_of() looks: the nodes to watch.
std::vector<std::string> watched_paths(const Dependent& dependent);

/// Gives the device its back end in `domain`, in one transaction: the back end's directory is made
/// from the toolstack's record, the front end starts anew, the record follows. The guest's driver
/// has to do the rest (Recovery::in_place), and the driver domain has to be up. Repeating it, also
/// with another domain, is right at any time.
/// not_found: the guest, the domain or the device is gone. busy: the guest writes to its nodes
/// all the time. refused: it has made more of them than a device needs.
Result<void> reconnect(Store& store, const Dependent& dependent, DomId domain);

/// The commands that give a guest another device like the one that it loses. The number (vif) or
/// the virtual device (vbd) is another one: with the former, a late reaction of the guest to the
/// removal would meet the new device.
struct Replacement {
  std::vector<std::string> remove;  ///< xl network-detach or block-detach, with arguments.
  std::vector<std::string> add;     ///< xl network-attach or block-attach, with arguments.
  Dependent added;                  ///< What there is afterwards; `backend` is not known yet.
};
/// From the toolstack's record, which the removal deletes: keep it until the addition is done.
/// `backend` is the driver domain's number: xl would take a name from whoever has it when the
/// command is run. `planned` are other plans' devices, which are not there yet: their numbers are
/// taken. not_found: the device is gone.
Result<Replacement> plan_replacement(StoreView& store, const Dependent& dependent, DomId backend,
                                     const std::vector<Dependent>& planned = {});
/// Replacement::add, for an addition that is kept until another domain serves it.
std::vector<std::string> with_backend(std::vector<std::string> add, DomId backend);

}  // namespace pciassign
