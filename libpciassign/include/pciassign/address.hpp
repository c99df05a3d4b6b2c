// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// PCI addresses and the device specification grammar of xl.cfg(5) and xl-pci-configuration(5).
#pragma once
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pciassign/result.hpp"

namespace pciassign {

/// Segment, bus, device (0-31) and function (0-7) of a PCI function.
struct Sbdf {
  std::uint16_t segment = 0;  ///< PCI segment group ("domain" in Linux).
  std::uint8_t bus = 0;       ///< 0-255.
  std::uint8_t device = 0;    ///< 0-31.
  std::uint8_t function = 0;  ///< 0-7.

  /// In the order in which sysfs and lspci list them.
  auto operator<=>(const Sbdf&) const = default;

  /// As Xen's domctls take it: segment << 16 | bus << 8 | device << 3 | function.
  [[nodiscard]] std::uint32_t machine() const noexcept;
  /// The inverse of machine().
  static Sbdf from_machine(std::uint32_t value) noexcept;
  /// "0000:03:00.0", as sysfs and xenstore's dev-N spell it.
  [[nodiscard]] std::string str() const;
  /// "0000-03-00-0", as libxl names its nodes in /libxl/pci.
  [[nodiscard]] std::string libxl_key() const;
  /// The address of such a name, spelt as libxl_key() does; empty: it is none.
  static std::optional<Sbdf> from_libxl_key(std::string_view key);
  /// Accepts [DDDD:]BB:DD.F in hexadecimal; anything else is ErrorKind::usage.
  static Result<Sbdf> parse(std::string_view text);
};

/// What becomes of memory that the firmware reserved for the device (xl's rdm_policy): strict
/// refuses the assignment, relaxed goes on without protection from it.
enum class RdmPolicy { strict, relaxed };

/// What a device needs that its former owner's state does not reach the next one.
enum class ResetPolicy {
  required,     ///< The function can be reset by itself, and that worked.
  bus,          ///< The whole bus may be reset: every function on it goes along or is nobody's.
  best_effort,  ///< A reset is tried; only what can be verified afterwards must be well.
  none,         ///< No reset; accepted aloud. DMA must be off all the same.
};

/// What the device at an address must be; empty members are not compared. Addresses move when a
/// card is added: a pinned device is refused then, rather than another one given away.
struct Identity {
  std::optional<std::uint16_t> vendor;      ///< Device::vendor.
  std::optional<std::uint16_t> device;      ///< Device::device.
  std::optional<std::uint32_t> class_code;  ///< 24 bits, as Device::class_code.
  std::string serial;                       ///< Device Serial Number, "00-1b-21-ff-ff-8c-9a-10".
  std::string path;                         ///< Device::location(), "pci0000:00/1c.0/00.0".

  /// Member by member.
  bool operator==(const Identity&) const = default;
};

/// Options of one assignment; the defaults are xl's.
struct AssignOptions {
  std::optional<std::uint8_t> vslot;  ///< Virtual slot 0-31 wanted in the guest.
  bool permissive = false;            ///< The guest may write device-specific registers.
  bool msitranslate = false;          ///< Told to the back end, as libxl does (HVM guests).
  bool seize = false;       ///< Take the device from its dom0 driver when it is not on pciback yet.
  bool power_mgmt = false;  ///< Told to the back end, as libxl does (HVM guests).
  RdmPolicy rdm_policy = RdmPolicy::strict;   ///< For reserved memory.
  ResetPolicy reset = ResetPolicy::required;  ///< What the attach needs of a reset.
  Identity expected;                          ///< What must be at the address.
  /// Findings that the administrator accepts aloud, by code in lower case without "E-",
  /// e.g. {"no-reset", "no-iommu"} (ours; written allow=no-reset+no-iommu).
  std::vector<std::string> allow;

  /// Member by member.
  bool operator==(const AssignOptions&) const = default;
};

/// A parsed device specification.
struct DeviceSpec {
  Sbdf sbdf;                   ///< The function, or function 0 of the slot.
  bool all_functions = false;  ///< "BB:DD.*": every function of the slot; sbdf.function is 0.
  std::string name;            ///< Set instead of sbdf for "name=...".
  AssignOptions options;       ///< Of this device alone.

  /// Member by member.
  bool operator==(const DeviceSpec&) const = default;

  /// Grammar: bdf["@"hex][,key=value]* or key=value[,key=value]*, plus Xen 2.0's "bb,dd,ff" and
  /// the SXP form. Keys: bdf vslot permissive msitranslate seize power_mgmt rdm_policy name, and
  /// ours: allow, reset=required|bus|best-effort|none, and the pins id=VENDOR:DEVICE[:CLASS],
  /// serial=, path=. Exactly one of bdf and name. Duplicate and unknown keys are errors that name
  /// the key and list the known ones. Booleans: 0 1 yes no true false on off.
  static Result<DeviceSpec> parse(std::string_view text, const AssignOptions& defaults = {});
  /// Canonical text that parse() accepts.
  [[nodiscard]] std::string str() const;
};

}  // namespace pciassign
