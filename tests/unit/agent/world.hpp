// SPDX-License-Identifier: GPL-2.0-or-later
// A driver domain without a machine: a simulated xenstore, network and disks, and the agent on
// them.
#pragma once
#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <memory>
#include <set>

#include "agent.hpp"
#include "disks.hpp"
#include "network.hpp"
#include "pciassign/sim/store.hpp"

namespace pciassign::agent::test {

using namespace std::chrono_literals;

/// An interface of a guest.
inline constexpr BackendId kVif{3, 0};
inline const std::string kOwn = "/local/domain/5";
inline const std::string kData = kOwn + "/data/pciassign/";

/// Interfaces as the kernel has them.
class SimLinks final : public Links {
 public:
  struct Interface {
    unsigned index = 0, mtu = 1500;
    bool pci = false, bridge = false, up = false, ipv6 = true, proxy = false;
    std::string master;
    std::set<std::string> routes, addresses;
    std::uint64_t received = 0;
  };
  std::map<std::string, Interface> interfaces;
  std::set<BackendId> answered;   ///< Devices that netback has.
  std::set<std::string> failing;  ///< Interfaces with which nothing works.
  std::string gateway;
  bool forwarding = false;

  Interface& add(const std::string& name, bool pci = false) {
    Interface& added = interfaces[name];
    added = {.index = ++last_, .pci = pci, .master = {}, .routes = {}, .addresses = {}};
    return added;
  }

  [[nodiscard]] bool backend_driver() const override { return true; }
  [[nodiscard]] bool bound(BackendId id) const override { return answered.contains(id); }
  [[nodiscard]] std::vector<std::string> nics() const override {
    std::vector<std::string> found;
    for (const auto& [name, interface] : interfaces) {
      if (interface.pci) found.push_back(name);
    }
    return found;
  }
  [[nodiscard]] unsigned index(const std::string& name) const override {
    return interfaces.contains(name) ? interfaces.at(name).index : 0;
  }
  [[nodiscard]] bool is_bridge(const std::string& name) const override {
    return interfaces.contains(name) && interfaces.at(name).bridge;
  }
  [[nodiscard]] bool taken(const std::string& name, const std::string& bridge) const override {
    const Interface& interface = interfaces.at(name);
    return interface.master.empty() ? interface.up : interface.master != bridge;
  }
  [[nodiscard]] unsigned mtu(const std::string& name) const override {
    return interfaces.contains(name) ? interfaces.at(name).mtu : 0;
  }
  [[nodiscard]] std::optional<std::uint64_t> received(const std::string& name) const override {
    ++looks;
    if (!interfaces.contains(name)) return std::nullopt;
    return interfaces.at(name).received;
  }
  Result<void> make_bridge(const std::string& name) override {
    if (!interfaces.contains(name)) add(name).bridge = true;
    return {};
  }
  Result<void> join(const std::string& bridge, const std::string& name) override {
    return change(name, [&](Interface& i) { i.master = bridge; });
  }
  Result<void> set_mtu(const std::string& name, unsigned mtu) override {
    return change(name, [&](Interface& i) { i.mtu = mtu; });
  }
  Result<void> set_up(const std::string& name) override {
    return change(name, [](Interface& i) { i.up = true; });
  }
  void no_ipv6(const std::string& name) override {
    (void)change(name, [](Interface& i) { i.ipv6 = false; });
  }
  Result<void> add_address(const std::string& name, const std::string& address) override {
    return change(name, [&](Interface& i) { i.addresses.insert(address); });
  }
  Result<void> default_route(const std::string& to) override {
    gateway = to;
    return {};
  }
  Result<void> forward() override {
    forwarding = true;
    return {};
  }
  Result<void> proxy_arp(const std::string& name) override {
    return change(name, [](Interface& i) { i.proxy = true; });
  }
  Result<void> add_route(const std::string& address, const std::string& name) override {
    return change(name, [&](Interface& i) { i.routes.insert(address); });
  }
  Result<void> remove_route(const std::string& address, const std::string& name) override {
    return change(name, [&](Interface& i) { i.routes.erase(address); });
  }

  mutable int looks = 0;  ///< At counters.

 private:
  template <class F>
  Result<void> change(const std::string& name, F body) {
    if (!interfaces.contains(name) || failing.contains(name)) return fail_errno(name, ENODEV);
    body(interfaces[name]);
    return {};
  }
  unsigned last_ = 0;
};

/// Disks, files and loop devices as the kernel has them.
class SimStorage final : public Storage {
 public:
  std::map<std::string, Medium> media;
  std::map<std::string, std::string> loops;  ///< Device to file; read-only ones with "ro " before.
  std::set<std::string> used;
  std::set<BackendId> answered;
  std::map<BackendId, std::uint64_t> counts;
  std::vector<std::string> log;  ///< What changes something, in order.
  bool disk = false;

  void add_disk(const std::string& name, unsigned partitions) {
    disk = true;
    const dev_t whole = makedev(259, ++last_);
    media["/dev/" + name] = {.device = whole, .whole = whole};
    for (unsigned i = 1; i <= partitions; ++i)
      media[fmt::format("/dev/{}p{}", name, i)] = {.device = makedev(259, ++last_), .whole = whole};
  }
  void add_file(const std::string& path) {
    media[path] = {.file = true, .device = 1, .whole = 1, .inode = ++last_};
  }

