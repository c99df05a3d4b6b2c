// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include "pciback/opcheck.h"

namespace {

wire_op conf(std::int32_t offset, std::int32_t size) {
  wire_op op{};
  op.cmd = WIRE_CONF_READ;
  op.offset = offset;
  op.size = size;
  return op;
}

TEST(Op, OffsetsAndSizesAreBounded) {
  for (int size : {1, 2, 4}) {
    auto op = conf(4096 - size, size);
    EXPECT_EQ(op_check(&op), WIRE_OK);
  }
  struct {
    std::int32_t offset, size;
  } bad[] = {{-1, 1}, {-4, 4}, {INT32_MIN, 4}, {INT32_MAX, 1}, {4096, 1}, {4094, 4},
             {1, 2},  {2, 4},  {0, 0},         {0, -1},        {0, 3},    {0, 8}};
  for (auto& b : bad) {
    auto op = conf(b.offset, b.size);
    EXPECT_EQ(op_check(&op), WIRE_ERR_OFFSET) << b.offset << ' ' << b.size;
  }
}

TEST(Op, UnknownCommandsAndAddressesAreAnswered) {
  wire_op op{};
  for (std::uint32_t cmd : {6u, 7u, 8u, 9u, 10u, 0xffffffffu}) {
    op.cmd = cmd;
    EXPECT_EQ(op_check(&op), WIRE_ERR_NOT_IMPLEMENTED) << cmd;
  }
  op.cmd = WIRE_ENABLE_MSI;
  EXPECT_EQ(op_check(&op), WIRE_OK);
  op.devfn = 256;
  EXPECT_EQ(op_check(&op), WIRE_ERR_NO_DEVICE);
  op.devfn = 0;
  op.bus = 256;
  EXPECT_EQ(op_check(&op), WIRE_ERR_NO_DEVICE);
}

TEST(Op, MsixEntriesAreCountedDistinctAndInTheTable) {
  wire_op op{};
  op.cmd = WIRE_ENABLE_MSIX;
  op.value = 0;
  EXPECT_EQ(op_check(&op), -EINVAL);
  op.value = WIRE_MAX_VECTORS + 1;
  EXPECT_EQ(op_check(&op), -EINVAL);
  op.value = 2;
  op.msix[0].entry = 0;
  op.msix[1].entry = 4;
  EXPECT_EQ(op_check(&op), WIRE_OK);
  EXPECT_EQ(op_check_msix(&op, 5), 0);
  EXPECT_EQ(op_check_msix(&op, 4), -EINVAL);
  op.msix[1].entry = 0;
  EXPECT_EQ(op_check_msix(&op, 5), -EINVAL);
  op.msix[1].entry = 0xffff;
  EXPECT_EQ(op_check_msix(&op, 2048), -EINVAL);
}

}  // namespace
