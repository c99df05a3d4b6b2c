// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/sim/store.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace pciassign::sim {
namespace {
constexpr int kTransactionTries = 100;
}  // namespace

/// Works on a copy of the tree and remembers what it changed.
class Store::View final : public StoreView {
 public:
  View(Tree tree, Faults& faults) : tree_(std::move(tree)), faults_(faults) {}

  Result<std::optional<std::string>> read(const std::string& path) override {
    touched_.push_back(path);
    return faults_.call<Result<std::optional<std::string>>>("store.read",
                                                            [&] { return tree_.read(path); });
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    touched_.push_back(path);
    return faults_.call<Result<std::vector<std::string>>>("store.list",
                                                          [&] { return tree_.list(path); });
  }
  Result<void> write(const std::string& path, const std::string& value) override {
    return change("store.write", path, [&] { tree_.write(path, value); });
  }
  Result<void> mkdir(const std::string& path) override {
    return change("store.mkdir", path, [&] { tree_.mkdir(path); });
  }
  Result<void> remove(const std::string& path) override {
    return change("store.remove", path, [&] { tree_.remove(path); });
  }
  Result<void> set_perms(const std::string& path, const StorePerms& perms) override {
    return faults_.call<Result<void>>("store.set_perms", [&]() -> Result<void> {
      if (!tree_.has(path)) return fail_errno("sim: set_perms " + path, ENOENT);
      tree_.set_perms(path, perms);
      return {};
    });
  }

  Tree& tree() { return tree_; }
  [[nodiscard]] const std::vector<std::string>& changed() const { return changed_; }
  /// All paths that it read or changed.
  [[nodiscard]] const std::vector<std::string>& touched() const { return touched_; }

 private:
  template <class F>
  Result<void> change(const char* name, const std::string& path, F effect) {
    touched_.push_back(path);
    return faults_.call<Result<void>>(name, [&]() -> Result<void> {
      effect();
      changed_.push_back(path);
      return {};
    });
  }
  Tree tree_;
  Faults& faults_;
  std::vector<std::string> changed_, touched_;
};

Store::Store(Faults& faults) : faults_(faults), fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
Store::~Store() {
  if (fd_ >= 0) ::close(fd_);
}

void Store::queue(WatchEvent event) {
  events_.push_back(std::move(event));
  const std::uint64_t one = 1;
  (void)!::write(fd_, &one, sizeof one);
}

void Store::fire(const std::string& path) {
  // What is watched by a path of our own domain is told by one.
  static const std::string kHome = "/local/domain/0/";
  for (const auto& [asked, token] : watches_) {
    const bool relative = !asked.starts_with('/') && !asked.starts_with('@');
    const std::string watched = relative ? kHome + asked : asked;
    // A change below fires, and so does the removal of something above.
    if (path == watched || path.starts_with(watched + "/") ||
        (watched.starts_with(path + "/") && !tree_.has(watched))) {
      const std::string& told = path.size() < watched.size() ? watched : path;
      queue({relative ? told.substr(kHome.size()) : told, token});
    }
  }
  if (on_change) on_change();
}

void Store::put(const std::string& path, const std::string& value) {
  tree_.write(path, value);
  fire(path);
}

void Store::drop(const std::string& path) {
  if (!tree_.has(path)) return;
  tree_.remove(path);
  fire(path);
}

bool Store::write_as(DomId who, const std::string& path, const std::string& value) {
  if (!tree_.may_write(who, path)) return false;
  put(path, value);
  return true;
}

std::optional<std::string> Store::read_as(DomId who, const std::string& path) const {
  if (!tree_.may_read(who, path)) return std::nullopt;
  return tree_.read(path);
}

Result<std::optional<std::string>> Store::read(const std::string& path) {
  return faults_.call<Result<std::optional<std::string>>>("store.read",
                                                          [&] { return tree_.read(path); });
}

Result<std::vector<std::string>> Store::list(const std::string& path) {
  return faults_.call<Result<std::vector<std::string>>>("store.list",
                                                        [&] { return tree_.list(path); });
}

Result<void> Store::write(const std::string& path, const std::string& value) {
  return faults_.call<Result<void>>("store.write", [&]() -> Result<void> {
    put(path, value);
    return {};
  });
}

Result<void> Store::mkdir(const std::string& path) {
  return faults_.call<Result<void>>("store.mkdir", [&]() -> Result<void> {
    tree_.mkdir(path);
    fire(path);
    return {};
  });
}

Result<void> Store::remove(const std::string& path) {
  return faults_.call<Result<void>>("store.remove", [&]() -> Result<void> {
    drop(path);
    return {};
  });
}

Result<void> Store::set_perms(const std::string& path, const StorePerms& perms) {
  return faults_.call<Result<void>>("store.set_perms", [&]() -> Result<void> {
    if (!tree_.has(path)) return fail_errno("sim: set_perms " + path, ENOENT);
    tree_.set_perms(path, perms);
    return {};
  });
}

Result<void> Store::transaction(const std::function<Result<void>(StoreView&)>& body) {
  for (int i = 0; i < kTransactionTries; ++i) {
    View view(tree_, faults_);
    if (auto done = body(view); !done) return done;
    bool again = false;
    auto committed = faults_.call<Result<void>>("store.commit", [&]() -> Result<void> {
      const auto& touched = view.touched();
      const bool hammered =
          hammering && std::any_of(touched.begin(), touched.end(), [&](const std::string& path) {
            return tree_.may_write(*hammering, path);
          });
      again = hammered || conflicts_ > 0;
      if (conflicts_ > 0) --conflicts_;
      if (again) return {};
      tree_ = view.tree();
      // All changes are there before the first watch fires: that is what a transaction is for.
      for (const auto& path : view.changed()) fire(path);
      return {};
    });
    if (!committed) return committed;
    if (!again) return {};
  }
  return fail(ErrorKind::busy, "sim: transactions keep conflicting");
}

Result<void> Store::watch(const std::string& path, const std::string& token) {
  return faults_.call<Result<void>>("store.watch", [&]() -> Result<void> {
    const auto [first, last] = watches_.equal_range(path);
    if (std::any_of(first, last, [&](const auto& entry) { return entry.second == token; }))
      return {};
    watches_.emplace(path, token);
    queue({path, token});  // a new watch fires at once
    return {};
  });
}

Result<void> Store::unwatch(const std::string& path, const std::string& token) {
  return faults_.call<Result<void>>("store.unwatch", [&]() -> Result<void> {
    for (auto [at, end] = watches_.equal_range(path); at != end; ++at)
      if (at->second == token) {
        watches_.erase(at);
        break;
      }
    return {};
  });
}

Result<std::optional<WatchEvent>> Store::next_event() {
  if (events_.empty()) {
    std::uint64_t count = 0;
    (void)!::read(fd_, &count, sizeof count);
    return std::nullopt;
  }
  auto event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace pciassign::sim
