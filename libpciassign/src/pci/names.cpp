// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/names.hpp"

extern "C" {
#include <pci/pci.h>
}

#include <array>
#include <cstdlib>

namespace pciassign::detail {
namespace {

// libpci reports by these. pci_init() would set them to ones that print and exit; it is not called
// because it opens the bus, and without them the first message is a call to nowhere.
void quiet(char*, ...) {}
__attribute__((noreturn)) void out_of_memory(char*, ...) {
  std::abort();
}

}  // namespace

Names::Names() {
  auto* access = pci_alloc();
  access->error = out_of_memory;
  access->warning = access->debug = quiet;
  access->id_lookup_mode = 0;  // no cache of names from the network
  access_.reset(access);
}
Names::~Names() = default;

void Names::Deleter::operator()(void* access) const {
  pci_cleanup(static_cast<pci_access*>(access));
}

std::string Names::device(std::uint16_t vendor, std::uint16_t device) {
  const std::lock_guard guard(lock_);
  // A machine with thousands of functions has few kinds of them.
  const auto [known, fresh] = known_.try_emplace(std::uint32_t{vendor} << 16 | device);
  if (fresh) known->second = look_up(vendor, device);
  return known->second;
}

std::string Names::look_up(std::uint16_t vendor, std::uint16_t device) {
  std::array<char, 256> buffer{};
  // The lookup never asks the network, and says nothing rather than numbers.
  const int flags = PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB;
  auto* access = static_cast<pci_access*>(access_.get());
  const char* name = pci_lookup_name(access, buffer.data(), static_cast<int>(buffer.size()),
                                     PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | flags, vendor, device);
  if (name != nullptr) return name;
  name = pci_lookup_name(access, buffer.data(), static_cast<int>(buffer.size()),
                         PCI_LOOKUP_VENDOR | flags, vendor);
  return name != nullptr ? name : "";
}

}  // namespace pciassign::detail
