// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The decisions of a supervisor of one driver domain, without doing anything: from its durable
/// state, what is seen of the world, and the time, to what is to be done next. Level-triggered: a
/// new process with the same durable state goes on where the former one ended.
#pragma once
#include <boost/json.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "pciassign/config_domains.hpp"
#include "pciassign/dependents.hpp"
#include "pciassign/hypervisor.hpp"
#include "pciassign/plan.hpp"
#include "pciassign/rpc_domains.hpp"

namespace pciassign::supervision {

using Time = Clock::TimePoint;

/// One life of a domain, by the uuid that it was created with: a number is used again.
struct Instance {
  std::string uuid;
  std::optional<DomId> domid;  ///< Once it was seen.
  Time since{};                ///< When its creation, or its promotion, began.
  bool created = false;        ///< xl said so, or it was seen to run.
  bool ready = false;          ///< Its agent said so once.
  bool promoted = false;       ///< It was the standby.
};

enum class Cause { crash, shutdown, gone, hang, failed, request };
std::string_view to_string(Cause cause) noexcept;

struct PhaseTime {
  std::string phase;
  std::chrono::microseconds took{0}, at{0};  ///< `at`: since the recovery began.
};
enum class RecoveryResult { running, done, failed };
std::string_view to_string(RecoveryResult result) noexcept;
struct RecoveryRecord {
  Cause cause = Cause::crash;
  bool standby = false;
  RecoveryResult result = RecoveryResult::running;
  std::string began_utc;
  Time began{};
  std::vector<PhaseTime> phases;
  [[nodiscard]] bool has(std::string_view phase) const;
};

/// The addition of a device whose former self is removed first: meanwhile it is nowhere but here.
/// The toolstack's record says how far that has come: with the former number the device is not
/// removed yet, with the new one it is added.
struct PendingAddition {
  Dependent former, added;
  std::string guest_uuid, guest_name;
  std::vector<std::string> command;  ///< Replacement::add.
  Time began{};
  unsigned failures = 0;  ///< Of the command.
  std::string error;      ///< Of the last one.
  std::optional<Time> next_try;
};

/// What outlives the process. Times are of the monotonic clock: the state of another boot is only
/// good for what is wanted.
struct State {
  bool wanted = true;  ///< It is to run.
  bool given_up = false;
  std::optional<Instance> instance, standby;
  std::vector<Instance> fenced;  ///< To be destroyed.
  std::vector<Instance> former;  ///< Whose dependents are to come to the present instance.
  std::vector<Time> failures;    ///< Within the window.
  std::optional<Time> next_try;
  std::string message;                     ///< Of the last failure.
  std::vector<RecoveryRecord> recoveries;  ///< The last ones, in their order.
  std::vector<PendingAddition> additions;
};
boost::json::object to_json(const State& state, const std::string& boot);
/// What of it outlasts a boot: how the recoveries went.
boost::json::object history_json(const State& state);
/// The boot of which such a text tells; empty: it tells of none.
std::optional<std::string> boot_of(std::string_view text);
/// Of another boot: what is wanted, and how the recoveries went.
State read_state(std::string_view text, const std::string& boot, bool autostart);

/// One domain as it is.
struct DomainFacts {
  DomainInfo info;
  std::string name;
  std::string agent, agent_message;  ///< What its agent says.
  bool holds_devices = false;        ///< By the journal they are still its.
  bool has_devices = false;          ///< By the journal an attachment is complete.
  std::string attach_error;          ///< Why it has not got its devices yet.
};
struct DependentFacts {
  Dependent dependent;
  DependentState state;
  Recovery recovery = Recovery::in_place;
  bool traffic = false;  ///< The agent has seen a packet or a request of it.
  /// Where that is its recovery and it is elsewhere. No two devices have the same number.
  std::optional<Replacement> replacement;
  std::string guest_name;
};
/// A living domain with the driver domain's name that the state knows nothing of.
struct Namesake {
  std::string uuid;
  DomId domid = 0;
  /// What its agent says. One that speaks was made from our file, by hand; any other domain is
  /// somebody else's, whatever it is called.
  std::string agent;
};
struct Facts {
  Time now{};
  Time noticed{};                              ///< When the event was read that led to this look.
  std::string utc;                             ///< The time of day, for records.
  std::map<DomId, std::string> all;            ///< Every domain's uuid.
  std::map<std::string, DomainFacts> domains;  ///< By uuid: those that the state tells of.
  /// Looked for while there is no instance, or while it has not the name that it should have.
  std::optional<Namesake> namesake;
  bool namesake_looked_for = false;
  std::vector<DependentFacts> dependents;
  bool dependents_seen = false;  ///< They were looked for, and all were found.
  /// Nobody can have got another one since they were looked for.
  bool dependents_complete = true;

