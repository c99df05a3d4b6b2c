// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// dom0's PCI bus as sysfs shows it, and what can be done to a device there. A port: the real
/// implementation is SysfsPciBus, the tests' is sim::PciBus.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pciassign/address.hpp"
#include "pciassign/result.hpp"

namespace pciassign {

/// One region of a device: a line of sysfs `resource` (0-5 BARs, 6 the expansion ROM).
struct Region {
  int index = 0;              ///< 0-6.
  std::uint64_t start = 0;    ///< Machine address, or I/O port.
  std::uint64_t size = 0;     ///< Bytes; never 0 in a listed region.
  bool io = false;            ///< I/O ports rather than memory.
  bool prefetchable = false;  ///< IORESOURCE_PREFETCH.
  bool is_64bit = false;      ///< A BAR of two registers; the next index is absent then.

  /// Member by member.
  bool operator==(const Region&) const = default;
  /// First machine frame and number of 4 KiB frames (memory regions).
  [[nodiscard]] std::uint64_t first_frame() const noexcept { return start >> 12; }
  /// Frames that it touches; a part of one counts as a whole.
  [[nodiscard]] std::uint64_t frames() const noexcept {
    return ((start + size - 1) >> 12) - first_frame() + 1;
  }
};

/// A PCI function in dom0.
struct Device {
  Sbdf sbdf;                 ///< Where it is now; moves when cards are added (see location()).
  std::uint16_t vendor = 0;  ///< Configuration space 0x00.
  std::uint16_t device = 0;  ///< Configuration space 0x02.
  std::uint16_t subsystem_vendor = 0;  ///< Configuration space 0x2c.
  std::uint16_t subsystem_device = 0;  ///< Configuration space 0x2e.
  std::uint32_t class_code = 0;        ///< 24 bits: base class, subclass, programming interface.
  std::uint8_t revision = 0;           ///< Configuration space 0x08.
  std::uint8_t header_type = 0;        ///< Without the multi-function bit; 0 endpoint, 1 bridge.
  bool multifunction = false;          ///< The slot has (or could have) further functions.
  std::vector<Region> regions;         ///< Those that have a size, by index.
  int irq = 0;                         ///< sysfs `irq`: the GSI once enabled and while MSI is off.
  std::uint8_t interrupt_pin = 0;      ///< 0 none, 1-4 INTA-INTD.
  bool msi = false;                    ///< It has the capability MSI.
  bool msix = false;                   ///< It has the capability MSI-X.
  bool interrupt_is_msi = false;       ///< MSI or MSI-X is on now: `irq` is not the GSI.
  /// PCI Express device/port type (PCIe base specification 7.5.3.2: 0 endpoint, 4 root port,
  /// 5 upstream and 6 downstream switch port, 7 bridge to conventional PCI, 9 root complex
  /// integrated endpoint); empty for conventional PCI.
  std::optional<std::uint8_t> pcie_type;
  /// Access Control Services are there and switched on as far as the device has them.
  bool acs = false;
  std::string serial;  ///< Device Serial Number, "00-1b-21-ff-ff-8c-9a-10"; empty: it has none.
  std::vector<std::string> reset_methods;  ///< sysfs `reset_method`: flr pm bus ...
  bool resets_below = false;   ///< A bridge whose whole bus can be reset (sysfs reset_subordinate).
  std::string driver;          ///< Bound driver of dom0, or empty.
  std::vector<Sbdf> path;      ///< Bridges from the root bus down to, not including, it.
  std::string parent_bus;      ///< "pci0000:00": the host bridge it hangs on.
  std::optional<Sbdf> physfn;  ///< The PF when this is a virtual function.
  std::string name;            ///< Human readable name from pci.ids, or empty.
  std::vector<std::string>
      in_use;  ///< What of dom0 depends on it ("mounted on /", "default route").

  /// Place on the bus that bus numbers do not change: the host bridge and the device and function
  /// number at each bridge, "pci0000:00/1c.0/00.0".
  [[nodiscard]] std::string location() const;
  /// pciback drives it: reserved, or a domain's.
  [[nodiscard]] bool on_pciback() const { return driver == "pciback"; }
  /// Header type 1 or 2.
  [[nodiscard]] bool is_bridge() const { return header_type != 0; }
};

/// The port to dom0's PCI bus. No call waits for a guest; reset() and bind calls can take up to a
/// few seconds and belong into slow steps.
class PciBus {
 public:
  virtual ~PciBus() = default;
  /// All functions, sorted by address.
  virtual Result<std::vector<Device>> devices() = 0;
  /// One function; ErrorKind::not_found when there is none.
  virtual Result<Device> device(const Sbdf& sbdf) = 0;
  /// The same without `in_use` and `name`, which cost most: asked before each step that touches the
  /// device.
  virtual Result<Device> identify(const Sbdf& sbdf) = 0;
  /// `size` (1, 2 or 4) bytes of configuration space at `offset`, as dom0's kernel reads them.
  virtual Result<std::uint32_t> read_config(const Sbdf& sbdf, unsigned offset, unsigned size) = 0;
  /// Resets the function through pciback's do_flr when it is there, else sysfs `reset`.
  /// Returns the method used ("flr", "pm", "bus"); an error when no method exists, when it failed,
  /// or (E-NOT-RESERVED, nothing was done) when a driver other than pciback has the device.
  virtual Result<std::string> reset(const Sbdf& sbdf) = 0;
  /// Resets every function below the bridge, which keep their configuration (reset_subordinate).
  virtual Result<void> reset_below(const Sbdf& bridge) = 0;
  /// Unbinds the current driver and binds pciback (new_slot, bind). No effect if it is there.
  virtual Result<void> bind_pciback(const Sbdf& sbdf) = 0;
  /// Takes the device from pciback (unbind, remove_slot) and, unless `driver` is empty, binds that.
  virtual Result<void> unbind_pciback(const Sbdf& sbdf, const std::string& driver) = 0;
  /// Writes to configuration registers that pciback denied each device's guest, in the present or
  /// last assignment: pciback's denied_writes, summed up. Devices without any are left out.
  virtual Result<std::map<Sbdf, std::uint64_t>> denied_writes() = 0;
  /// Sets pciback's permissive mode for the device. It ends with the attachment.
  virtual Result<void> set_permissive(const Sbdf& sbdf) = 0;
  /// Whether dom0's kernel still has the PCI back end of a domain. It notices the removal of the
  /// nodes a moment later; nodes that are back by then are not noticed at all.
  virtual bool has_backend(std::uint32_t domid) = 0;
  /// Whether the module with the PCI driver "pciback" is loaded.
  virtual bool pciback_present() = 0;
};

/// The real bus below `root` (normally "/sys").
std::unique_ptr<PciBus> make_sysfs_pci_bus(std::string root = "/sys");

}  // namespace pciassign
