// SPDX-License-Identifier: LGPL-2.1-or-later
#include "assign/claim.hpp"

#include <fmt/format.h>

#include <charconv>

#include "assign/actions.hpp"

namespace pciassign::detail {
namespace {

constexpr const char* kRoot = "/libxl/pci";
constexpr const char* kDriverRoot = "/sys/bus/pci/drivers/";
/// Our own node in libxl's directory: the uuid of the domain that holds the device through us.
constexpr const char* kOurs = "/pciassign";

std::string directory(const Sbdf& device) {
  return fmt::format("{}/{}", kRoot, device.libxl_key());
}

std::optional<Sbdf> device_of(std::string key) {
  // dddd-bb-dd-f
  if (key.size() != 12 || key[4] != '-' || key[7] != '-' || key[10] != '-') return std::nullopt;
  key[4] = key[7] = ':';
  key[10] = '.';
  auto device = Sbdf::parse(key);
  if (!device) return std::nullopt;
  return *device;
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
  auto keys = store.list(kRoot);
  if (!keys) return tl::unexpected(keys.error());
  std::vector<Marker> markers;
  for (const auto& key : *keys) {
    const auto device = device_of(key);
    if (!device) continue;
    auto value = store.read(directory(*device) + "/domid");
    if (!value) return tl::unexpected(value.error());
    const auto domid = *value ? number(**value) : std::nullopt;
    if (!domid) continue;
    auto ours = store.read(directory(*device) + kOurs);
    if (!ours) return tl::unexpected(ours.error());
    markers.push_back({*device, *domid, ours->has_value()});
  }
  return markers;
}

Result<void> claim(Ports& ports, const AttachmentRecord& record) {
  const auto base = directory(record.device);
  // A marker that a destroyed domain left is nobody's.
  std::optional<std::string> stale;
  auto before = ports.store.read(base + "/domid");
  if (!before) return tl::unexpected(before.error());
  if (*before) {
    const auto holder = number(**before);
    auto info = holder ? ports.xen.domain(*holder) : Result<DomainInfo>(DomainInfo{});
    if (!info && info.error().kind == ErrorKind::not_found) stale = **before;
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
    return view.write(base + kOurs, record.domain_uuid);
  });
}

Result<bool> taken_by_other(Ports& ports, const AttachmentRecord& record) {
  auto holder = ports.store.read(directory(record.device) + "/domid");
  if (!holder) return tl::unexpected(holder.error());
  const auto domid = *holder ? number(**holder) : std::nullopt;
  if (!domid) return false;
  auto info = ports.xen.domain(*domid);
  if (!info && info.error().kind == ErrorKind::not_found) return false;
  if (!info) return tl::unexpected(info.error());
  if (*domid != record.domid) return true;
  // The same number, but another domain, which has it without us.
  return info->uuid_str() != record.domain_uuid;
}

Result<void> unclaim(Ports& ports, const AttachmentRecord& record) {
  const auto base = directory(record.device);
  return ports.store.transaction([&](StoreView& view) -> Result<void> {
    auto ours = view.read(base + kOurs);
    if (!ours) return tl::unexpected(ours.error());
    if (!*ours || **ours != record.domain_uuid) return {};
    auto holder = view.read(base + "/domid");
    if (!holder) return tl::unexpected(holder.error());
    if (*holder && **holder == std::to_string(record.domid))
      if (auto ok = view.remove(base + "/domid"); !ok) return ok;
    if (auto ok = view.remove(base + kOurs); !ok) return ok;
    return remove_if_empty(view, base);
  });
}

Result<void> remember_driver(StoreView& store, const Sbdf& device, const std::string& driver) {
  if (driver.empty()) return {};
  return store.write(directory(device) + "/driver_path", kDriverRoot + driver);
}

Result<std::string> remembered_driver(StoreView& store, const Sbdf& device) {
  auto path = store.read(directory(device) + "/driver_path");
  if (!path) return tl::unexpected(path.error());
  if (!*path) return std::string{};
  return (*path)->substr((*path)->rfind('/') + 1);
}

Result<void> forget_driver(Store& store, const Sbdf& device) {
  const auto base = directory(device);
  return store.transaction([&](StoreView& view) -> Result<void> {
    if (auto ok = view.remove(base + "/driver_path"); !ok) return ok;
    return remove_if_empty(view, base);
  });
}

Result<std::optional<Sbdf>> device_named(StoreView& store, const std::string& name) {
  auto keys = store.list(kRoot);
  if (!keys) return tl::unexpected(keys.error());
  for (const auto& key : *keys) {
    const auto device = device_of(key);
    if (!device) continue;
    auto value = store.read(directory(*device) + "/name");
    if (!value) return tl::unexpected(value.error());
    if (*value && **value == name) return device;
  }
  return std::nullopt;
}

}  // namespace pciassign::detail
