// SPDX-License-Identifier: GPL-2.0-only
// The raw content of the shared page: whatever passes the check is safe to act on.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "pciback/opcheck.h"
#include "pciback/vpci.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wire_op op{};
  std::memcpy(&op, data, size < sizeof(op) ? size : sizeof(op));
  if (op_check(&op) != WIRE_OK) return 0;
  if (op.cmd <= WIRE_CONF_WRITE && (op.offset < 0 || op.offset + op.size > 4096)) std::abort();
  if (op.cmd == WIRE_ENABLE_MSIX && op_check_msix(&op, 33) == 0)
    for (unsigned i = 0; i < op.value; i++)
      if (op.msix[i].entry >= 33) std::abort();
  vpci v{};
  if (vpci_find(&v, op.domain, op.bus, op.devfn)) std::abort();
  return 0;
}
