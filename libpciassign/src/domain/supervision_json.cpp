// SPDX-License-Identifier: LGPL-2.1-or-later
// The durable state as text. What cannot be read is as if it had never been written: Xen and
// xenstore still say which domain runs.
#include "pciassign/supervision.hpp"

namespace pciassign::supervision {
namespace json = boost::json;
namespace {

using std::chrono::microseconds;

std::int64_t micros(Time when) {
  return std::chrono::duration_cast<microseconds>(when.time_since_epoch()).count();
}
Time moment(std::int64_t value) {
  return Time(microseconds(value));
}

json::object to_json(const Instance& instance) {
  json::object object{{"uuid", instance.uuid},
                      {"since", micros(instance.since)},
                      {"created", instance.created},
                      {"ready", instance.ready},
                      {"promoted", instance.promoted}};
  if (instance.domid) object["domid"] = *instance.domid;
  return object;
}

json::array to_json(const std::vector<Instance>& instances) {
  json::array array;
  for (const Instance& instance : instances) array.push_back(to_json(instance));
  return array;
}

json::object to_json(const Dependent& device) {
  return {{"guest", device.guest},
          {"kind", to_string(device.kind)},
          {"devid", device.devid},
          {"backend", device.backend},
          {"name", device.name}};
}

json::object to_json(const PendingAddition& pending) {
  json::object object{{"former", to_json(pending.former)},
                      {"added", to_json(pending.added)},
                      {"guest_uuid", pending.guest_uuid},
                      {"guest_name", pending.guest_name},
                      {"command", json::array(pending.command.begin(), pending.command.end())},
                      {"began", micros(pending.began)},
                      {"failures", pending.failures},
                      {"error", pending.error}};
  if (pending.next_try) object["next_try"] = micros(*pending.next_try);
  return object;
}

json::object to_json(const RecoveryRecord& record) {
  json::array phases;
  for (const PhaseTime& time : record.phases)
    phases.push_back(
        json::object{{"phase", time.phase}, {"took", time.took.count()}, {"at", time.at.count()}});
  return {{"cause", to_string(record.cause)},   {"standby", record.standby},
          {"result", to_string(record.result)}, {"began_utc", record.began_utc},
          {"began", micros(record.began)},      {"phases", std::move(phases)}};
}

/// Members of an object that may be anything: what has another type is left as it was.
class Reader {
 public:
  explicit Reader(const json::value& value) : object_(value.if_object()) {}
  [[nodiscard]] const json::value* member(std::string_view key) const {
    return object_ == nullptr ? nullptr : object_->if_contains(key);
  }
  void text(std::string_view key, std::string& out) const {
    if (const auto* value = member(key); value != nullptr && value->is_string())
      out = std::string(value->as_string());
  }
  void flag(std::string_view key, bool& out) const {
    if (const auto* value = member(key); value != nullptr && value->is_bool())
      out = value->as_bool();
  }
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view key) const {
    const auto* value = member(key);
    if (value == nullptr || !value->is_int64()) return std::nullopt;
    return value->as_int64();
  }
  [[nodiscard]] json::array array(std::string_view key) const {
    const auto* value = member(key);
    return value != nullptr && value->is_array() ? value->as_array() : json::array{};
  }