  [[nodiscard]] bool backend_driver() const override { return true; }
  [[nodiscard]] bool bound(BackendId id) const override { return answered.contains(id); }
  [[nodiscard]] bool disk_there() const override { return disk; }
  [[nodiscard]] bool exists(const std::string& path) const override { return media.contains(path); }
  [[nodiscard]] std::optional<std::uint64_t> requests(BackendId id) const override {
    return counts.contains(id) ? std::optional(counts.at(id)) : std::nullopt;
  }
  Result<std::optional<Medium>> look_up(const std::string& path) override {
    if (media.contains(path)) return media.at(path);
    if (loops.contains(path)) {
      const auto number = static_cast<unsigned>(std::stoul(path.substr(9)));
      return Medium{.device = makedev(7, number), .whole = makedev(7, number)};
    }
    return std::nullopt;
  }
  Result<bool> in_use(const std::string& path) override { return used.contains(path); }
  Result<std::string> attach_loop(const std::string& path, bool read_only) override {
    for (unsigned i = 0;; ++i) {
      std::string name = fmt::format("/dev/loop{}", i);
      if (loops.contains(name)) continue;
      loops[name] = (read_only ? "ro " : "") + path;
      return name;
    }
  }
  bool is_loop_of(const std::string& loop, const Medium& file) override {
    return loops.contains(loop) && media.contains(loops.at(loop)) &&
           media.at(loops.at(loop)).inode == file.inode;
  }
  void detach_loop(const std::string& loop) override {
    log.push_back("detach " + loop);
    loops.erase(loop);
  }
  Result<int> begin_mount(const Mount& mount) override {
    log.push_back("mount " + mount.at);
    return ++jobs;
  }
  Result<int> begin_volumes() override {
    log.emplace_back("volumes on");
    return ++jobs;
  }
  void unbind(BackendId id) override {
    log.push_back(fmt::format("unbind {}-{}", id.guest, id.devid));
  }
  Result<void> flush(const std::string& device) override {
    log.push_back("flush " + device);
    return {};
  }
  Result<void> unmount(const std::string& at) override {
    log.push_back("unmount " + at);
    return {};
  }
  Result<void> deactivate_volumes() override {
    log.emplace_back("volumes off");
    return {};
  }

  int jobs = 100;

 private:
  unsigned last_ = 0;
};

/// The agent, its xenstore and a clock. What the kernel's back ends do is the tests' to say.
class World {
 public:
  explicit World(const Config& config) {
    store.put("domid", "5");
    if (config.kind == Kind::vif) {
      service_ = std::make_unique<Network>(links, config.net);
    } else {
      service_ = std::make_unique<Disks>(storage, config.block);
    }
    kind_ = std::string(to_string(config.kind));
    restart();
  }

  /// Another process begins beside what the one before it left.
  void restart() {
    agent = std::make_unique<Agent>(store, *service_,
                                    [this](const std::string& text) { words.push_back(text); });
  }
  void start() {
    ASSERT_TRUE(agent->open("1.2.3"));
    ASSERT_TRUE(agent->start(notes));
    settle();
  }
  void settle() {
    for (bool more = true; more;) {
      more = false;
      while (const auto event = *store.next_event()) {
        agent->store_changed(event->path);
        more = true;
      }
      agent->settle(now);
    }
  }
  /// Time passes; the agent is called when it asked for it, and not otherwise.
  void pass(Milliseconds time) {
    const Milliseconds end = now + time;
    while (true) {
      const auto wake = agent->wake_at(now);
      if (!wake || *wake > end) break;
      ASSERT_GT(*wake, now) << "the agent does not sleep";
      now = *wake;
      ++wakes;
      settle();
    }
    now = end;
  }

  [[nodiscard]] std::string path(BackendId id) const {
    return fmt::format("{}/backend/{}/{}/{}", kOwn, kind_, id.guest, id.devid);
  }
  [[nodiscard]] std::string node(BackendId id, const std::string& name) {
    return store.tree().read(path(id) + "/" + name).value_or("-");
  }
  [[nodiscard]] std::string data(const std::string& name) {
    return store.tree().read(kData + name).value_or("-");
  }
  /// As the toolstack and the kernel's back end make it.
  void add(BackendId id, const std::map<std::string, std::string>& nodes) {
    links.answered.insert(id);
    storage.answered.insert(id);
    EXPECT_TRUE(store.transaction([&](StoreView& view) -> Result<void> {
      for (const auto& [name, value] : nodes) (void)view.write(path(id) + "/" + name, value);
      (void)view.write(path(id) + "/online", "1");
      return view.write(path(id) + "/state", "2");
    }));
    settle();
  }
  void set(BackendId id, const std::string& name, const std::string& value) {
    store.put(path(id) + "/" + name, value);
    settle();
  }

  sim::Faults faults;
  sim::Store store{faults};
  SimLinks links;
  SimStorage storage;
  std::unique_ptr<Agent> agent;
  std::string notes;
  std::vector<std::string> words;
  Milliseconds now{1000};
  int wakes = 0;

 private:
  std::unique_ptr<Service> service_;
  std::string kind_;
};

inline Config net_config() {
  return {};
}
inline Config block_config() {
  Config config;
  config.kind = Kind::vbd;
  return config;
}

}  // namespace pciassign::agent::test
