// SPDX-License-Identifier: LGPL-2.1-or-later
// xl's commands that remove a device and add one like it, from the toolstack's record.
#include <fmt/format.h>

#include <algorithm>

#include "domain/record.hpp"

namespace pciassign {
namespace {

using Record = std::map<std::string, std::string>;

std::string value_of(const Record& record, const std::string& name) {
  const auto at = record.find(name);
  return at == record.end() ? std::string{} : at->second;
}

/// The numbers of all the guest's devices of that kind, whoever serves them.
Result<std::vector<std::uint32_t>> numbers_of(StoreView& store, const Dependent& dependent,
                                              const std::vector<Dependent>& planned) {
  auto path = detail::record_path(dependent);
  path.resize(path.rfind('/'));
  auto names = store.list(path);
  if (!names) return tl::unexpected(names.error());
  std::vector<std::uint32_t> numbers;
  for (const auto& name : *names)
    if (const auto number = detail::whole_number<std::uint32_t>(name)) numbers.push_back(*number);
  for (const Dependent& other : planned)
    if (other.guest == dependent.guest && other.kind == dependent.kind)
      numbers.push_back(other.devid);
  return numbers;
}

/// A disk's place in the order xvda, xvdb, ...: the encodings of xen-vbd-interface(7).
std::uint32_t disk_index(std::uint32_t devid) {
  constexpr std::uint32_t kExtended = 1U << 28;
  if (devid & kExtended) return (devid & (kExtended - 1)) >> 8;
  const auto major = devid >> 8;
  if (major == 202 || major == 8) return (devid & 0xff) >> 4;                         // xvd, sd
  if (major == 3 || major == 22) return (devid & 0xff) >> 6 | (major == 22 ? 2 : 0);  // hd
  return 0;
}

std::uint32_t xvd_devid(std::uint32_t index) {
  return index < 16 ? 202U << 8 | index << 4 : 1U << 28 | index << 8;
}

std::string xvd_name(std::uint32_t index) {
  std::string letters;
  for (auto rest = index + 1; rest > 0; rest = (rest - 1) / 26)
    letters.insert(letters.begin(), static_cast<char>('a' + (rest - 1) % 26));
  return "xvd" + letters;
}

/// libxl records bytes in an interval of microseconds; xl takes bytes per second.
std::string rate_text(const std::string& recorded) {
  const auto comma = recorded.find(',');
  if (comma == std::string::npos) return {};
  const auto bytes = detail::whole_number<std::uint64_t>(recorded.substr(0, comma));
  const auto interval = detail::whole_number<std::uint32_t>(recorded.substr(comma + 1));
  if (!bytes || !interval || *interval == 0 || *bytes > UINT64_MAX / 1'000'000) return {};
  return fmt::format("{}B/s@{}us", (*bytes * 1'000'000 + *interval - 1) / *interval, *interval);
}

void plan_vif(const Record& record, DomId backend, const std::vector<std::uint32_t>& numbers,
              Replacement& plan) {
  plan.remove = {"xl", "network-detach", std::to_string(plan.added.guest),
                 std::to_string(plan.added.devid)};
  plan.added.devid = 1 + *std::max_element(numbers.begin(), numbers.end());
  plan.add = {"xl", "network-attach", std::to_string(plan.added.guest),
              fmt::format("devid={}", plan.added.devid), fmt::format("backend={}", backend)};
  for (const char* name : {"mac", "bridge", "ip", "script", "vifname", "gatewaydev", "mtu", "type"})
    if (const auto value = value_of(record, name); !value.empty())
      plan.add.push_back(fmt::format("{}={}", name, value));
  if (const auto rate = rate_text(value_of(record, "rate")); !rate.empty())
    plan.add.push_back("rate=" + rate);
}

void plan_vbd(const Record& record, DomId backend, const std::vector<std::uint32_t>& numbers,
              Replacement& plan) {
  plan.remove = {"xl", "block-detach", "-f", std::to_string(plan.added.guest),
                 std::to_string(plan.added.devid)};
  std::uint32_t index = 0;
  for (const auto number : numbers) index = std::max(index, 1 + disk_index(number));
  plan.added.devid = xvd_devid(index);
  plan.added.name = xvd_name(index);
  const bool writable = value_of(record, "mode") == "w";
  auto spec = fmt::format("format=raw,vdev={},access={},backend={}", plan.added.name,
                          writable ? "rw" : "ro", backend);
  if (value_of(record, "device-type") == "cdrom") spec += ",devtype=cdrom";
  // xl's own default is recorded as well.
  if (const auto script = value_of(record, "script");
      !script.empty() && script != "/etc/xen/scripts/block")
    spec += ",script=" + script;
  if (value_of(record, "discard-enable") == "0") spec += ",no-discard";
  if (value_of(record, "direct-io-safe") == "1") spec += ",direct-io-safe";
  // All that follows belongs to the target.
  spec += ",target=" + value_of(record, "params");
  plan.add = {"xl", "block-attach", std::to_string(plan.added.guest), std::move(spec)};
}

}  // namespace

std::vector<std::string> with_backend(std::vector<std::string> add, DomId backend) {
  constexpr std::string_view kKey = "backend=", kAmong = ",backend=";
  for (std::string& word : add) {
    // Of a disk it is one of several in a word; the target, which may be like it, is the last.
    auto at = word.starts_with(kKey) ? 0 : word.find(kAmong);
    if (at == std::string::npos || word.find(",target=") < at) continue;
    if (at != 0) ++at;
    const auto begin = at + kKey.size();
    const auto end = std::min(word.find(',', begin), word.size());
    word.replace(begin, end - begin, std::to_string(backend));
    break;
  }
  return add;
}

Result<Replacement> plan_replacement(StoreView& store, const Dependent& dependent, DomId backend,
                                     const std::vector<Dependent>& planned) {
  auto record = detail::read_record(store, dependent);
  if (!record) return tl::unexpected(record.error());
  auto now = detail::dependent_of(dependent.guest, dependent.kind, dependent.devid, *record);
  if (!now)
    return fail(ErrorKind::not_found,
                fmt::format("{} {} of domain {} has gone from xenstore", to_string(dependent.kind),
                            dependent.devid, dependent.guest));
  Replacement plan;
  plan.added = *now;
  auto numbers = numbers_of(store, dependent, planned);
  if (!numbers) return tl::unexpected(numbers.error());
  if (dependent.kind == DependentKind::vif) {
    plan_vif(*record, backend, *numbers, plan);
  } else {
    plan_vbd(*record, backend, *numbers, plan);
  }
  return plan;
}

}  // namespace pciassign