 private:
  const json::object* object_;
};

std::optional<Instance> read_instance(const json::value& value) {
  const Reader reader(value);
  Instance instance;
  reader.text("uuid", instance.uuid);
  if (instance.uuid.empty()) return std::nullopt;
  if (const auto domid = reader.number("domid")) instance.domid = static_cast<DomId>(*domid);
  instance.since = moment(reader.number("since").value_or(0));
  reader.flag("created", instance.created);
  reader.flag("ready", instance.ready);
  reader.flag("promoted", instance.promoted);
  return instance;
}

std::optional<Dependent> read_dependent(const json::value* value) {
  if (value == nullptr) return std::nullopt;
  const Reader reader(*value);
  const auto guest = reader.number("guest"), devid = reader.number("devid");
  std::string kind;
  reader.text("kind", kind);
  if (!guest || !devid) return std::nullopt;
  Dependent device;
  device.guest = static_cast<DomId>(*guest);
  device.devid = static_cast<std::uint32_t>(*devid);
  device.backend = static_cast<DomId>(reader.number("backend").value_or(0));
  reader.text("name", device.name);
  for (const DependentKind one : {DependentKind::vif, DependentKind::vbd}) {
    device.kind = one;
    if (to_string(one) == kind) return device;
  }
  return std::nullopt;
}

std::optional<PendingAddition> read_addition(const json::value& value) {
  const Reader reader(value);
  const auto former = read_dependent(reader.member("former"));
  const auto added = read_dependent(reader.member("added"));
  if (!former || !added) return std::nullopt;
  PendingAddition pending;
  pending.former = *former;
  pending.added = *added;
  reader.text("guest_uuid", pending.guest_uuid);
  reader.text("guest_name", pending.guest_name);
  reader.text("error", pending.error);
  for (const json::value& word : reader.array("command"))
    if (word.is_string()) pending.command.emplace_back(word.as_string());
  pending.began = moment(reader.number("began").value_or(0));
  pending.failures = static_cast<unsigned>(reader.number("failures").value_or(0));
  if (const auto when = reader.number("next_try")) pending.next_try = moment(*when);
  return pending;
}

RecoveryRecord read_recovery(const json::value& value) {
  const Reader reader(value);
  RecoveryRecord record;
  std::string cause, result;
  reader.text("cause", cause);
  reader.text("result", result);
  reader.text("began_utc", record.began_utc);
  reader.flag("standby", record.standby);
  record.began = moment(reader.number("began").value_or(0));
  for (const Cause one :
       {Cause::crash, Cause::shutdown, Cause::gone, Cause::hang, Cause::failed, Cause::request})
    if (to_string(one) == cause) record.cause = one;
  for (const RecoveryResult one :
       {RecoveryResult::running, RecoveryResult::done, RecoveryResult::failed})
    if (to_string(one) == result) record.result = one;
  for (const json::value& item : reader.array("phases")) {
    const Reader phase(item);
    PhaseTime time;
    phase.text("phase", time.phase);
    time.took = microseconds(phase.number("took").value_or(0));
    time.at = microseconds(phase.number("at").value_or(0));
    record.phases.push_back(std::move(time));
  }
  return record;
}

}  // namespace

json::object to_json(const State& state, const std::string& boot) {
  json::array failures, recoveries, additions;
  for (const Time when : state.failures) failures.push_back(micros(when));
  for (const RecoveryRecord& record : state.recoveries) recoveries.push_back(to_json(record));
  for (const PendingAddition& pending : state.additions) additions.push_back(to_json(pending));
  json::object object{{"boot", boot},
                      {"wanted", state.wanted},
                      {"given_up", state.given_up},
                      {"message", state.message},
                      {"fenced", to_json(state.fenced)},
                      {"former", to_json(state.former)},
                      {"failures", std::move(failures)},
                      {"recoveries", std::move(recoveries)},
                      {"additions", std::move(additions)}};
  if (state.instance) object["instance"] = to_json(*state.instance);
  if (state.standby) object["standby"] = to_json(*state.standby);
  if (state.next_try) object["next_try"] = micros(*state.next_try);
  return object;
}

json::object history_json(const State& state) {
  json::array recoveries;
  for (const RecoveryRecord& record : state.recoveries) recoveries.push_back(to_json(record));
  return {{"recoveries", std::move(recoveries)}};
}

std::optional<std::string> boot_of(std::string_view text) {
  boost::system::error_code ec;
  const json::value root = json::parse(text, ec);
  if (ec) return std::nullopt;
  const json::value* boot = Reader(root).member("boot");
  if (boot == nullptr || !boot->is_string()) return std::nullopt;
  return std::string(boot->as_string());
}

State read_state(std::string_view text, const std::string& boot, bool autostart) {
  State state;
  state.wanted = autostart;
  boost::system::error_code ec;
  const json::value root = json::parse(text, ec);
  if (ec) return state;
  const Reader reader(root);
  std::string written;
  reader.text("boot", written);
  for (const json::value& item : reader.array("recoveries"))
    state.recoveries.push_back(read_recovery(item));
  // A boot that has no name is like no other: uuids and times of then mean nothing now.
  if (written.empty() || written != boot) {
    for (RecoveryRecord& record : state.recoveries)
      if (record.result == RecoveryResult::running) record.result = RecoveryResult::failed;
    return state;
  }
  reader.flag("wanted", state.wanted);
  reader.flag("given_up", state.given_up);
  reader.text("message", state.message);
  for (const json::value& item : reader.array("failures"))
    if (item.is_int64()) state.failures.push_back(moment(item.as_int64()));
  for (const auto& [key, list] : {std::pair{"fenced", &state.fenced}, {"former", &state.former}})
    for (const json::value& item : reader.array(key))
      if (auto instance = read_instance(item)) list->push_back(std::move(*instance));
  // Without its number nothing can be found of it.
  std::erase_if(state.former, [](const Instance& old) { return !old.domid; });
  if (const auto* value = reader.member("instance")) state.instance = read_instance(*value);
  if (const auto* value = reader.member("standby")) state.standby = read_instance(*value);
  if (const auto when = reader.number("next_try")) state.next_try = moment(*when);
  for (const json::value& item : reader.array("additions"))
    if (auto pending = read_addition(item)) state.additions.push_back(std::move(*pending));
  return state;
}

}  // namespace pciassign::supervision
