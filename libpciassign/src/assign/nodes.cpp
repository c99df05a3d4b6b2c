// SPDX-License-Identifier: LGPL-2.1-or-later
#include "assign/nodes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace pciassign::detail {
namespace {

/// What libxl and pciback keep for each device.
constexpr std::array<const char*, 7> kPerDevice = {"key",  "dev",   "vdev", "vdevfn",
                                                   "opts", "state", "name"};
/// num_devs is dom0's own, but a damaged value must not become a long loop.
constexpr int kMostDevices = 256;

std::optional<int> number(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  int value = 0;
  const auto end = text->data() + text->size();
  const auto [at, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc{} || at != end) return std::nullopt;
  return value;
}

Result<int> count_of(StoreView& store, const std::string& backend) {
  auto text = store.read(backend + "/num_devs");
  if (!text) return tl::unexpected(text.error());
  return std::clamp(number(*text).value_or(0), 0, kMostDevices);
}

std::string options_text(const AssignOptions& options) {
  return fmt::format("msitranslate={:d},power_mgmt={:d},permissive={:d},rdm_policy={}",
                     options.msitranslate, options.power_mgmt, options.permissive,
                     options.rdm_policy == RdmPolicy::strict ? "strict" : "relaxed");
}

/// Collects the first error of a row of writes.
class Writer {
 public:
  explicit Writer(StoreView& store) : store_(store) {}
  void operator()(const std::string& path, const std::string& value) {
    if (outcome) outcome = store_.write(path, value);
  }
  Result<void> outcome;

 private:
  StoreView& store_;
};

std::string state_text(XenbusState state) {
  return std::to_string(static_cast<int>(state));
}

/// A fresh directory with the permissions that every node below inherits.
Result<void> make_directory(StoreView& store, const std::string& path, const StorePerms& perms) {
  if (auto ok = store.remove(path); !ok) return ok;
  if (auto ok = store.mkdir(path); !ok) return ok;
  return store.set_perms(path, perms);
}

Result<void> create_backend(StoreView& store, DomId domid, const std::string& name) {
  const auto back = backend_path(domid), front = frontend_path(domid);
  if (auto ok = make_directory(store, back, {kDom0, domid}); !ok) return ok;
  if (auto ok = make_directory(store, front, {domid, kDom0}); !ok) return ok;
  Writer write(store);
  write(back + "/frontend", front);
  write(back + "/frontend-id", std::to_string(domid));
  write(back + "/online", "1");
  write(back + "/state", state_text(XenbusState::initialising));
  write(back + "/domain", name);
  write(front + "/backend", back);
  write(front + "/backend-id", "0");
  write(front + "/state", state_text(XenbusState::initialising));
  return write.outcome;
}

Result<void> write_entry(StoreView& store, const std::string& back, int index,
                         const Exposure& exposure) {
  const auto bdf = exposure.device.str();
  Writer write(store);
  write(fmt::format("{}/key-{}", back, index), bdf);
  write(fmt::format("{}/dev-{}", back, index), bdf);
  if (exposure.options.vslot)
    write(fmt::format("{}/vdevfn-{}", back, index),
          fmt::format("{:x}", *exposure.options.vslot << 3 | exposure.device.function));
  write(fmt::format("{}/opts-{}", back, index), options_text(exposure.options));
  write(fmt::format("{}/state-{}", back, index), state_text(XenbusState::initialising));
  return write.outcome;
}

Result<void> publish_in(StoreView& store, DomId domid, const std::string& name,
                        const std::vector<Exposure>& devices) {
  // Without this check the writes would bring a destroyed domain's directory back to life.
  auto home = store.list(fmt::format("/local/domain/{}", domid));
  if (!home) return tl::unexpected(home.error());
  if (home->empty())
    return fail(ErrorKind::not_found, fmt::format("domain {} has gone from xenstore", domid));
  const auto back = backend_path(domid);
  auto listed = read_entries(store, domid);
  if (!listed) return tl::unexpected(listed.error());
  for (const auto& entry : *listed)
    for (const auto& exposure : devices)
      if (entry.device == exposure.device)
        return fail(ErrorKind::busy, fmt::format("xenstore lists {} for domain {} already",
                                                 entry.device.str(), domid));
  auto count = count_of(store, back);
  if (!count) return tl::unexpected(count.error());
  auto state = read_state(store, back + "/state");
  if (!state) return tl::unexpected(state.error());
  if (*count == 0) {
    if (auto ok = create_backend(store, domid, name); !ok) return ok;
  } else if (*state > XenbusState::connected) {
    return fail(ErrorKind::busy,
                fmt::format("the PCI back end of domain {} is busy (state {})", domid,
                            static_cast<int>(*state)),
                "try again when the guest has finished its change");
  }
  int index = *count;
  for (const auto& exposure : devices)
    if (auto ok = write_entry(store, back, index++, exposure); !ok) return ok;
  Writer write(store);
  write(back + "/num_devs", std::to_string(index));
  if (*count > 0 && *state == XenbusState::connected)
    write(back + "/state", state_text(XenbusState::reconfiguring));
  return write.outcome;
}

Result<void> remove_with_empty_parent(StoreView& store, const std::string& path) {
  if (auto ok = store.remove(path); !ok) return ok;
  const auto parent = path.substr(0, path.rfind('/'));
  auto children = store.list(parent);
  if (!children) return tl::unexpected(children.error());
  return children->empty() ? store.remove(parent) : Result<void>{};
}

Result<void> move_entry(StoreView& store, const std::string& back, int from, int to) {
  for (const char* what : kPerDevice) {
    const auto source = fmt::format("{}/{}-{}", back, what, from);
    const auto target = fmt::format("{}/{}-{}", back, what, to);
    auto value = store.read(source);
    if (!value) return tl::unexpected(value.error());
    auto ok = *value ? store.write(target, **value) : store.remove(target);
    if (!ok) return ok;
  }
  return {};
}

Result<void> drop_entry(StoreView& store, const std::string& back, int index) {
  for (const char* what : kPerDevice)
    if (auto ok = store.remove(fmt::format("{}/{}-{}", back, what, index)); !ok) return ok;
  return {};
}

/// The rest stays connected: a reconfiguration that the guest never took up is called off, or the
/// next attach would find the back end busy for ever.
Result<void> call_off(StoreView& store, DomId domid, XenbusState front) {
  const auto back = backend_path(domid) + "/state";
  auto state = read_state(store, back);
  if (!state) return tl::unexpected(state.error());
  if (*state != XenbusState::reconfiguring || front != XenbusState::connected) return {};
  return store.write(back, state_text(XenbusState::connected));
}

/// Touches only what dom0 alone writes: a guest that writes to its nodes all the time would make
/// every transaction that looks at them conflict, and keep its devices listed for ever.
Result<void> withdraw_in(StoreView& store, DomId domid, const std::vector<Sbdf>& devices,
                         XenbusState front, Withdrawn& result, bool& none_left) {
  result = {};
  none_left = false;
  const auto back = backend_path(domid);
  auto listed = read_entries(store, domid);
  if (!listed) return tl::unexpected(listed.error());
  auto count = count_of(store, back);
  if (!count) return tl::unexpected(count.error());
  const auto ours = [&](const Entry& entry) {
    return std::find(devices.begin(), devices.end(), entry.device) != devices.end();
  };
  std::vector<Entry> rest, gone;
  std::partition_copy(listed->begin(), listed->end(), std::back_inserter(gone),
                      std::back_inserter(rest), ours);
  if (gone.empty() && !rest.empty()) return {};
  if (rest.empty()) {
    none_left = true;
    return remove_with_empty_parent(store, back);
  }
  for (const auto& entry : gone)
    if (entry.state != XenbusState::initialising) result.maybe_exported.push_back(entry.device);
  int next = 0;
  for (const auto& entry : rest) {
    if (entry.index != next)
      if (auto ok = move_entry(store, back, entry.index, next); !ok) return ok;
    ++next;
  }
  for (int index = next; index < *count; ++index)
    if (auto ok = drop_entry(store, back, index); !ok) return ok;
  if (auto ok = store.write(back + "/num_devs", std::to_string(next)); !ok) return ok;
  return call_off(store, domid, front);
}

}  // namespace

