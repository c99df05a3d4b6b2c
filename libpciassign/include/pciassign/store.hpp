// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// xenstore as a port.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pciassign/hypervisor.hpp"
#include "pciassign/result.hpp"

namespace pciassign {

/// XenbusState (io/xenbus.h).
enum class XenbusState {
  unknown = 0,
  initialising = 1,
  init_wait = 2,
  initialised = 3,
  connected = 4,
  closing = 5,
  closed = 6,
  reconfiguring = 7,
  reconfigured = 8,
};

/// Permissions of a node: the owner has all; `reader` may read.
struct StorePerms {
  DomId owner = kDom0;          ///< May do everything.
  std::optional<DomId> reader;  ///< May read besides; empty: nobody.
};

/// Reads and writes, alone or inside a transaction.
class StoreView {
 public:
  virtual ~StoreView() = default;
  /// Empty optional when the node does not exist.
  virtual Result<std::optional<std::string>> read(const std::string& path) = 0;
  /// Names of children; empty when the node does not exist.
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  /// Creates the node, and those above it, where they do not exist.
  virtual Result<void> write(const std::string& path, const std::string& value) = 0;
  /// An empty node; success when it exists.
  virtual Result<void> mkdir(const std::string& path) = 0;
  /// Removes the subtree; success when it does not exist.
  virtual Result<void> remove(const std::string& path) = 0;
  /// Of this node alone; nodes below that are made later inherit them.
  virtual Result<void> set_perms(const std::string& path, const StorePerms& perms) = 0;
};

/// Something changed at or below a watched path. It may also come for no change at all.
struct WatchEvent {
  std::string path;   ///< The node that changed.
  std::string token;  ///< As watch() was given it.
};

/// A connection to xenstored.
class Store : public StoreView {
 public:
  /// Runs `body` in a transaction and commits; repeats it while xenstored says EAGAIN (bounded).
  /// An error of the body aborts the transaction and is returned.
  virtual Result<void> transaction(const std::function<Result<void>(StoreView&)>& body) = 0;
  /// Events from now on, one at once. "@introduceDomain" and "@releaseDomain" are paths too.
  virtual Result<void> watch(const std::string& path, const std::string& token) = 0;
  /// Success when there is no such watch.
  virtual Result<void> unwatch(const std::string& path, const std::string& token) = 0;
  /// Readable when next_event() has something.
  [[nodiscard]] virtual int fd() const = 0;
  /// The next watch event without blocking; empty when there is none.
  virtual Result<std::optional<WatchEvent>> next_event() = 0;
};

/// Opens libxenstore. ErrorKind::unavailable when xenstored does not answer.
Result<std::unique_ptr<Store>> open_store();

}  // namespace pciassign
