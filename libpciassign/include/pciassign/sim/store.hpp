// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// A xenstore: tree, permissions, transactions that can conflict, watches.
#pragma once
#include <deque>
#include <map>

#include "pciassign/sim/faults.hpp"
#include "pciassign/store.hpp"

namespace pciassign::sim {

/// The tree without the port's faults and watches; also what a transaction works on.
class Tree {
 public:
  [[nodiscard]] std::optional<std::string> read(const std::string& path) const;
  [[nodiscard]] std::vector<std::string> list(const std::string& path) const;
  [[nodiscard]] bool has(const std::string& path) const { return nodes_.contains(path); }
  /// Missing parents are made; a new node inherits its parent's permissions.
  void write(const std::string& path, const std::string& value);
  void mkdir(const std::string& path);
  void remove(const std::string& path);
  void set_perms(const std::string& path, const StorePerms& perms);
  [[nodiscard]] bool may_read(DomId who, const std::string& path) const;
  [[nodiscard]] bool may_write(DomId who, const std::string& path) const;
  /// Every path, for "nothing is left" and for golden comparison: path -> value.
  [[nodiscard]] std::map<std::string, std::string> dump(const std::string& below = {}) const;

 private:
  struct Node {
    std::string value;
    StorePerms perms;
  };
  void make(const std::string& path);
  std::map<std::string, Node> nodes_{{"", {}}};
};

class Store final : public pciassign::Store {
 public:
  explicit Store(Faults& faults);
  ~Store() override;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // For tests and for simulated kernels: no faults, but watches fire.
  Tree& tree() { return tree_; }
  /// False (and no change) when `who` may not.
  bool write_as(DomId who, const std::string& path, const std::string& value);
  [[nodiscard]] std::optional<std::string> read_as(DomId who, const std::string& path) const;
  void put(const std::string& path, const std::string& value);
  void drop(const std::string& path);
  void fire(const std::string& path);  ///< Also "@releaseDomain".
  /// The next `n` commits end with EAGAIN.
  void conflict(int n) { conflicts_ = n; }
  /// A guest that writes to all that it may, all the time: a transaction that touches a node of
  /// its own never comes through.
  std::optional<DomId> hammering;
  /// Called after each change, until it says that nothing is left to do.
  std::function<void()> on_change;
  [[nodiscard]] std::size_t watches() const { return watches_.size(); }

  Result<std::optional<std::string>> read(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<void> write(const std::string& path, const std::string& value) override;
  Result<void> mkdir(const std::string& path) override;
  Result<void> remove(const std::string& path) override;
  Result<void> set_perms(const std::string& path, const StorePerms& perms) override;
  Result<void> transaction(const std::function<Result<void>(StoreView&)>& body) override;
  Result<void> watch(const std::string& path, const std::string& token) override;
  Result<void> unwatch(const std::string& path, const std::string& token) override;
  [[nodiscard]] int fd() const override { return fd_; }
  Result<std::optional<WatchEvent>> next_event() override;

 private:
  class View;
  void queue(WatchEvent event);

  Faults& faults_;
  Tree tree_;
  std::multimap<std::string, std::string> watches_;
  std::deque<WatchEvent> events_;
  int conflicts_ = 0;
  int fd_ = -1;  ///< An eventfd: readable while events wait.
};

}  // namespace pciassign::sim
