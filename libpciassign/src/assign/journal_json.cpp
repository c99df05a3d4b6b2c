// SPDX-License-Identifier: LGPL-2.1-or-later
#include "assign/journal_json.hpp"

#include <boost/json.hpp>
#include <stdexcept>

namespace pciassign {

std::string_view to_string(Phase phase) noexcept {
  switch (phase) {
    case Phase::attaching:
      return "attaching";
    case Phase::attached:
      return "attached";
    case Phase::detaching:
      return "detaching";
  }
  return "attaching";
}

}  // namespace pciassign

namespace pciassign::detail {
namespace {

namespace json = boost::json;
constexpr int kVersion = 1;

Phase phase_from(std::string_view name) {
  if (name == "attaching") return Phase::attaching;
  if (name == "attached") return Phase::attached;
  if (name == "detaching") return Phase::detaching;
  throw std::runtime_error("unknown phase \"" + std::string(name) + "\"");
}

json::object region_json(const Region& region) {
  return {{"index", region.index},
          {"start", region.start},
          {"size", region.size},
          {"io", region.io},
          {"prefetchable", region.prefetchable},
          {"64bit", region.is_64bit}};
}

Region region_from(const json::object& object) {
  Region region;
  region.index = object.at("index").to_number<int>();
  region.start = object.at("start").to_number<std::uint64_t>();
  region.size = object.at("size").to_number<std::uint64_t>();
  region.io = object.at("io").as_bool();
  region.prefetchable = object.at("prefetchable").as_bool();
  region.is_64bit = object.at("64bit").as_bool();
  if (region.size == 0 || region.start + region.size < region.start)
    throw std::runtime_error("a region of no size");
  return region;
}

json::value number_or_null(const std::optional<int>& number) {
  return number ? json::value(*number) : json::value(nullptr);
}

std::optional<int> number_from(const json::value& value) {
  if (value.is_null()) return std::nullopt;
  return value.to_number<int>();
}

AttachmentRecord record_from(const json::object& object) {
  if (object.at("version").to_number<int>() != kVersion)
    throw std::runtime_error("a version that this program does not know");
  AttachmentRecord record;
  auto device = Sbdf::parse(object.at("device").as_string());
  if (!device) throw std::runtime_error(device.error().message);
  record.device = *device;
  record.vendor = object.at("vendor").to_number<std::uint16_t>();
  record.device_id = object.at("device_id").to_number<std::uint16_t>();
  if (const auto* value = object.if_contains("boot")) record.boot = value->as_string();
  // Entries of the first version do not have these, and a detach does not need them.
  if (const auto* value = object.if_contains("class"))
    record.class_code = value->to_number<std::uint32_t>();
  if (const auto* value = object.if_contains("serial")) record.serial = value->as_string();
  if (const auto* value = object.if_contains("location")) record.location = value->as_string();
  record.domid = object.at("domid").to_number<DomId>();
  // What a clean-up would take from those is the machine's.
  if (record.domid == kDom0 || record.domid >= kFirstReservedDomId)
    throw std::runtime_error("dom0 and Xen's own domains are given no devices");
  record.domain_name = object.at("domain_name").as_string();
  record.domain_uuid = object.at("domain_uuid").as_string();
  record.phase = phase_from(object.at("phase").as_string());
  for (const auto& region : object.at("regions").as_array())
    record.regions.push_back(region_from(region.as_object()));
  record.gsi = number_from(object.at("gsi"));
  record.pirq = number_from(object.at("pirq"));
  auto spec = DeviceSpec::parse(object.at("spec").as_string());
  if (!spec) throw std::runtime_error(spec.error().message);
  record.options = spec->options;
  record.iommu = object.at("iommu").as_bool();
  record.reset_acknowledged = object.at("reset_acknowledged").as_bool();
  record.seized_from = object.at("seized_from").as_string();
  return record;
}

}  // namespace

std::string to_json(const AttachmentRecord& record) {
  json::array regions;
  for (const auto& region : record.regions) regions.push_back(region_json(region));
  DeviceSpec spec;
  spec.sbdf = record.device;
  spec.options = record.options;
  const json::object object = {
      {"version", kVersion},
      {"boot", record.boot},
      {"device", record.device.str()},
      {"vendor", record.vendor},
      {"device_id", record.device_id},
      {"class", record.class_code},
      {"serial", record.serial},
      {"location", record.location},
      {"domid", record.domid},
      {"domain_name", record.domain_name},
      {"domain_uuid", record.domain_uuid},
      {"phase", to_string(record.phase)},
      {"regions", std::move(regions)},
      {"gsi", number_or_null(record.gsi)},
      {"pirq", number_or_null(record.pirq)},
      {"spec", spec.str()},
      {"iommu", record.iommu},
      {"reset_acknowledged", record.reset_acknowledged},
      {"seized_from", record.seized_from},
  };
  return json::serialize(object) + "\n";
}

Result<AttachmentRecord> record_from_json(std::string_view text) {
  // Boost.JSON throws on wrong types and missing keys; here it ends as a value.
  try {
    return record_from(json::parse(text).as_object());
  } catch (const std::exception& error) {
    return fail(ErrorKind::failed, std::string("not a journal entry: ") + error.what());
  }
}

}  // namespace pciassign::detail
