// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "pciback/spec.h"

namespace {

int parse(const std::string& s, bool wild, spec_bdf* out) {
  return spec_parse_bdf(s.data(), s.size(), wild, out);
}

TEST(Spec, AddressesWithAndWithoutDomain) {
  spec_bdf b{};
  ASSERT_EQ(parse("03:1f.7\n", false, &b), 0);
  EXPECT_EQ(b.domain, 0u);
  EXPECT_EQ(b.bus, 3u);
  EXPECT_EQ(b.slot, 0x1f);
  EXPECT_EQ(b.func, 7);
  ASSERT_EQ(parse("ABCD:ff:00.0", false, &b), 0);
  EXPECT_EQ(b.domain, 0xabcdu);
  EXPECT_EQ(b.bus, 0xffu);
}

TEST(Spec, WildcardsOnlyWhereTheyAreAllowed) {
  spec_bdf b{};
  ASSERT_EQ(parse("0000:04:02.*", true, &b), 0);
  EXPECT_EQ(b.slot, 2);
  EXPECT_EQ(b.func, SPEC_ANY);
  for (auto s : {"04:*.*", "0000:04:*.*"}) {
    ASSERT_EQ(parse(s, true, &b), 0) << s;
    EXPECT_EQ(b.bus, 4u);
    EXPECT_EQ(b.slot, SPEC_ANY);
    EXPECT_EQ(parse(s, false, &b), -EINVAL) << s;
  }
  EXPECT_EQ(parse("04:*.1", true, &b), -EINVAL);
}

TEST(Spec, RefusesWhatIsNotAnAddress) {
  spec_bdf b{};
  for (auto s : {"", " ", "3", "03:", "03:00", "03:00.", "03:00.8", "03:20.0", "100:00.0",
                 "0000:100:00.0", "10000:00:00.0", "03:00.0x", "03:00.0 1", "g3:00.0", "-3:00.0",
                 "(03:00.0)", "03:00.00000000"})
    EXPECT_EQ(parse(s, true, &b), -EINVAL) << s;
}

TEST(Spec, HideListsAreReadToTheEnd) {
  const std::string s = "(03:00.0)(0000:04:00.*), (05:*.*)";
  std::vector<spec_bdf> all;
  std::size_t pos = 0;
  spec_bdf b{};
  int r;
  while ((r = spec_next_hidden(s.data(), s.size(), &pos, &b)) > 0) all.push_back(b);
  EXPECT_EQ(r, 0);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_TRUE(spec_matches(&all[0], 0, 3, 0, 0));
  EXPECT_FALSE(spec_matches(&all[0], 0, 3, 0, 1));
  EXPECT_TRUE(spec_matches(&all[1], 0, 4, 0, 7));
  EXPECT_FALSE(spec_matches(&all[1], 0, 4, 1, 0));
  EXPECT_TRUE(spec_matches(&all[2], 0, 5, 31, 7));
  EXPECT_FALSE(spec_matches(&all[2], 1, 5, 31, 7));
}

TEST(Spec, AHideListWithAnErrorSaysWhere) {
  const std::string s = "(03:00.0)(nonsense)";
  std::size_t pos = 0;
  spec_bdf b{};
  EXPECT_EQ(spec_next_hidden(s.data(), s.size(), &pos, &b), 1);
  EXPECT_EQ(spec_next_hidden(s.data(), s.size(), &pos, &b), -EINVAL);
  EXPECT_EQ(pos, 9u);
}

TEST(Spec, Quirks) {
  spec_quirk q{};
  const std::string s = "0000:03:00.0-000000e4:4:0000ff00\n";
  ASSERT_EQ(spec_parse_quirk(s.data(), s.size(), &q), 0);
  EXPECT_EQ(q.reg, 0xe4u);
  EXPECT_EQ(q.size, 4u);
  EXPECT_EQ(q.mask, 0xff00u);
  for (std::string bad : {"03:00.0", "03:00.0-e4", "03:00.0-e4:3:0", "03:00.0-e5:2:0",
                          "03:00.0-1000:4:0", "03:00.*-e4:4:0", "03:00.0-e4:4:123456789"})
    EXPECT_EQ(spec_parse_quirk(bad.data(), bad.size(), &q), -EINVAL) << bad;
}

TEST(Spec, AnyTextIsSurvived) {
  std::mt19937 rng(3);
  const std::string letters = "0123456789abcdefF:.*()-, \n";
  for (int round = 0; round < 50000; round++) {
    std::string s;
    for (unsigned n = rng() % 24; n; n--) s += letters[rng() % letters.size()];
    spec_bdf b{};
    spec_quirk q{};
    std::size_t pos = 0;
    if (parse(s, true, &b) == 0) {
      EXPECT_LE(b.bus, 0xffu) << s;
      EXPECT_LE(b.slot, 31) << s;
      EXPECT_LE(b.func, 7) << s;
    }
    spec_parse_quirk(s.data(), s.size(), &q);
    int steps = 0;
    while (spec_next_hidden(s.data(), s.size(), &pos, &b) > 0) ASSERT_LT(steps++, 24);
    EXPECT_LE(pos, s.size());
  }
}

}  // namespace
