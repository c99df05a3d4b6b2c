// SPDX-License-Identifier: GPL-2.0-or-later
#include "network.hpp"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>

namespace pciassign::agent {
namespace {

constexpr unsigned kLeastMtu = 68, kMostMtu = 65535;

bool is_name(const std::string& name) {
  return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
         name.find_first_of("/ :") == std::string::npos;
}

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> found;
  std::size_t from = 0;
  while ((from = text.find_first_not_of(' ', from)) != std::string::npos) {
    const std::size_t end = std::min(text.find(' ', from), text.size());
    found.push_back(text.substr(from, end - from));
    from = end;
  }
  return found;
}

}  // namespace

std::string Network::interface(BackendId id) {
  return fmt::format("vif{}.{}", id.guest, id.devid);
}

Result<void> Network::start() {
  if (config_.route) return links_.forward();
  if (auto made = links_.make_bridge(config_.bridge); !made) return made;
  if (config_.address.empty()) {
    links_.no_ipv6(config_.bridge);
  } else {
    if (auto done = links_.add_address(config_.bridge, config_.address); !done) return done;
  }
  if (auto up = links_.set_up(config_.bridge); !up) return up;
  if (config_.gateway.empty() || config_.address.empty()) return {};
  return links_.default_route(config_.gateway);
}

Result<void> Network::look_around() {
  std::map<std::string, unsigned> now;
  std::optional<Error> error;
  for (const std::string& name : links_.nics()) {
    const unsigned index = links_.index(name);
    if (index == 0) continue;
    // In an administrator's image: it may carry the way to the administrator.
    if (!config_.route && links_.taken(name, config_.bridge)) continue;
    const auto had = nics_.find(name);
    if (had == nics_.end() || had->second != index) {
      if (auto taken = take_nic(name, now.empty()); !taken) {
        // One that vanished meanwhile is none.
        if (links_.index(name) == index) error = taken.error();
        continue;
      }
    }
    now[name] = index;
  }
  nics_ = std::move(now);
  if (nics_.empty() && error) return tl::unexpected<Error>(*error);
  return {};
}

Result<void> Network::take_nic(const std::string& name, bool first) {
  if (config_.mtu != 0) {
    if (auto done = links_.set_mtu(name, config_.mtu); !done) return done;
  }
  if (!config_.route) {
    links_.no_ipv6(name);
    if (auto done = links_.join(config_.bridge, name); !done) return done;
    return links_.set_up(name);
  }
  if (auto done = links_.proxy_arp(name); !done) return done;
  if (auto done = links_.set_up(name); !done) return done;
  // The address is the domain's; its first device has it.
  if (config_.address.empty() || !first) return {};
  if (auto done = links_.add_address(name, config_.address); !done) return done;
  return config_.gateway.empty() ? Result<void>{} : links_.default_route(config_.gateway);
}

Outcome Network::serve(const Backend& backend) {
  const std::string name = interface(backend.id);
  const unsigned index = links_.index(name);
  if (index == 0)
    return {Outcome::What::waiting, fmt::format("netback made no interface {}", name), {}};
  Served& served = served_[backend.id];
  if (backend.connected() && served.index == index) return {Outcome::What::connected, {}, {}};
  if (auto done = configure(backend, name, served); !done) {
    // Its interface may have vanished under the work: then it goes, or comes anew.
    if (links_.index(name) != index) return {Outcome::What::waiting, {}, {}};
    return {Outcome::What::refused, done.error().message, {}};
  }
  served.index = index;
  return {Outcome::What::connected, {}, {}};
}

Result<void> Network::configure(const Backend& backend, const std::string& name, Served& served) {
  if (config_.route) {
    const std::string like = nics_.empty() ? std::string{} : nics_.begin()->first;
    if (auto done = configure_mtu(backend, name, like); !done) return done;
    if (auto done = links_.proxy_arp(name); !done) return done;
    if (auto done = links_.set_up(name); !done) return done;
    served.routes.clear();
    for (const std::string& address : words(backend.node("ip"))) {
      if (auto done = links_.add_route(address, name); !done) return done;
      served.routes.push_back(address);
    }
    return {};
  }
  std::string bridge = backend.node("bridge");
  if (bridge.empty()) bridge = config_.bridge;
  if (!is_name(bridge) || !links_.is_bridge(bridge))
    return fail(ErrorKind::not_found, fmt::format("this driver domain has no bridge {}; it has {}",
                                                  bridge, config_.bridge));
  if (auto done = configure_mtu(backend, name, bridge); !done) return done;
  links_.no_ipv6(name);
  if (auto done = links_.join(bridge, name); !done) return done;
  return links_.set_up(name);
}

Result<void> Network::configure_mtu(const Backend& backend, const std::string& name,
                                    const std::string& like) {
  const std::string node = backend.node("mtu");
  unsigned mtu = config_.mtu;
  if (!node.empty()) {
    const char* end = node.data() + node.size();
    const auto [at, error] = std::from_chars(node.data(), end, mtu);
    if (error != std::errc{} || at != end || mtu < kLeastMtu || mtu > kMostMtu)
      return fail(ErrorKind::usage, fmt::format("mtu \"{}\" is none", node));
  } else if (mtu == 0 && !like.empty()) {
    mtu = links_.mtu(like);
  }
  if (mtu == 0 || mtu == links_.mtu(name)) return {};
  return links_.set_mtu(name, mtu);
}

void Network::release(BackendId id) {
  const auto found = served_.find(id);
  if (found == served_.end()) return;
  // The kernel removes the interface and what belongs to it; this is for one that stays for a
  // while.
  for (const std::string& address : found->second.routes)
    (void)links_.remove_route(address, interface(id));
  served_.erase(found);
}

std::optional<std::uint64_t> Network::traffic(BackendId id) const {
  return links_.received(interface(id));
}

}  // namespace pciassign::agent
