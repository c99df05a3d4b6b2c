// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The journal: what was granted to whom, durable before it is granted, removed after it is gone.
/// One JSON file for each device, written to a temporary file, fsynced, renamed, directory fsynced.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pciassign/address.hpp"
#include "pciassign/hypervisor.hpp"
#include "pciassign/pci_bus.hpp"
#include "pciassign/result.hpp"

namespace pciassign {

/// How far an attachment is. What is not `attached` was interrupted if no plan runs.
enum class Phase { attaching, attached, detaching };
/// "attaching", "attached" or "detaching", as the journal's files and DeviceView::state say it.
std::string_view to_string(Phase phase) noexcept;

/// All that is needed to take an attachment back without asking sysfs again (which lies: `irq`
/// is an MSI number while MSI is on).
struct AttachmentRecord {
  Sbdf device;                      ///< The key: a device has one record at most.
  std::uint16_t vendor = 0;         ///< What a reset is verified against.
  std::uint16_t device_id = 0;      ///< Likewise.
  std::uint32_t class_code = 0;     ///< 24 bits, as Device::class_code.
  std::string serial;               ///< As the device had it when the plan was made.
  std::string location;             ///< Device::location() then.
  DomId domid = 0;                  ///< Whose it is. Only with the UUID does the number tell.
  std::string domain_name;          ///< For messages.
  std::string domain_uuid;          ///< DomainInfo::uuid_str().
  Phase phase = Phase::attaching;   ///< Written before the step that it stands for.
  std::vector<Region> regions;      ///< What was (or is about to be) granted.
  std::optional<int> gsi;           ///< Recorded at attach.
  std::optional<int> pirq;          ///< What the GSI is in the domain; empty: not mapped.
  AssignOptions options;            ///< As they were asked for.
  bool iommu = true;                ///< false: attached without one (allow=no-iommu).
  bool reset_acknowledged = false;  ///< true: allow=no-reset, or reset=best-effort.
  std::string seized_from;          ///< dom0 driver that it was taken from, for release.
};

/// What was given to whom, from before it is given until it has been taken back. A port: a
/// directory of files, or memory.
class Journal {
 public:
  virtual ~Journal() = default;
  /// Durable when it returns; replaces the device's record.
  virtual Result<void> put(const AttachmentRecord& record) = 0;
  /// Success when there is none.
  virtual Result<void> erase(const Sbdf& device) = 0;
  /// Every record, by device. An unreadable one makes it an error.
  virtual Result<std::vector<AttachmentRecord>> all() = 0;
  /// Empty when the device has none.
  virtual Result<std::optional<AttachmentRecord>> find(const Sbdf& device) = 0;
};

/// Journal in `directory` (normally /var/lib/pciassign/journal), created when missing. An
/// unreadable entry is an error of all() that names the file; it is never dropped silently.
Result<std::unique_ptr<Journal>> open_journal(std::filesystem::path directory);
/// A journal that ends with the process: for tests and for dry runs.
std::unique_ptr<Journal> make_memory_journal();

}  // namespace pciassign
