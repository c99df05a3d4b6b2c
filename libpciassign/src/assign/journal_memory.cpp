// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/journal.hpp"

namespace pciassign {
namespace {

class MemoryJournal final : public Journal {
 public:
  Result<void> put(const AttachmentRecord& record) override {
    records_[record.device] = record;
    return {};
  }
  Result<void> erase(const Sbdf& device) override {
    records_.erase(device);
    return {};
  }
  Result<std::vector<AttachmentRecord>> all() override {
    std::vector<AttachmentRecord> list;
    for (const auto& [device, record] : records_) list.push_back(record);
    return list;
  }
  Result<std::optional<AttachmentRecord>> find(const Sbdf& device) override {
    const auto at = records_.find(device);
    if (at == records_.end()) return std::nullopt;
    return at->second;
  }
  Result<std::vector<JournalFault>> faults() override { return std::vector<JournalFault>{}; }
  [[nodiscard]] std::filesystem::path directory() const override { return {}; }

 private:
  std::map<Sbdf, AttachmentRecord> records_;
};

}  // namespace

std::unique_ptr<Journal> make_memory_journal() {
  return std::make_unique<MemoryJournal>();
}

}  // namespace pciassign
