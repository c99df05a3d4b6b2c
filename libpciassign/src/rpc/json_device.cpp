// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fmt/format.h>

#include "json_fields.hpp"

namespace pciassign::rpc {
namespace json = boost::json;
namespace {

std::string id4(std::uint16_t value) {
  return fmt::format("{:04x}", value);
}

json::object region_json(const Region& region) {
  return {{"index", region.index},
          {"start", hex(region.start)},
          {"size", hex(region.size)},
          {"io", region.io},
          {"prefetchable", region.prefetchable},
          {"is_64bit", region.is_64bit}};
}

/// Fields whose text is hexadecimal; a bad one reads as usage error with the member's name.
class HexFields {
 public:
  explicit HexFields(Fields& fields) : fields_(fields) {}
  template <class T>
  HexFields& take(std::string_view key, T& out) {
    std::string text;
    fields_.required(key, text);
    if (fields_.error() || error_) return *this;
    const Result<std::uint64_t> value = parse_hex(text);
    if (!value || *value > std::numeric_limits<T>::max()) {
      error_ = Error{ErrorKind::usage, {}, fmt::format("\"{}\" is out of range", key), {}, 0};
    } else {
      out = static_cast<T>(*value);
    }
    return *this;
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  Fields& fields_;
  std::optional<Error> error_;
};

}  // namespace

json::object to_json(const Device& d) {
  json::array regions;
  for (const Region& region : d.regions) regions.push_back(region_json(region));
  return {{"address", d.sbdf.str()},
          {"vendor", id4(d.vendor)},
          {"device", id4(d.device)},
          {"subsystem_vendor", id4(d.subsystem_vendor)},
          {"subsystem_device", id4(d.subsystem_device)},
          {"class", fmt::format("{:06x}", d.class_code)},
          {"revision", d.revision},
          {"header_type", d.header_type},
          {"multifunction", d.multifunction},
          {"name", d.name},
          {"driver", d.driver},
          {"irq", d.irq},
          {"interrupt_pin", d.interrupt_pin},
          {"msi", d.msi},
          {"msix", d.msix},
          {"reset_methods", strings(d.reset_methods)},
          {"regions", std::move(regions)},
          {"serial", d.serial},
          {"location", d.location()},
          {"path", addresses(d.path)},
          {"parent_bus", d.parent_bus},
          {"physfn", or_null(d.physfn)},
          {"in_use", strings(d.in_use)}};
}

json::object to_json(const DeviceView& view) {
  json::object object = to_json(view.device);
  object["state"] = view.state;
  object["domain"] = or_null(view.domid);
  object["domain_name"] = view.domain_name;
  object["virtual_slot"] = view.virtual_slot;
  object["group"] = or_null(view.group);
  return object;
}

template <>
Result<Region> from_json<Region>(const json::value& value) {
  Region region;
  Fields fields(value);
  HexFields hexes(fields);
  fields.required("index", region.index)
      .required("io", region.io)
      .optional("prefetchable", region.prefetchable)
      .optional("is_64bit", region.is_64bit);
  hexes.take("start", region.start).take("size", region.size);
  if (!fields.error() && hexes.error()) return tl::unexpected<Error>(*hexes.error());
  return finish(fields, std::move(region));
}

template <>
Result<DeviceView> from_json<DeviceView>(const json::value& value) {
  DeviceView view;
  Device& d = view.device;
  Fields fields(value);
  HexFields hexes(fields);
  fields.required("address", d.sbdf)
      .required("state", view.state)
      .optional("domain", view.domid)
      .optional("domain_name", view.domain_name)
      .optional("virtual_slot", view.virtual_slot)
      .optional("group", view.group)
      .optional("revision", d.revision)
      .optional("header_type", d.header_type)
      .optional("multifunction", d.multifunction)
      .optional("name", d.name)
      .optional("driver", d.driver)
      .optional("irq", d.irq)
      .optional("interrupt_pin", d.interrupt_pin)
      .optional("msi", d.msi)
      .optional("msix", d.msix)
      .optional("reset_methods", d.reset_methods)
      .optional("regions", d.regions)
      .optional("serial", d.serial)
      .optional("path", d.path)
      .optional("parent_bus", d.parent_bus)
      .optional("physfn", d.physfn)
      .optional("in_use", d.in_use);
  hexes.take("vendor", d.vendor)
      .take("device", d.device)
      .take("subsystem_vendor", d.subsystem_vendor)
      .take("subsystem_device", d.subsystem_device)
      .take("class", d.class_code);
  if (!fields.error() && hexes.error()) return tl::unexpected<Error>(*hexes.error());
  return finish(fields, std::move(view));
}

}  // namespace pciassign::rpc
