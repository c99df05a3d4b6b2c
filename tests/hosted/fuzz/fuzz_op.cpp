// SPDX-License-Identifier: GPL-2.0-only
// The raw content of the shared page, one op after the other, dispatched as pciback does it: copy,
// check, look the device up, access. Whatever passes the checks is safe to act on.
#include <cstring>

#include "access_target.hpp"
#include "pciback/opcheck.h"
#include "pciback/topology.h"

using hosted::Step;

namespace {

constexpr unsigned kTable = 33;  // of MSI-X, in every device here

struct Slot {
  hosted::Function function;
  hosted::Oracle oracle;
};

void dispatch(const topo& t, std::vector<Slot>& slots, const wire_op& op) {
  if (op_check(&op) != WIRE_OK) return;
  auto* slot = static_cast<Slot*>(topo_find(&t, op.domain, op.bus, op.devfn));
  if (!slot) return;
  if (slot < slots.data() || slot >= slots.data() + slots.size()) std::abort();
  switch (op.cmd) {
    case WIRE_CONF_READ:
    case WIRE_CONF_WRITE: {
      auto& f = slot->function;
      if (op.offset < 0 || op.size < 1 || op.offset > 4096 - op.size) std::abort();
      if (cs_check(f.cs.get(), op.offset, op.size)) {
        if (op.offset + op.size <= static_cast<int>(f.hw.size())) std::abort();
        return;
      }
      hosted::accesses++;
      const Step step{op.cmd == WIRE_CONF_WRITE ? Step::write : Step::read,
                      static_cast<std::uint8_t>(op.size), static_cast<std::uint16_t>(op.offset),
                      op.value};
      if (auto why = differ(f, slot->oracle, step); !why.empty())
        hosted::agree(f.name + ": " + text(step) + ": " + why);
      break;
    }
    case WIRE_ENABLE_MSIX: {
      bool seen[kTable] = {};
      if (op_check_msix(&op, kTable)) break;
      if (op.value == 0 || op.value > kTable) std::abort();
      for (std::uint32_t i = 0; i < op.value; i++) {
        if (op.msix[i].entry >= kTable || seen[op.msix[i].entry]) std::abort();
        seen[op.msix[i].entry] = true;
      }
      break;
    }
    default:
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hosted::count_accesses();
  // Three functions: two of one device, and another.
  static std::vector<Slot> slots = [] {
    std::vector<Slot> s;
    for (int i = 0; i < 3; i++)
      s.push_back({hosted::pairs()[i].function, hosted::pairs()[i].oracle});
    return s;
  }();
  static topo t = [] {
    topo made{};
    topo_addr virt{};
    for (unsigned i = 0; i < 3; i++) {
      const topo_addr real{0, 3, static_cast<std::uint8_t>(i / 2),
                           static_cast<std::uint8_t>(i % 2)};
      if (topo_add(&made, &slots[i], &real, false, &virt)) std::abort();
    }
    return made;
  }();
  for (int i = 0; i < 3; i++) {
    *slots[i].function.cs = *hosted::pairs()[i].function.cs;
    slots[i].function.hw = hosted::pairs()[i].function.hw;
    slots[i].oracle = hosted::pairs()[i].oracle;
  }

  // The page stays between ops, as the guest's does. Before each op the guest changes some words of
  // it: a byte says from which one and how many, or that it is the whole page.
  static wire_page page;
  std::memset(&page, 0, sizeof(page));
  while (size) {
    const std::size_t from = *data == 0xff ? 0 : 4u * (*data & 15), most = sizeof(page.op) - from;
    const std::size_t want =
        *data == 0xff ? most : std::min<std::size_t>(4u + 4u * (*data >> 4), most);
    data++, size--;
    const std::size_t n = std::min(want, size);
    std::memcpy(reinterpret_cast<std::uint8_t*>(&page.op) + from, data, n);
    data += n, size -= n;
    const wire_op op = page.op;
    dispatch(t, slots, op);
  }
  for (auto& slot : slots) hosted::agree(differ(slot.function, slot.oracle, 0x100));
  return 0;
}
