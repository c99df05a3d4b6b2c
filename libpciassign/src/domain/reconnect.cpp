// SPDX-License-Identifier: LGPL-2.1-or-later
// The transaction that gives a guest's device another back end where it is.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "domain/record.hpp"

namespace pciassign {
namespace {

/// A device has some twenty nodes. The directory is the guest's, and each node costs a request.
constexpr std::size_t kMostNodes = 128;

/// What the back end's side finds out and writes: nothing of it is taken over from the record.
constexpr std::array<std::string_view, 3> kByTheBackend = {"physical-device",
                                                           "physical-device-path", "hotplug-error"};

/// The record's own two pointers, and what starts anew.
bool copied(std::string_view name) {
  if (name == "backend" || name == "frontend" || name == "state" || name == "online") return false;
  return std::find(kByTheBackend.begin(), kByTheBackend.end(), name) == kByTheBackend.end();
}

/// What only a former connection means: its shared pages, event channels and queues.
bool of_a_connection(std::string_view name) {
  return name.starts_with("ring-ref") || name.starts_with("event-channel") ||
         name.starts_with("queue-") || name.ends_with("-ring-ref") || name == "ring-page-order" ||
         name == "num-ring-pages" || name == "multi-queue-num-queues";
}

Result<void> must_be_there(StoreView& store, const std::string& path, const std::string& what) {
  auto children = store.list(path);
  if (!children) return tl::unexpected(children.error());
  if (children->empty()) return fail(ErrorKind::not_found, what + " has gone from xenstore");
  return {};
}

class Transaction {
 public:
  Transaction(StoreView& store, const Dependent& dependent, DomId domain)
      : store_(store),
        dependent_(dependent),
        domain_(domain),
        record_(detail::record_path(dependent)),
        front_(detail::front_path(dependent)),
        back_(detail::back_path(dependent, domain)) {}

  Result<void> run() {
    // A write would bring the directory of a domain that is gone back to life.
    for (const DomId domid : {dependent_.guest, domain_})
      if (auto ok = must_be_there(store_, fmt::format("/local/domain/{}", domid),
                                  fmt::format("domain {}", domid));
          !ok)
        return ok;
    const auto device = fmt::format("{} {} of domain {}", to_string(dependent_.kind),
                                    dependent_.devid, dependent_.guest);
    auto record = detail::read_record(store_, dependent_);
    if (!record) return tl::unexpected(record.error());
    const auto now =
        detail::dependent_of(dependent_.guest, dependent_.kind, dependent_.devid, *record);
    if (!now) return fail(ErrorKind::not_found, fmt::format("{} has gone from xenstore", device));
    if (auto ok = must_be_there(store_, front_, device); !ok) return ok;
    if (auto ok = make_backend(now->backend, *record); !ok) return ok;
    if (auto ok = clear_frontend(); !ok) return ok;
    if (auto ok = share_frontend(device); !ok) return ok;
    if (auto ok = start_frontend(*record); !ok) return ok;
    return store_.write(record_ + "/backend", back_);
  }

 private:
  /// All that the new domain needs is there when it learns of the directory: it would fail on half.
  Result<void> make_backend(DomId former, const std::map<std::string, std::string>& record) {
    // Where the old domain is still there, its back end lets go of the device.
    if (former != domain_)
      if (auto ok = store_.remove(detail::back_path(dependent_, former)); !ok) return ok;
    if (auto ok = store_.remove(back_); !ok) return ok;
    if (auto ok = store_.mkdir(back_); !ok) return ok;
    if (auto ok = store_.set_perms(back_, {domain_, dependent_.guest}); !ok) return ok;
    if (auto ok = store_.write(back_ + "/frontend", front_); !ok) return ok;
    // netback waits for a status only where there is a node for it.
    for (const auto& [name, value] : record)
      if (copied(name))
        if (auto ok = store_.write(back_ + "/" + name, name == "hotplug-status" ? "" : value); !ok)
          return ok;
    if (auto ok = store_.write(back_ + "/online", "1"); !ok) return ok;
    return write_state(back_);
  }

  Result<void> clear_frontend() {
    auto names = store_.list(front_);
    if (!names) return tl::unexpected(names.error());
    for (const auto& name : *names)
      if (of_a_connection(name))
        if (auto ok = store_.remove(front_ + "/" + name); !ok) return ok;
    return {};
  }

  /// Readable by the new domain alone, with every node: its permission on the directory is only
  /// inherited by nodes that are made later.
  Result<void> share_frontend(const std::string& device) {
    std::vector<std::string> nodes{front_};
    for (std::size_t at = 0; at < nodes.size(); ++at) {
      auto names = store_.list(nodes[at]);
      if (!names) return tl::unexpected(names.error());
      if (nodes.size() + names->size() > kMostNodes)
        return fail(ErrorKind::refused,
                    fmt::format("{} has more than {} nodes in xenstore", device, kMostNodes));
      for (const auto& name : *names) nodes.push_back(nodes[at] + "/" + name);
    }
    for (const auto& node : nodes)
      if (auto ok = store_.set_perms(node, {dependent_.guest, domain_}); !ok) return ok;
    return {};
  }

  Result<void> start_frontend(const std::map<std::string, std::string>& record) {
    // The one node there that the back end's side may write: it went with the old domain.
    if (dependent_.kind == DependentKind::vif) {
      const auto mtu = record.find("mtu");
      const auto path = front_ + "/mtu";
      if (auto ok = store_.write(path, mtu == record.end() ? "1500" : mtu->second); !ok) return ok;
      if (auto ok = store_.set_perms(path, {domain_, dependent_.guest}); !ok) return ok;
    }
    if (auto ok = store_.write(front_ + "/backend", back_); !ok) return ok;
    if (auto ok = mark(); !ok) return ok;
    // In this order the guest's watches fire.
    if (auto ok = write_state(front_); !ok) return ok;
    return store_.write(front_ + "/backend-id", std::to_string(domain_));
  }

  /// Tells pvreconnect that this is the same device still: the toolstack makes another one with a
  /// directory of its own, and what is on its way to the old disk must not reach the new one.
  Result<void> mark() {
    const auto path = front_ + "/reconnected";
    auto last = store_.read(path);
    if (!last) return tl::unexpected(last.error());
    const auto count = *last ? detail::whole_number<std::uint16_t>(**last).value_or(0) : 0;
    return store_.write(path, std::to_string(count + 1));
  }

  Result<void> write_state(const std::string& directory) {
    return store_.write(directory + "/state",
                        std::to_string(static_cast<int>(XenbusState::initialising)));
  }

  StoreView& store_;
  const Dependent& dependent_;
  DomId domain_;
  std::string record_, front_, back_;
};

}  // namespace

Result<void> reconnect(Store& store, const Dependent& dependent, DomId domain) {
  return store.transaction(
      [&](StoreView& view) { return Transaction(view, dependent, domain).run(); });
}

}  // namespace pciassign
