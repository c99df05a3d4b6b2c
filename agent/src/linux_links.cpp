// SPDX-License-Identifier: GPL-2.0-or-later
#include "linux_links.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <charconv>
#include <cstdlib>

namespace pciassign::agent {
namespace {

constexpr const char* kNet = "/sys/class/net/";

/// An IPv4 or IPv6 address, perhaps with the length of its network.
struct Address {
  unsigned char family = AF_INET;
  std::array<unsigned char, 16> bytes{};
  std::size_t size = 4;
  unsigned char prefix = 32;
};

Result<Address> parse_address(const std::string& text) {
  Address address;
  const std::size_t slash = text.find('/');
  const std::string host = text.substr(0, slash);
  if (inet_pton(AF_INET, host.c_str(), address.bytes.data()) != 1) {
    if (inet_pton(AF_INET6, host.c_str(), address.bytes.data()) != 1)
      return fail(ErrorKind::usage, fmt::format("\"{}\" is no IP address", text));
    address.family = AF_INET6;
    address.size = 16;
    address.prefix = 128;
  }
  if (slash == std::string::npos) return address;
  unsigned prefix = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + slash + 1, end, prefix);
  if (error != std::errc{} || at != end || prefix > address.prefix)
    return fail(ErrorKind::usage, fmt::format("\"{}\" is no IP network", text));
  address.prefix = static_cast<unsigned char>(prefix);
  return address;
}

ifinfomsg about(unsigned index) {
  ifinfomsg info{};
  info.ifi_family = AF_UNSPEC;
  info.ifi_index = static_cast<int>(index);
  return info;
}

}  // namespace

bool LinuxLinks::backend_driver() const {
  return exists("/sys/bus/xen-backend/drivers/vif");
}

bool LinuxLinks::bound(BackendId id) const {
  return exists(fmt::format("/sys/bus/xen-backend/devices/vif-{}-{}/driver", id.guest, id.devid));
}

std::vector<std::string> LinuxLinks::nics() const {
  std::vector<std::string> found;
  for (const std::string& name : names_in(kNet)) {
    const std::string device = real_path(kNet + name + "/device");
    if (!device.empty() && below_pci(device)) found.push_back(name);
  }
  return found;
}

unsigned LinuxLinks::index(const std::string& name) const {
  return if_nametoindex(name.c_str());
}

bool LinuxLinks::is_bridge(const std::string& name) const {
  return exists(kNet + name + "/bridge");
}

bool LinuxLinks::taken(const std::string& name, const std::string& bridge) const {
  const std::string master = real_path(kNet + name + "/master");
  if (!master.empty()) return master.substr(master.rfind('/') + 1) != bridge;
  const auto flags = read_text(kNet + name + "/flags");
  return flags && (std::strtoul(flags->c_str(), nullptr, 0) & IFF_UP) != 0;
}

unsigned LinuxLinks::mtu(const std::string& name) const {
  return static_cast<unsigned>(read_number(kNet + name + "/mtu").value_or(0));
}

std::optional<std::uint64_t> LinuxLinks::received(const std::string& name) const {
  return read_number(kNet + name + "/statistics/rx_packets");
}

Result<void> LinuxLinks::make_bridge(const std::string& name) {
  if (is_bridge(name)) return {};
  const ifinfomsg info = about(0);
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.raw(&info, sizeof info).text(IFLA_IFNAME, name);
  message.begin(IFLA_LINKINFO).text(IFLA_INFO_KIND, "bridge").begin(IFLA_INFO_DATA);
  message.number(IFLA_BR_STP_STATE, 0).number(IFLA_BR_FORWARD_DELAY, 0).end().end();
  return netlink_.ask(message, "making bridge " + name);
}

Result<void> LinuxLinks::join(const std::string& bridge, const std::string& name) {
  const ifinfomsg info = about(index(name));
  Message message(RTM_NEWLINK, 0);
  message.raw(&info, sizeof info).number(IFLA_MASTER, index(bridge));
  return netlink_.ask(message, fmt::format("{} to bridge {}", name, bridge));
}