std::string backend_path(DomId domid) {
  return fmt::format("/local/domain/0/backend/pci/{}/0", domid);
}
std::string frontend_path(DomId domid) {
  return fmt::format("/local/domain/{}/device/pci/0", domid);
}

Result<XenbusState> read_state(StoreView& store, const std::string& path) {
  auto text = store.read(path);
  if (!text) return tl::unexpected(text.error());
  const int value = number(*text).value_or(0);
  if (value < 0 || value > 8) return XenbusState::unknown;
  return static_cast<XenbusState>(value);
}

Result<std::vector<Entry>> read_entries(StoreView& store, DomId domid) {
  const auto back = backend_path(domid);
  auto count = count_of(store, back);
  if (!count) return tl::unexpected(count.error());
  std::vector<Entry> entries;
  for (int index = 0; index < *count; ++index) {
    auto dev = store.read(fmt::format("{}/dev-{}", back, index));
    if (!dev) return tl::unexpected(dev.error());
    // xl may be at work in between: an entry that is missing is none.
    auto device = *dev ? Sbdf::parse(**dev) : Result<Sbdf>(tl::unexpected(Error{}));
    if (!device) continue;
    auto state = read_state(store, fmt::format("{}/state-{}", back, index));
    if (!state) return tl::unexpected(state.error());
    auto vdev = store.read(fmt::format("{}/vdev-{}", back, index));
    if (!vdev) return tl::unexpected(vdev.error());
    entries.push_back({index, *device, *state, vdev->value_or("")});
  }
  return entries;
}

Result<void> publish(Store& store, DomId domid, const std::string& domain_name,
                     const std::vector<Exposure>& devices) {
  return store.transaction(
      [&](StoreView& view) { return publish_in(view, domid, domain_name, devices); });
}

Result<bool> hide(Store& store, DomId domid, const std::vector<Sbdf>& devices) {
  bool hidden = false;
  auto done = store.transaction([&](StoreView& view) -> Result<void> {
    hidden = false;
    auto listed = read_entries(view, domid);
    if (!listed) return tl::unexpected(listed.error());
    if (listed->empty() || std::any_of(listed->begin(), listed->end(), [&](const Entry& entry) {
          return std::find(devices.begin(), devices.end(), entry.device) == devices.end();
        }))
      return {};
    hidden = true;
    return view.write(backend_path(domid) + "/num_devs", "0");
  });
  if (!done) return tl::unexpected(done.error());
  return hidden;
}

Result<Withdrawn> withdraw(Store& store, DomId domid, const std::vector<Sbdf>& devices) {
  Withdrawn result;
  bool none_left = false;
  auto front = read_state(store, frontend_path(domid) + "/state");
  if (!front) return tl::unexpected(front.error());
  auto done = store.transaction([&](StoreView& view) {
    return withdraw_in(view, domid, devices, *front, result, none_left);
  });
  if (done && none_left) done = remove_with_empty_parent(store, frontend_path(domid));
  if (!done) return tl::unexpected(done.error());
  return result;
}

}  // namespace pciassign::detail
