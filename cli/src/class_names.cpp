// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "text.hpp"

namespace pciassign::cli {
namespace {

struct ClassName {
  std::uint16_t code;  ///< Base class and subclass.
  const char* name;
};

// PCI Code and ID Assignment Specification, the ones met in practice, in the words of pci.ids.
constexpr std::array kClasses{
    ClassName{0x0100, "SCSI storage controller"},
    ClassName{0x0101, "IDE interface"},
    ClassName{0x0104, "RAID bus controller"},
    ClassName{0x0106, "SATA controller"},
    ClassName{0x0107, "Serial Attached SCSI controller"},
    ClassName{0x0108, "Non-Volatile memory controller"},
    ClassName{0x0180, "Mass storage controller"},
    ClassName{0x0200, "Ethernet controller"},
    ClassName{0x0207, "Infiniband controller"},
    ClassName{0x0280, "Network controller"},
    ClassName{0x0300, "VGA compatible controller"},
    ClassName{0x0302, "3D controller"},
    ClassName{0x0380, "Display controller"},
    ClassName{0x0400, "Multimedia video controller"},
    ClassName{0x0401, "Multimedia audio controller"},
    ClassName{0x0403, "Audio device"},
    ClassName{0x0500, "RAM memory"},
    ClassName{0x0600, "Host bridge"},
    ClassName{0x0601, "ISA bridge"},
    ClassName{0x0604, "PCI bridge"},
    ClassName{0x0680, "Bridge"},
    ClassName{0x0700, "Serial controller"},
    ClassName{0x0702, "Multiport serial controller"},
    ClassName{0x0780, "Communication controller"},
    ClassName{0x0800, "PIC"},
    ClassName{0x0805, "SD Host controller"},
    ClassName{0x0806, "IOMMU"},
    ClassName{0x0880, "System peripheral"},
    ClassName{0x0c00, "FireWire (IEEE 1394)"},
    ClassName{0x0c03, "USB controller"},
    ClassName{0x0c05, "SMBus"},
    ClassName{0x0d11, "Bluetooth"},
    ClassName{0x1000, "Network and computing encryption device"},
    ClassName{0x1080, "Encryption controller"},
    ClassName{0x1200, "Processing accelerator"},
};

}  // namespace

std::string class_name(std::uint32_t class_code) {
  const auto code = static_cast<std::uint16_t>(class_code >> 8);
  const auto found = std::find_if(kClasses.begin(), kClasses.end(),
                                  [code](const ClassName& entry) { return entry.code == code; });
  return found == kClasses.end() ? fmt::format("Class {:04x}", code) : found->name;
}

bool is_of_class(std::uint32_t class_code, std::string_view wanted) {
  const std::string number = fmt::format("{:06x}", class_code);
  const bool hexadecimal = wanted.size() >= 2 && wanted.size() % 2 == 0 &&
                           wanted.find_first_not_of("0123456789abcdefABCDEF") == wanted.npos;
  const auto lower = [](std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
  };
  if (hexadecimal && number.starts_with(lower(wanted))) return true;
  return lower(class_name(class_code)).find(lower(wanted)) != std::string::npos;
}

}  // namespace pciassign::cli
