// SPDX-License-Identifier: LGPL-2.1-or-later
#include "assign/claim.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "assign/actions.hpp"
#include "assign/nodes.hpp"

namespace pciassign::detail {
namespace {

constexpr const char* kRoot = "/libxl/pci";
constexpr const char* kDriverRoot = "/sys/bus/pci/drivers/";
/// Our own node in libxl's directory: uuid and number of the domain that holds the device through
/// us. Where the number differs from libxl's node, xl has written over our mark since.
constexpr const char* kOurs = "/pciassign";
constexpr const char* kChanging = "/pciassign-changing";

std::string mark_of(const std::string& uuid, DomId domid) {
  return fmt::format("{} {}", uuid, domid);
}

std::string directory(const Sbdf& device) {
  return fmt::format("{}/{}", kRoot, device.libxl_key());
}

/// Those that have a directory there; what is not named as a device is somebody else's.
Result<std::vector<Sbdf>> devices_in(StoreView& store) {
  auto keys = store.list(kRoot);
  if (!keys) return tl::unexpected(keys.error());
  std::vector<Sbdf> devices;
  for (const auto& key : *keys)
    if (const auto device = Sbdf::from_libxl_key(key)) devices.push_back(*device);
  return devices;
}

std::optional<DomId> number(const std::string& text) {
  DomId value = 0;
  const auto end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || at != end) return std::nullopt;
  return value;
}

Result<void> remove_if_empty(StoreView& store, const std::string& path) {
  auto children = store.list(path);
  if (!children) return tl::unexpected(children.error());
  return children->empty() ? store.remove(path) : Result<void>{};
}

}  // namespace

Result<std::vector<Marker>> read_markers(StoreView& store) {
  auto devices = devices_in(store);
  if (!devices) return tl::unexpected(devices.error());
  std::vector<Marker> markers;
  for (const auto& device : *devices) {
    auto value = store.read(directory(device) + "/domid");
    if (!value) return tl::unexpected(value.error());
    const auto domid = *value ? number(**value) : std::nullopt;
    if (!domid) continue;
    auto ours = store.read(directory(device) + kOurs);
    if (!ours) return tl::unexpected(ours.error());
    markers.push_back({device, *domid, ours->has_value()});
  }
  return markers;
}

Result<bool> is_stale(Ports& ports, const Sbdf& device, DomId marked) {
  auto info = ports.xen.domain(marked);
  if (!info && info.error().kind == ErrorKind::not_found) return true;
  if (!info) return tl::unexpected(info.error());
  auto ours = ports.store.read(directory(device) + kOurs);
  if (!ours) return tl::unexpected(ours.error());
  const auto now = mark_of(info->uuid_str(), marked);
  const auto number_at = now.rfind(' ');
  const bool for_that_number =
      *ours && (*ours)->size() == now.size() && (*ours)->substr(number_at) == now.substr(number_at);
  if (!for_that_number || **ours == now) return false;
  // xl may have written over it for the new domain of that number.
  auto entries = read_entries(ports.store, marked);
  if (!entries) return tl::unexpected(entries.error());
  return std::none_of(entries->begin(), entries->end(),
                      [&](const Entry& entry) { return entry.device == device; });
}

Result<bool> is_claimed(StoreView& store, const AttachmentRecord& record) {
  auto ours = store.read(directory(record.device) + kOurs);
  if (!ours) return tl::unexpected(ours.error());
  return *ours == mark_of(record.domain_uuid, record.domid);
}

Result<bool> is_claimed(StoreView& store, const Sbdf& device) {
  auto ours = store.read(directory(device) + kOurs);
  if (!ours) return tl::unexpected(ours.error());
  return ours->has_value();
}

Result<bool> has_claim(StoreView& store, const std::string& uuid) {
  auto devices = devices_in(store);
  if (!devices) return tl::unexpected(devices.error());
  for (const auto& device : *devices) {
    auto ours = store.read(directory(device) + kOurs);
    if (!ours) return tl::unexpected(ours.error());
    if (*ours && (*ours)->starts_with(uuid + " ")) return true;
  }
  return false;
}