  [[nodiscard]] bool lists(const Dependent& device) const;
};

/// What is to be done; everything is right to be done twice. A number is another domain's when the
/// domain that had it is gone: whoever acts compares the uuid directly before, and where it differs
/// there is nothing left to do.
struct Rename {
  std::string uuid;
  DomId domid;
  std::string name;
  bool dead = false;  ///< It is to be gone; its name is free.
};
struct Create {
  std::string uuid;
  bool standby;
};
struct Destroy {
  std::string uuid;
  DomId domid;
};
/// Pause it and take its devices back: it lives, but must not go on.
struct Fence {
  std::string uuid;
  DomId domid;
};
struct ShutDown {
  std::string uuid;
  DomId domid;
};
/// To a standby that has become the instance, or to a domain that was made by hand.
struct GiveDevices {
  std::string uuid;
  DomId domid;
};
struct Reconnect {
  Dependent dependent;
  DomId domid;
};
/// The commands of a Replacement. Remove: only when the state is saved, which has the addition.
struct Remove {
  Dependent former;
  std::vector<std::string> command;
};
struct Add {
  Dependent former;
  std::vector<std::string> command;
};
/// For the log, for those who watch, and for the metrics.
struct Told {
  enum class What {
    began,
    phase,
    ready,
    recovered,
    recovery_failed,
    stopped,
    failed,
    backs_off,
    gave_up,
    blocked,
    dependent_failed
  };
  What what;
  std::string words;
  std::string phase;  ///< With phase.
  std::chrono::microseconds took{0};
};
using Action = std::variant<Rename, Create, Destroy, Fence, ShutDown, GiveDevices, Reconnect,
                            Remove, Add, Told>;

class Supervision {
 public:
  Supervision(config::DriverDomain config, State state, std::function<std::string()> new_uuid);

  void set_config(config::DriverDomain config) { config_ = std::move(config); }
  [[nodiscard]] const config::DriverDomain& config() const { return config_; }
  [[nodiscard]] const State& state() const { return state_; }

  /// Compares, and says what to do. To be called again after each action's end and each event.
  std::vector<Action> step(const Facts& facts);
  /// When step() is to be called at the latest.
  [[nodiscard]] std::optional<Time> wake() const { return wake_; }

  // What becomes of actions, and what is asked for; step() follows each.
  void created(const std::string& uuid, const std::optional<Error>& error, Time now);
  void destroyed(const std::string& uuid, const std::optional<Error>& error, Time now);
  void fenced(DomId domid, const std::optional<Error>& error, Time now);
  /// The instance's devices are its own from now on, although its kernel has not found them yet.
  /// True: step() has to look at it.
  bool exposed(DomId domid);
  /// The end of a plan that gave the instance its devices.
  void given(DomId domid, const std::optional<Error>& error);
  void removed(const Dependent& former, const std::optional<Error>& error);
  void added(const Dependent& former, const std::optional<Error>& error, Time now);
  /// A domain's agent beat. True: for the first time, so that step() has to look at it.
  bool heard(DomId domid, Time now);
  /// A toolstack takes a device from a domain that lives. True: it is our instance, which is at its
  /// end then; whoever asks pauses it, so that its guests get no errors from a disk that goes.
  bool loses_device(DomId domid);
  /// The device of a former instance was reset, and is free.
  void taken_back(DomId domid, std::chrono::microseconds reset, Time now);
  void start(Time now);
  void stop(Time now);
  void recover(Time now);

