// SPDX-License-Identifier: GPL-2.0-or-later
#include "domain_words.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "pciassign/rpc_requests.hpp"
#include "pciassign/shell_words.hpp"

namespace pciassign::cli {
namespace {

constexpr unsigned kDefaultMemory = 256, kLeastMemory = 96, kMostMemory = 65536;

bool consists_of(std::string_view text, std::string_view more) {
  return std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           more.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

Result<unsigned> memory_of(const std::string& text) {
  if (text.empty()) return kDefaultMemory;
  unsigned value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size() || value < kLeastMemory ||
      value > kMostMemory)
    return fail(ErrorKind::usage, fmt::format("--memory {}: a number of MiB from {} to {}", text,
                                              kLeastMemory, kMostMemory));
  return value;
}

bool is_ipv4(const std::string& text) {
  in_addr parsed{};
  return ::inet_pton(AF_INET, text.c_str(), &parsed) == 1;
}

/// "192.0.2.2/24"
Result<void> check_addresses(const Options& options) {
  if (!options.address.empty()) {
    const std::size_t slash = options.address.find('/');
    const std::string bits = slash == std::string::npos ? "" : options.address.substr(slash + 1);
    const bool good = is_ipv4(options.address.substr(0, slash)) && !bits.empty() &&
                      bits.size() <= 2 && bits.find_first_not_of("0123456789") == bits.npos &&
                      std::stoi(bits) <= 32;
    if (!good)
      return fail(ErrorKind::usage,
                  fmt::format("--address {}: that is not ADDRESS/BITS", options.address),
                  "for example --address 192.0.2.2/24");
  }
  if (!options.gateway.empty() && !is_ipv4(options.gateway))
    return fail(ErrorKind::usage, fmt::format("--gateway {} is no address", options.gateway));
  return {};
}

/// "/dev/nvme0n1p1:/srv:ext4"
Result<image::Mount> mount_of(const std::string& text) {
  const std::size_t first = text.find(':'), second = text.find(':', first + 1);
  if (first != std::string::npos && second != std::string::npos) {
    image::Mount mount{text.substr(0, first), text.substr(first + 1, second - first - 1),
                       text.substr(second + 1)};
    const bool good = mount.device.starts_with("/dev/") && mount.at.size() > 1 &&
                      mount.at.starts_with('/') && !mount.type.empty() &&
                      consists_of(mount.device, "-_./+") && consists_of(mount.at, "-_./") &&
                      consists_of(mount.type, "_") && mount.at.find("..") == std::string::npos;
    if (good) return mount;
  }
  return fail(ErrorKind::usage, fmt::format("--mount {}: that is not DEVICE:DIRECTORY:TYPE", text),
              "for example --mount /dev/nvme0n1p1:/srv:ext4");
}

Result<std::vector<DeviceSpec>> devices_of(const Options& options) {
  auto specs = rpc::parse_specs(options.devices);
  if (!specs) return specs;
  for (const DeviceSpec& spec : *specs)
    if (!spec.name.empty())
      return fail(ErrorKind::usage, "a driver domain's device is given by its address",
                  "pciassign list has the addresses");
  return specs;
}

Result<void> check_combination(const Options& options, bool net) {
  if (net && (options.volumes || !options.mounts.empty()))
    return fail(ErrorKind::usage, "--volumes and --mount are for --class block");
  if (!net && (!options.bridge.empty() || options.net_mode != "bridge" ||
               !options.address.empty() || !options.gateway.empty()))
    return fail(ErrorKind::usage, "--mode, --bridge, --address and --gateway are for --class net");
  if (!options.bridge.empty() && options.net_mode == "route")
    return fail(ErrorKind::usage, "--bridge: with --mode route there is no bridge");
  if (options.bridge.size() > 15 || !consists_of(options.bridge, "-_.") || options.bridge == "." ||
      options.bridge == "..")
    return fail(ErrorKind::usage, "--bridge " + options.bridge + " is no name of an interface");
  return check_addresses(options);
}

/// The words again, as a shell takes them.
std::string command_of(const Options& options, const DomainSpec& spec) {
  std::vector<std::string> words{"pciassign",     "domain",  "create",
                                 spec.name.str(), "--class", options.driver_class};
  const auto add = [&](const std::string& flag, const std::string& value) {
    // As a word of its own it would be taken for another flag.
    if (value.starts_with('-')) {
      words.push_back(flag + "=" + value);
    } else {
      words.insert(words.end(), {flag, value});
    }
  };
  for (const DeviceSpec& device : spec.devices) add("--device", device.str());
  if (!options.memory.empty()) add("--memory", options.memory);
  if (spec.standby) words.emplace_back("--standby");
  if (!options.kernel.empty()) add("--kernel", options.kernel);
  if (options.net_mode != "bridge") add("--mode", options.net_mode);
  if (!options.bridge.empty()) add("--bridge", options.bridge);
  if (!options.address.empty()) add("--address", options.address);
  if (!options.gateway.empty()) add("--gateway", options.gateway);
  if (options.volumes) words.emplace_back("--volumes");
  for (const std::string& mount : options.mounts) add("--mount", mount);
  for (const std::string& module : options.modules) add("--module", module);
  if (options.force) words.emplace_back("--force");
  if (options.no_start) words.emplace_back("--no-start");
  return shell_words(words);
}

}  // namespace

Result<DomainWish> domain_wish(const Options& options, const Environment& environment) {
  const auto name = config::DriverDomainName::parse(options.domain);
  if (!name) return tl::unexpected<Error>(name.error());
  const bool net = options.driver_class == "net";
  if (const auto fits = check_combination(options, net); !fits)
    return tl::unexpected<Error>(fits.error());
  auto specs = devices_of(options);
  if (!specs) return tl::unexpected<Error>(specs.error());
  const auto memory = memory_of(options.memory);
  if (!memory) return tl::unexpected<Error>(memory.error());
  // The command stands in one line of domain.cfg.
  const auto unfit = [](const std::string& text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  };
  if (unfit(options.kernel) || std::any_of(options.modules.begin(), options.modules.end(), unfit))
    return fail(ErrorKind::usage, "--kernel and --module: words without control characters");

  DomainSpec domain{.name = *name,
                    .driver_class = net ? config::DriverClass::net : config::DriverClass::block,
                    .devices = std::move(*specs),
                    .memory = *memory,
                    .standby = options.standby,
                    .autostart = !options.no_start,
                    .command = {}};
  domain.command = command_of(options, domain);
  DomainWish wish{.domain = std::move(domain), .image = {}};
  for (const std::string& text : options.mounts) {
    auto mount = mount_of(text);
    if (!mount) return tl::unexpected<Error>(mount.error());
    wish.image.mounts.push_back(std::move(*mount));
  }
  wish.image.root = environment.root;
  wish.image.kernel = options.kernel;
  wish.image.agent = environment.agent;
  wish.image.driver_class = wish.domain.driver_class;
  wish.image.net_mode = options.net_mode;
  if (!options.bridge.empty()) wish.image.bridge = options.bridge;
  wish.image.address = options.address;
  wish.image.gateway = options.gateway;
  wish.image.volumes = options.volumes;
  wish.image.modules = options.modules;
  return wish;
}

}  // namespace pciassign::cli
