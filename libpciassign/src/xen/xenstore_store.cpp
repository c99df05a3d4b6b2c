// SPDX-License-Identifier: LGPL-2.1-or-later
// The only place that sees libxenstore.
extern "C" {
#include <xenstore.h>
}

#include <fmt/format.h>

#include <array>
#include <cstdlib>

#include "pciassign/store.hpp"

namespace pciassign {
namespace {

// A transaction that conflicts is repeated. Other writers finish in microseconds, so this many
// conflicts in a row mean that something is wrong rather than busy.
constexpr int kTransactionTries = 100;

struct Free {
  void operator()(void* p) const { std::free(p); }
};

/// Reads and writes in one transaction, or outside of any (XBT_NULL).
class View : public StoreView {
 public:
  View(xs_handle* xsh, xs_transaction_t transaction) : xsh_(xsh), transaction_(transaction) {}

  Result<std::optional<std::string>> read(const std::string& path) override {
    unsigned length = 0;
    std::unique_ptr<void, Free> value(xs_read(xsh_, transaction_, path.c_str(), &length));
    if (value) return std::string(static_cast<const char*>(value.get()), length);
    if (errno == ENOENT) return std::nullopt;
    return fail_errno("reading xenstore " + path);
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    unsigned count = 0;
    std::unique_ptr<char*, Free> names(xs_directory(xsh_, transaction_, path.c_str(), &count));
    if (!names) {
      if (errno == ENOENT) return std::vector<std::string>{};
      return fail_errno("listing xenstore " + path);
    }
    return std::vector<std::string>(names.get(), names.get() + count);
  }

  Result<void> write(const std::string& path, const std::string& value) override {
    return done(xs_write(xsh_, transaction_, path.c_str(), value.data(),
                         static_cast<unsigned>(value.size())),
                "writing xenstore ", path);
  }

  Result<void> mkdir(const std::string& path) override {
    return done(xs_mkdir(xsh_, transaction_, path.c_str()), "making xenstore ", path);
  }

  Result<void> remove(const std::string& path) override {
    if (xs_rm(xsh_, transaction_, path.c_str()) || errno == ENOENT) return {};
    return fail_errno("removing xenstore " + path);
  }

  Result<void> set_perms(const std::string& path, const StorePerms& perms) override {
    std::array<xs_permissions, 2> list{};
    list[0].id = perms.owner;
    list[0].perms = XS_PERM_NONE;
    list[1].id = perms.reader.value_or(0);
    list[1].perms = XS_PERM_READ;
    return done(
        xs_set_permissions(xsh_, transaction_, path.c_str(), list.data(), perms.reader ? 2 : 1),
        "setting the permissions of xenstore ", path);
  }

 private:
  static Result<void> done(bool ok, const char* what, const std::string& path) {
    if (ok) return {};
    const int error = errno;
    return fail_errno(what + path, error);
  }

  xs_handle* xsh_;
  xs_transaction_t transaction_;
};

class XenStore final : public Store {
 public:
  explicit XenStore(xs_handle* xsh) : xsh_(xsh), plain_(xsh, XBT_NULL) {}
  ~XenStore() override { xs_close(xsh_); }
  XenStore(const XenStore&) = delete;
  XenStore& operator=(const XenStore&) = delete;

  Result<std::optional<std::string>> read(const std::string& path) override {
    return plain_.read(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return plain_.list(path);
  }
  Result<void> write(const std::string& path, const std::string& value) override {
    return plain_.write(path, value);
  }
  Result<void> mkdir(const std::string& path) override { return plain_.mkdir(path); }
  Result<void> remove(const std::string& path) override { return plain_.remove(path); }
  Result<void> set_perms(const std::string& path, const StorePerms& perms) override {
    return plain_.set_perms(path, perms);
  }

  Result<void> transaction(const std::function<Result<void>(StoreView&)>& body) override {
    for (int i = 0; i < kTransactionTries; ++i) {
      const auto id = xs_transaction_start(xsh_);
      if (id == XBT_NULL) return fail_errno("starting a xenstore transaction");
      View view(xsh_, id);
      auto outcome = body(view);
      const bool conflict = !outcome && outcome.error().sys_errno == EAGAIN;
      if (!outcome) xs_transaction_end(xsh_, id, true);
      if (!outcome && !conflict) return outcome;
      if (outcome && xs_transaction_end(xsh_, id, false)) return {};
      if (outcome && errno != EAGAIN) return fail_errno("ending a xenstore transaction");
    }
    return fail(ErrorKind::busy,
                fmt::format("xenstore: {} transactions in a row conflicted", kTransactionTries));
  }

  Result<void> watch(const std::string& path, const std::string& token) override {
    if (xs_watch(xsh_, path.c_str(), token.c_str()) || errno == EEXIST) return {};
    return fail_errno("watching xenstore " + path);
  }
  Result<void> unwatch(const std::string& path, const std::string& token) override {
    if (xs_unwatch(xsh_, path.c_str(), token.c_str()) || errno == ENOENT) return {};
    return fail_errno("unwatching xenstore " + path);
  }

  [[nodiscard]] int fd() const override { return xs_fileno(xsh_); }

  Result<std::optional<WatchEvent>> next_event() override {
    std::unique_ptr<char*, Free> event(xs_check_watch(xsh_));
    if (!event) {
      if (errno == EAGAIN || errno == 0) return std::nullopt;
      return fail_errno("reading xenstore's watch events");
    }
    return WatchEvent{event.get()[XS_WATCH_PATH], event.get()[XS_WATCH_TOKEN]};
  }

 private:
  xs_handle* xsh_;
  View plain_;
};

}  // namespace

Result<std::unique_ptr<Store>> open_store() {
  xs_handle* xsh = xs_open(0);
  if (xsh == nullptr)
    return fail(ErrorKind::unavailable, "xenstored does not answer",
                "is this dom0, run as root, with xenstored running?");
  return std::make_unique<XenStore>(xsh);
}

}  // namespace pciassign