  /// Whether step() needs the dependents among the facts.
  [[nodiscard]] bool needs_dependents() const;
  /// Whether there is an agent that serves them.
  [[nodiscard]] bool can_connect(const Facts& facts) const;
  /// The domains that facts are needed of, by uuid.
  [[nodiscard]] std::vector<std::string> uuids() const;
  [[nodiscard]] std::string state_word() const;
  /// While a domain that is not ours has the name: which one, and what to do. Else empty.
  [[nodiscard]] std::string blocked_by() const;
  [[nodiscard]] rpc::DriverDomainView view(const Facts& facts) const;

 private:
  struct Silence {
    Time since{}, looked{};
  };
  struct Move {
    DomId to = 0;
    Time began{};
    bool failed = false, connected = false;
  };
  /// A removal or an addition that this process began.
  struct Command {
    DomId instance = 0;  ///< The one that it was begun for.
    bool adds = false, running = true;
    std::string error;
  };
  /// A guest that has not followed by then is told of, and the recovery is over without it. Its
  /// nodes stay as they are: a guest that was paused follows when it runs again, while removing the
  /// device of one that said that it follows would take its mounted file systems away.
  static constexpr std::chrono::seconds kMoveLimit{20};
  using Key = std::tuple<DomId, DependentKind, std::uint32_t>;
  static Key key_of(const Dependent& dependent) {
    return {dependent.guest, dependent.kind, dependent.devid};
  }

  void look_at_fenced(const Facts& facts);
  [[nodiscard]] bool destruction_waits(const Facts& facts);
  bool guests_come_first(Time now);
  void look_at_namesake(const Facts& facts);
  void look_at_instance(const Facts& facts);
  void look_at_agent(const DomainFacts& domain, const Facts& facts);
  void look_at_standby(const Facts& facts);
  void begin_standby(const Facts& facts);
  void look_at_dependents(const Facts& facts);
  void look_at_additions(const Facts& facts);
  bool addition_is_over(const PendingAddition& pending, const Facts& facts);
  void begin_replacement(const DependentFacts& one, const Facts& facts);
  void forget_additions_of_guests_that_are_gone(const Facts& facts);
  PendingAddition* pending_of(const Dependent& former);
  void begin_what_is_missing(const Facts& facts);
  void end_recovery(const Facts& facts);
  [[nodiscard]] bool hangs(const DomainFacts& domain, Time now);
  [[nodiscard]] bool standby_is_good(const Facts& facts);

  void fail(Cause cause, std::string words, const Facts& facts);
  void retire(const Instance& instance);
  void begin_recovery(Cause cause, const Facts& facts);
  void close_recovery(RecoveryResult result);
  void promote(const Facts& facts);
  void create(bool standby, const Facts& facts);
  void become_ready(const Facts& facts);
  void note_phase(std::string_view phase, std::chrono::microseconds took,
                  std::chrono::microseconds at);
  void phase_over(std::string_view phase, Time from, Time now);
  RecoveryRecord* recovery();
  [[nodiscard]] const RecoveryRecord* recovery() const;
  void wake_at(Time when);
  void tell(Told::What what, std::string words);
  void prune_failures(Time now);

  config::DriverDomain config_;
  State state_;
  std::function<std::string()> new_uuid_;
  Time now_{};  ///< Of the present look.
  std::vector<Action> actions_;
  std::optional<Time> wake_;

  // Of this process alone.
  std::map<std::string, Time> creating_, destroying_;  ///< By uuid: xl runs.
  std::map<std::string, Time> destroy_again_;
  std::map<DomId, Time> fencing_;  ///< The end: a time to try again.
  std::map<DomId, Silence> silence_;
  std::map<Key, Move> moves_;
  std::map<Key, Command> commands_;  ///< Of `State::additions`, by the former device.
  std::optional<Time> shut_down_since_, standby_again_, packet_until_;
  std::map<std::string, Error> create_errors_;
  std::optional<Error> given_error_;
  std::optional<Namesake> in_the_way_;  ///< Of a creation.
  std::optional<DomId> exposed_;        ///< To whom the devices are shown.
  std::optional<DomId> robbed_;         ///< Of a device, by a toolstack.
  std::optional<Time> room_wait_;       ///< The creation waits until the former domain is gone.
  unsigned standby_failures_ = 0;
  bool asked_ = false;       ///< To recover.
  std::vector<Told> notes_;  ///< What the next look tells first.
};

}  // namespace pciassign::supervision
