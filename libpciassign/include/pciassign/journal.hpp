// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The journal: what was granted to whom, written before it is granted, removed after it is gone.
/// It tells of one boot of Xen and dom0: after another one nothing of it is true, while the same
/// numbers of domains and addresses of devices mean others. So it lies where a boot begins with
/// nothing (/run), each record carries the boot's identity, and one of another boot is none.
/// One JSON file for each device, written to a temporary file and renamed.
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
  std::string boot;                 ///< boot_id() then; the journal itself writes it.
};

/// A file in the journal's directory that is no record of this boot.
struct JournalFault {
  /// Why it is none.
  enum class Kind {
    damaged,  ///< It should be the record of `device`, and cannot be read: nobody knows who has it.
    former,   ///< It is the record of another boot, or does not say of which.
    stray,    ///< Its name is not that of a record.
  };
  Kind kind = Kind::stray;     ///< Why it is none.
  std::filesystem::path file;  ///< The whole path.
  std::optional<Sbdf> device;  ///< By the file's name; not for a stray one.
  std::string why;             ///< For a person; with the file's name.
  std::string hint;            ///< What to do about it.
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
  /// Every record, by device. A file that is none is left out: faults() tells of it.
  virtual Result<std::vector<AttachmentRecord>> all() = 0;
  /// Empty when the device has none. An error (E-OWNED) when what it has cannot be read.
  virtual Result<std::optional<AttachmentRecord>> find(const Sbdf& device) = 0;
  /// What else is there, by name. A damaged record concerns its own device only.
  virtual Result<std::vector<JournalFault>> faults() = 0;
  /// Where its files are; empty: it has none.
  [[nodiscard]] virtual std::filesystem::path directory() const = 0;
};

/// The identity of dom0's present boot, and so of the Xen below it: 8-4-4-4-12 hexadecimal digits
/// of /proc/sys/kernel/random/boot_id (random(4)). `proc`: where procfs is.
Result<std::string> boot_id(const std::filesystem::path& proc = "/proc");

/// Journal of the boot `boot` in `directory` (normally /run/pciassign/journal), which is created
/// with the first record. Records of another boot are no records; nothing is dropped here.
Result<std::unique_ptr<Journal>> open_journal(std::filesystem::path directory, std::string boot);
/// A journal that ends with the process: for tests and for dry runs.
std::unique_ptr<Journal> make_memory_journal();

class StoreView;

/// Whether our mark in xenstore says that the domain with that UUID has got a device of this boot.
Result<bool> has_marked_device(StoreView& store, const std::string& domain_uuid);

/// What settle_journal() did with a file.
struct SettledRecord {
  std::filesystem::path file;  ///< As it was.
  Sbdf device;                 ///< By the file's name.
  std::string domain_name;     ///< By the record; empty where it cannot be read.
  std::optional<DomId> domid;  ///< Likewise.
  bool taken_over = false;     ///< It is of this boot, and in `journal` now. Else it is gone.
  std::string why;             ///< For a person: "it is of another boot".
};
/// Puts the records of `directory`, of the journal or of a release before this one
/// (/var/lib/pciassign/journal), right before anything is done by them. Those of another boot are
/// dropped, and so is one without identity, as those releases wrote them, unless our mark in
/// xenstore, which lives as long as Xen, proves that it is of this boot: that goes into `journal`.
/// Files that are no records are left alone. What is in `journal` already wins. Can be repeated
/// after an error or a crash.
Result<std::vector<SettledRecord>> settle_journal(const std::filesystem::path& directory,
                                                  Journal& journal, StoreView& store,
                                                  const std::string& boot);

}  // namespace pciassign