Result<void> LinuxLinks::set_mtu(const std::string& name, unsigned mtu) {
  const ifinfomsg info = about(index(name));
  Message message(RTM_NEWLINK, 0);
  message.raw(&info, sizeof info).number(IFLA_MTU, mtu);
  return netlink_.ask(message, fmt::format("MTU {} of {}", mtu, name));
}

Result<void> LinuxLinks::set_up(const std::string& name) {
  ifinfomsg info = about(index(name));
  info.ifi_flags = IFF_UP;
  info.ifi_change = IFF_UP;
  Message message(RTM_NEWLINK, 0);
  message.raw(&info, sizeof info);
  return netlink_.ask(message, "bringing up " + name);
}

void LinuxLinks::no_ipv6(const std::string& name) {
  (void)write_text("/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6", "1");
}

Result<void> LinuxLinks::add_address(const std::string& name, const std::string& address) {
  const auto parsed = parse_address(address);
  if (!parsed) return tl::unexpected<Error>(parsed.error());
  ifaddrmsg info{};
  info.ifa_family = parsed->family;
  info.ifa_prefixlen = parsed->prefix;
  info.ifa_index = index(name);
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  message.raw(&info, sizeof info);
  message.attribute(IFA_LOCAL, parsed->bytes.data(), parsed->size);
  message.attribute(IFA_ADDRESS, parsed->bytes.data(), parsed->size);
  return netlink_.ask(message, fmt::format("address {} of {}", address, name));
}

Result<void> LinuxLinks::default_route(const std::string& gateway) {
  const auto parsed = parse_address(gateway);
  if (!parsed) return tl::unexpected<Error>(parsed.error());
  rtmsg info{};
  info.rtm_family = parsed->family;
  info.rtm_table = RT_TABLE_MAIN;
  info.rtm_protocol = RTPROT_STATIC;
  info.rtm_type = RTN_UNICAST;
  Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  message.raw(&info, sizeof info);
  message.attribute(RTA_GATEWAY, parsed->bytes.data(), parsed->size);
  return netlink_.ask(message, "route through " + gateway);
}

Result<void> LinuxLinks::forward() {
  if (auto done = write_text("/proc/sys/net/ipv4/ip_forward", "1"); !done) return done;
  // A kernel without IPv6 has nothing to forward of it.
  (void)write_text("/proc/sys/net/ipv6/conf/all/forwarding", "1");
  return {};
}

Result<void> LinuxLinks::proxy_arp(const std::string& name) {
  return write_text("/proc/sys/net/ipv4/conf/" + name + "/proxy_arp", "1");
}

Result<void> LinuxLinks::route(std::uint16_t type, std::uint16_t flags, const std::string& address,
                               const std::string& name) {
  const auto parsed = parse_address(address);
  if (!parsed) return tl::unexpected<Error>(parsed.error());
  rtmsg info{};
  info.rtm_family = parsed->family;
  info.rtm_dst_len = parsed->prefix;
  info.rtm_table = RT_TABLE_MAIN;
  info.rtm_protocol = RTPROT_STATIC;
  info.rtm_scope = RT_SCOPE_LINK;
  info.rtm_type = RTN_UNICAST;
  Message message(type, flags);
  message.raw(&info, sizeof info);
  message.attribute(RTA_DST, parsed->bytes.data(), parsed->size).number(RTA_OIF, index(name));
  return netlink_.ask(message, fmt::format("route to {} by {}", address, name));
}

Result<void> LinuxLinks::add_route(const std::string& address, const std::string& name) {
  return route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, address, name);
}

Result<void> LinuxLinks::remove_route(const std::string& address, const std::string& name) {
  return route(RTM_DELROUTE, 0, address, name);
}

}  // namespace pciassign::agent
