// SPDX-License-Identifier: GPL-2.0-only
// Random sequences of accesses, on every captured device and the made-up one, against an oracle
// that knows nothing of the tables; and what must hold of every device whatever it shows.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <random>

#include "captures.hpp"
#include "device.hpp"
#include "steps.hpp"

using hosted::Device;
using hosted::Function;
using hosted::Step;

namespace rc {
template <>
struct Arbitrary<Step> {
  static Gen<Step> arbitrary() {
    // Half of the accesses go where the registers are.
    const auto off = gen::oneOf(gen::inRange(0, 0x40), gen::inRange(0x40, 0x100),
                                gen::inRange(0x100, 0x200), gen::inRange(0, 0x1000));
    const auto value = gen::oneOf(gen::arbitrary<std::uint32_t>(), gen::just(~0u), gen::just(0u),
                                  gen::map(gen::inRange(0, 32), [](int n) { return 1u << n; }));
    const auto kind = gen::weightedElement<Step::Kind>({{40, Step::write},
                                                        {20, Step::read},
                                                        {2, Step::vpd},
                                                        {2, Step::hardware},
                                                        {1, Step::quirk}});
    return gen::map(gen::tuple(kind, gen::element<std::uint8_t>(1, 2, 4), off, value), [](auto t) {
      const auto [kind, size, off, value] = t;
      return Step{kind, size, static_cast<std::uint16_t>(off & ~(size - 1)), value};
    });
  }
};
}  // namespace rc

namespace hosted {
void showValue(const Step& s, std::ostream& out) {
  out << text(s);
}
}  // namespace hosted

namespace {

std::vector<Function> functions() {
  auto all = hosted::captures();
  Device made_up;
  if (made_up.init() == 0) all.emplace_back(made_up);
  return all;
}

TEST(Oracle, PredictsEveryAnswerAndEveryEffect) {
  for (auto& capture : functions()) {
    SCOPED_TRACE(capture.name);
    EXPECT_TRUE(
        rc::check(capture.name, [&](const std::vector<Step>& steps, bool permissive, bool control) {
          Function f(capture);
          hosted::Oracle oracle(f.hw, f.info);
          f.cs->permissive = oracle.permissive = permissive;
          f.cs->interrupt_control = oracle.interrupt_control = control;
          for (auto& step : steps) {
            Step s = step;
            s.off &= f.hw.size() - 1;
            const auto why = differ(f, oracle, s);
            if (!why.empty()) RC_FAIL(text(s) + ": " + why);
          }
          const auto why = differ(f, oracle);
          if (!why.empty()) RC_FAIL(why);
        }));
  }
}

// Many more accesses than a property test makes, without the shrinking.
class Long : public testing::TestWithParam<unsigned> {};

TEST_P(Long, RunsAgreeWithTheOracle) {
  std::mt19937 rng(GetParam());
  for (auto& capture : functions()) {
    Function f(capture);
    hosted::Oracle oracle(f.hw, f.info);
    f.cs->permissive = oracle.permissive = GetParam() % 2;
    f.cs->interrupt_control = oracle.interrupt_control = GetParam() % 3 == 0;
    for (int n = 0; n < 3000; n++) {
      const auto size = static_cast<std::uint8_t>(1 << rng() % 3);
      const auto limit = rng() % 4 ? 256 : f.hw.size();
      const auto off = static_cast<std::uint16_t>(rng() % (limit / size) * size);
      std::uint32_t value = rng();
      if (rng() % 4 == 0) value = ~0u;
      if (rng() % 8 == 0) value = 0;
      const auto kind = rng() % 200 == 0 ? static_cast<Step::Kind>(2 + rng() % 3)
                                         : static_cast<Step::Kind>(rng() % 2);
      const Step step{kind, size, off, value};
      ASSERT_EQ(differ(f, oracle, step), "") << capture.name << ": " << text(step);
    }
    ASSERT_EQ(differ(f, oracle), "") << capture.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Long, testing::Range(1u, 13u));

// Whatever a device shows when it is seized, the view is the one that the oracle expects.
TEST(ConfspaceLayout, AnySnapshotIsReadAsTheOracleReadsIt) {
  std::mt19937 rng(7);
  const auto all = functions();
  for (int round = 0; round < 1000; round++) {
    Function f(all[rng() % all.size()]);
    const int changes = static_cast<int>(rng() % 60);
    for (int i = 0; i < changes; i++) {
      const auto kind = rng() % 4;
      // Pointers and ids are what a list is made of.
      if (kind == 0 && f.hw.size() > 256)
        f.put(static_cast<int>(0x100 + rng() % 64 * 4), 4,
              (rng() % 0x40 * 0x40 + 0x100) << 20 | (rng() % 3) << 16 | rng() % 0x40);
      else if (kind == 1)
        f.put(static_cast<int>(0x40 + rng() % 48 * 4), 2,
              (0x40 + rng() % 48 * 4) << 8 | rng() % 0x18);
      else if (kind == 2)
        f.put(0x34, 1, 0x40 + rng() % 192);
      else
        f.hw[rng() % f.hw.size()] = static_cast<std::uint8_t>(rng());
    }
    f.hw[0x0e] &= 0x80;
    ASSERT_EQ(f.init(), 0);
    hosted::Oracle oracle(f.hw, f.info);
    ASSERT_EQ(differ(f, oracle), "") << f.name << " round " << round;
    f.cs->permissive = oracle.permissive = true;
    for (int off = 0; off < static_cast<int>(f.hw.size()); off += 4) {
      const Step step{Step::write, 4, static_cast<std::uint16_t>(off),
                      static_cast<std::uint32_t>(rng())};
      ASSERT_EQ(differ(f, oracle, step), "") << f.name << " round " << round << ": " << text(step);
    }
    ASSERT_EQ(differ(f, oracle), "") << f.name << " round " << round;
  }
}

}  // namespace
