// SPDX-License-Identifier: LGPL-2.1-or-later
#include <unistd.h>

#include "assign/claim.hpp"
#include "assign/journal_read.hpp"

namespace pciassign {
namespace {

namespace fs = std::filesystem;

class Settling {
 public:
  Settling(const fs::path& directory, Journal& journal, StoreView& store, const std::string& boot)
      : directory_(directory), journal_(journal), store_(store), boot_(boot) {
    std::error_code ec;
    own_ = fs::equivalent(directory, journal.directory(), ec);
  }

  Result<std::vector<SettledRecord>> run() {
    const auto names = detail::journal_names(directory_);
    if (!names) return tl::unexpected(names.error());
    for (const auto& name : *names) {
      const auto device = detail::device_of_journal_file(name);
      std::error_code ec;
      // A folder of that name, or what else is no file, nobody of ours has made.
      if (!device || !fs::is_regular_file(fs::symlink_status(directory_ / name, ec))) continue;
      if (auto done = settle(directory_ / name, *device); !done)
        return tl::unexpected(done.error());
    }
    return std::move(settled_);
  }

 private:
  Result<void> settle(const fs::path& file, const Sbdf& device) {
    const auto read = detail::read_journal_file(file, device);
    if (!read) return settle_damaged(file, device, read.error());
    if (!*read) return {};
    const auto& record = **read;
    SettledRecord settled{file, device, record.domain_name, record.domid, false, {}};
    if (record.boot == boot_) {
      if (own_) return {};
    } else if (!record.boot.empty()) {
      return drop(std::move(settled), "it is of another boot");
    } else {
      auto ours = detail::is_claimed(store_, record);
      if (!ours) return tl::unexpected(ours.error());
      if (!*ours)
        return drop(std::move(settled),
                    "it does not say of which boot it is, and xenstore knows nothing of it");
    }
    const auto there = journal_.find(device);
    if (there && *there) return drop(std::move(settled), "the journal has a newer one");
    if (auto put = journal_.put(record); !put) return put;
    settled.taken_over = true;
    settled.why = "it is of this boot, as xenstore proves";
    return done_with(std::move(settled));
  }

  /// Somebody may have the device: then it stays, and keeps it from everybody else.
  Result<void> settle_damaged(const fs::path& file, const Sbdf& device, const Error& error) {
    if (own_) return {};
    SettledRecord settled{file, device, {}, {}, false, {}};
    auto ours = detail::is_claimed(store_, device);
    if (!ours) return tl::unexpected(ours.error());
    std::error_code ec;
    const auto place = journal_.directory() / file.filename();
    if (!*ours || journal_.directory().empty() || fs::exists(place, ec))
      return drop(std::move(settled), error.message);
    fs::create_directories(journal_.directory(), ec);
    fs::copy_file(file, place, ec);
    if (ec) return fail_errno("copying " + file.string() + " to " + place.string(), ec.value());
    settled.taken_over = true;
    settled.why = error.message;
    return done_with(std::move(settled));
  }

  Result<void> drop(SettledRecord settled, std::string why) {
    settled.why = std::move(why);
    return done_with(std::move(settled));
  }

  /// In the journal's own directory the record has been written over by itself. One that cannot be
  /// removed is none all the same, now and next time.
  Result<void> done_with(SettledRecord settled) {
    if ((!own_ || !settled.taken_over) && ::unlink(settled.file.c_str()) != 0)
      settled.why += "; " + fail_errno("it cannot be removed").value().message;
    settled_.push_back(std::move(settled));
    return {};
  }

  const fs::path& directory_;
  Journal& journal_;
  StoreView& store_;
  const std::string& boot_;
  bool own_ = false;
  std::vector<SettledRecord> settled_;
};

}  // namespace

Result<bool> has_marked_device(StoreView& store, const std::string& domain_uuid) {
  return detail::has_claim(store, domain_uuid);
}

Result<std::vector<SettledRecord>> settle_journal(const fs::path& directory, Journal& journal,
                                                  StoreView& store, const std::string& boot) {
  return Settling(directory, journal, store, boot).run();
}

}  // namespace pciassign
