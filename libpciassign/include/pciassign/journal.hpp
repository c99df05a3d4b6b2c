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

enum class Phase { attaching, attached, detaching };
/// "attaching", "attached" or "detaching", as the journal's files and DeviceView::state say it.
std::string_view to_string(Phase phase) noexcept;

/// All that is needed to take an attachment back without asking sysfs again (which lies: `irq`
/// is an MSI number while MSI is on).
struct AttachmentRecord {
  Sbdf device;
  std::uint16_t vendor = 0, device_id = 0;
  std::uint32_t class_code = 0;
  std::string serial, location;  ///< As the device had them when the plan was made.
  DomId domid = 0;
  std::string domain_name;
  std::string domain_uuid;
  Phase phase = Phase::attaching;
  std::vector<Region> regions;  ///< What was (or is about to be) granted.
  std::optional<int> gsi;       ///< Recorded at attach.
  std::optional<int> pirq;
  AssignOptions options;
  bool iommu = true;                ///< false: attached without one (allow=no-iommu).
  bool reset_acknowledged = false;  ///< true: allow=no-reset, or reset=best-effort.
  std::string seized_from;          ///< dom0 driver that it was taken from, for release.
};

class Journal {
 public:
  virtual ~Journal() = default;
  virtual Result<void> put(const AttachmentRecord& record) = 0;
  /// Success when there is none.
  virtual Result<void> erase(const Sbdf& device) = 0;
  virtual Result<std::vector<AttachmentRecord>> all() = 0;
  virtual Result<std::optional<AttachmentRecord>> find(const Sbdf& device) = 0;
};

/// Journal in `directory` (normally /var/lib/pciassign/journal), created when missing. An
/// unreadable entry is an error of all() that names the file; it is never dropped silently.
Result<std::unique_ptr<Journal>> open_journal(std::filesystem::path directory);
std::unique_ptr<Journal> make_memory_journal();

}  // namespace pciassign
