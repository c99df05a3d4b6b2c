// SPDX-License-Identifier: LGPL-2.1-or-later
// Dependents as the toolstack's record has them, what their guests can do, and both ends' states.
#include "pciassign/dependents.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "domain/record.hpp"

namespace pciassign {
namespace detail {

std::string record_path(const Dependent& dependent) {
  return fmt::format("/libxl/{}/device/{}/{}", dependent.guest, to_string(dependent.kind),
                     dependent.devid);
}
std::string front_path(const Dependent& dependent) {
  return fmt::format("/local/domain/{}/device/{}/{}", dependent.guest, to_string(dependent.kind),
                     dependent.devid);
}
std::string back_path(const Dependent& dependent, DomId domain) {
  return fmt::format("/local/domain/{}/backend/{}/{}/{}", domain, to_string(dependent.kind),
                     dependent.guest, dependent.devid);
}

Result<std::map<std::string, std::string>> read_record(StoreView& store,
                                                       const Dependent& dependent) {
  const auto path = record_path(dependent);
  auto names = store.list(path);
  if (!names) return tl::unexpected(names.error());
  std::map<std::string, std::string> record;
  for (const auto& name : *names) {
    auto value = store.read(path + "/" + name);
    if (!value) return tl::unexpected(value.error());
    if (*value) record[name] = **value;
  }
  return record;
}

std::optional<Dependent> dependent_of(DomId guest, DependentKind kind, std::uint32_t devid,
                                      const std::map<std::string, std::string>& record) {
  Dependent dependent{guest, kind, devid, 0, {}};
  const auto backend = record.find("backend");
  if (backend == record.end()) return std::nullopt;
  // Only a path of libxl's own form: a vbd may also be served by QEMU, which is another kind there.
  constexpr std::string_view kRoot = "/local/domain/";
  const std::string_view path = backend->second;
  if (!path.starts_with(kRoot)) return std::nullopt;
  const auto domid =
      whole_number<DomId>(path.substr(kRoot.size(), path.find('/', kRoot.size()) - kRoot.size()));
  if (!domid || path != back_path(dependent, *domid)) return std::nullopt;
  dependent.backend = *domid;
  const auto name = record.find(kind == DependentKind::vif ? "mac" : "dev");
  if (name != record.end()) dependent.name = name->second;
  return dependent;
}

}  // namespace detail

namespace {

/// The children of a directory that are numbers.
Result<std::vector<std::uint32_t>> numbers_in(StoreView& store, const std::string& path) {
  auto names = store.list(path);
  if (!names) return tl::unexpected(names.error());
  std::vector<std::uint32_t> numbers;
  for (const auto& name : *names)
    if (const auto number = detail::whole_number<std::uint32_t>(name)) numbers.push_back(*number);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<XenbusState> read_state(StoreView& store, const std::string& path) {
  auto text = store.read(path);
  if (!text) return tl::unexpected(text.error());
  const int value = *text ? detail::whole_number<int>(**text).value_or(0) : 0;
  if (value < 0 || value > static_cast<int>(XenbusState::reconfigured)) return XenbusState::unknown;
  return static_cast<XenbusState>(value);
}

}  // namespace

std::string_view to_string(DependentKind kind) noexcept {
  return kind == DependentKind::vif ? "vif" : "vbd";
}

std::string_view to_string(Recovery recovery) noexcept {
  return recovery == Recovery::in_place ? "in place" : "remove and add";
}

Result<std::optional<Dependent>> find_dependent(StoreView& store, DomId guest, DependentKind kind,
                                                std::uint32_t devid) {
  const auto path = detail::record_path({guest, kind, devid, 0, {}});
  std::map<std::string, std::string> record;
  for (const char* node : {"backend", kind == DependentKind::vif ? "mac" : "dev"}) {
    auto value = store.read(fmt::format("{}/{}", path, node));
    if (!value) return tl::unexpected(value.error());
    if (*value) record[node] = **value;
  }
  return detail::dependent_of(guest, kind, devid, record);
}

Result<std::vector<Dependent>> find_dependents(StoreView& store, const std::set<DomId>& backends) {
  auto guests = numbers_in(store, "/libxl");
  if (!guests) return tl::unexpected(guests.error());
  std::vector<Dependent> found;
  for (const auto guest : *guests) {
    for (const auto kind : {DependentKind::vif, DependentKind::vbd}) {
      auto devids = numbers_in(store, fmt::format("/libxl/{}/device/{}", guest, to_string(kind)));
      if (!devids) return tl::unexpected(devids.error());
      for (const auto devid : *devids) {
        auto dependent = find_dependent(store, guest, kind, devid);
        if (!dependent) return tl::unexpected(dependent.error());
        if (*dependent && backends.contains((*dependent)->backend)) found.push_back(**dependent);
      }
    }
  }
  return found;
}

Result<Recovery> recovery_of(StoreView& store, DomId guest) {
  auto says = store.read(fmt::format("/local/domain/{}/data/pciassign/reconnect", guest));
  if (!says) return tl::unexpected(says.error());
  // "kernel": its xenbus would find the device anew, which keeps neither addresses nor mounts.
  return *says && **says == "1" ? Recovery::in_place : Recovery::remove_and_add;
}

std::vector<std::string> watched_paths(const Dependent& dependent) {
  const auto back = detail::back_path(dependent, dependent.backend);
  return {detail::front_path(dependent) + "/state", back + "/state", back + "/hotplug-status"};
}

Result<DependentState> state_of(StoreView& store, const Dependent& dependent) {
  const auto front = detail::front_path(dependent);
  const auto back = detail::back_path(dependent, dependent.backend);
  DependentState state;
  auto frontend = read_state(store, front + "/state");
  if (!frontend) return tl::unexpected(frontend.error());
  state.frontend = *frontend;
  auto backend = read_state(store, back + "/state");
  if (!backend) return tl::unexpected(backend.error());
  state.backend = *backend;
  auto means = store.read(front + "/backend-id");
  if (!means) return tl::unexpected(means.error());
  state.means_backend = *means && detail::whole_number<DomId>(**means) == dependent.backend;
  for (const auto& [node, text] : {std::pair{"/hotplug-status", &state.hotplug_status},
                                   std::pair{"/hotplug-error", &state.hotplug_error}}) {
    auto value = store.read(back + node);
    if (!value) return tl::unexpected(value.error());
    *text = value->value_or("");
  }
  return state;
}

}  // namespace pciassign