Result<void> claim(Ports& ports, const AttachmentRecord& record) {
  const auto base = directory(record.device);
  std::optional<std::string> stale;
  auto before = ports.store.read(base + "/domid");
  if (!before) return tl::unexpected(before.error());
  if (const auto holder = *before ? number(**before) : std::nullopt) {
    auto left = is_stale(ports, record.device, *holder);
    if (!left) return tl::unexpected(left.error());
    if (*left) stale = **before;
  }
  return ports.store.transaction([&](StoreView& view) -> Result<void> {
    auto holder = view.read(base + "/domid");
    if (!holder) return tl::unexpected(holder.error());
    if (*holder && *holder != stale)
      return fail(ErrorKind::busy,
                  fmt::format("{} belongs to domain {} already", record.device.str(), **holder),
                  fmt::format("detach it there first: `pciassign detach {} {}`", **holder,
                              record.device.str()),
                  "E-OWNED");
    if (auto ok = view.write(base + "/domid", std::to_string(record.domid)); !ok) return ok;
    return view.write(base + kOurs, mark_of(record.domain_uuid, record.domid));
  });
}

Result<bool> taken_by_other(Ports& ports, const AttachmentRecord& record) {
  auto holder = ports.store.read(directory(record.device) + "/domid");
  if (!holder) return tl::unexpected(holder.error());
  const auto domid = *holder ? number(**holder) : std::nullopt;
  if (!domid) return false;
  auto left = is_stale(ports, record.device, *domid);
  if (!left) return tl::unexpected(left.error());
  if (*left) return false;
  if (*domid != record.domid) return true;
  auto info = ports.xen.domain(*domid);
  if (!info && info.error().kind == ErrorKind::not_found) return false;
  if (!info) return tl::unexpected(info.error());
  // The same number, but another domain, which has it without us.
  return info->uuid_str() != record.domain_uuid;
}

Result<void> unclaim(Ports& ports, const AttachmentRecord& record) {
  const auto base = directory(record.device);
  return ports.store.transaction([&](StoreView& view) -> Result<void> {
    auto ours = view.read(base + kOurs);
    if (!ours) return tl::unexpected(ours.error());
    if (!*ours || **ours != mark_of(record.domain_uuid, record.domid)) return {};
    auto holder = view.read(base + "/domid");
    if (!holder) return tl::unexpected(holder.error());
    if (*holder && **holder == std::to_string(record.domid))
      if (auto ok = view.remove(base + "/domid"); !ok) return ok;
    if (auto ok = view.remove(base + kOurs); !ok) return ok;
    return remove_if_empty(view, base);
  });
}

Result<std::string> remembered_driver(StoreView& store, const Sbdf& device) {
  auto path = store.read(directory(device) + "/driver_path");
  if (!path) return tl::unexpected(path.error());
  if (!*path) return std::string{};
  return (*path)->substr((*path)->rfind('/') + 1);
}

Result<void> mark_change(Store& store, const Sbdf& device, const std::string& driver) {
  const auto base = directory(device);
  return store.transaction([&](StoreView& view) -> Result<void> {
    if (!driver.empty())
      if (auto ok = view.write(base + "/driver_path", kDriverRoot + driver); !ok) return ok;
    return view.write(base + kChanging, "1");
  });
}

Result<void> unmark_change(Store& store, const Sbdf& device) {
  const auto base = directory(device);
  return store.transaction([&](StoreView& view) -> Result<void> {
    if (auto ok = view.remove(base + kChanging); !ok) return ok;
    return remove_if_empty(view, base);
  });
}

Result<void> forget_change(Store& store, const Sbdf& device) {
  const auto base = directory(device);
  return store.transaction([&](StoreView& view) -> Result<void> {
    for (const char* node : {"/driver_path", kChanging})
      if (auto ok = view.remove(base + node); !ok) return ok;
    return remove_if_empty(view, base);
  });
}

Result<std::vector<Sbdf>> marked_changes(StoreView& store) {
  auto devices = devices_in(store);
  if (!devices) return tl::unexpected(devices.error());
  std::vector<Sbdf> marked;
  for (const auto& device : *devices) {
    auto value = store.read(directory(device) + kChanging);
    if (!value) return tl::unexpected(value.error());
    if (*value) marked.push_back(device);
  }
  return marked;
}

Result<std::optional<Sbdf>> device_named(StoreView& store, const std::string& name) {
  auto devices = devices_in(store);
  if (!devices) return tl::unexpected(devices.error());
  for (const auto& device : *devices) {
    auto value = store.read(directory(device) + "/name");
    if (!value) return tl::unexpected(value.error());
    if (*value && **value == name) return device;
  }
  return std::nullopt;
}

}  // namespace pciassign::detail
