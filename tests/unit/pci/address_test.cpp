// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "pciassign/address.hpp"

namespace pciassign {
namespace {

TEST(Address, IsReadAndPrinted) {
  struct Row {
    const char *text, *canonical, *key;
    std::uint32_t machine;
  };
  for (const auto& row : {Row{"03:00.0", "0000:03:00.0", "0000-03-00-0", 0x300},
                          Row{"0000:00:04.0", "0000:00:04.0", "0000-00-04-0", 0x20},
                          Row{"a:1f.7", "0000:0a:1f.7", "0000-0a-1f-7", 0xaff},
                          Row{"FFFF:FF:1F.7", "ffff:ff:1f.7", "ffff-ff-1f-7", 0xffffffff}}) {
    auto sbdf = Sbdf::parse(row.text);
    ASSERT_TRUE(sbdf) << row.text;
    EXPECT_EQ(sbdf->str(), row.canonical);
    EXPECT_EQ(sbdf->libxl_key(), row.key);
    EXPECT_EQ(sbdf->machine(), row.machine);
    EXPECT_EQ(Sbdf::from_machine(row.machine), *sbdf);
  }
}

TEST(Address, WhatIsWrongIsAUsageErrorThatSaysWhy) {
  struct Row {
    const char *text, *says;
  };
  for (const auto& row :
       {Row{"", "not a PCI address"}, Row{"eth0", "not a PCI address"},
        Row{"03:00", "not a PCI address"}, Row{"3.0", "not a PCI address"},
        Row{"03:20.0", "device 20 is out of range, 1f"},
        Row{"03:00.8", "function 8 is out of range, 7"}, Row{"100:00.0", "bus \"100\""},
        Row{"10000:00:00.0", "segment \"10000\""}, Row{"0:0:0:0.0", "bus \"0:0\""},
        Row{"03:0g.0", "device \"0g\""}, Row{"03:00.", "function \"\""}, Row{":00.0", "bus \"\""},
        Row{"03:00.*", "one function"}, Row{" 03:00.0", "bus \" 03\""},
        Row{"03:-1.0", "device \"-1\""}, Row{"03:00.0 ", "function \"0 \""}}) {
    auto sbdf = Sbdf::parse(row.text);
    ASSERT_FALSE(sbdf) << row.text;
    EXPECT_EQ(sbdf.error().kind, ErrorKind::usage);
    EXPECT_NE(sbdf.error().message.find(row.says), std::string::npos) << sbdf.error().message;
    EXPECT_FALSE(sbdf.error().hint.empty());
  }
}

}  // namespace
}  // namespace pciassign
