// SPDX-License-Identifier: GPL-2.0-only
// Where functions appear in the guest, in both topologies.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <memory>
#include <random>
#include <set>
#include <tuple>

#include "pciback/topology.h"

namespace {

using Address = std::tuple<unsigned, unsigned, unsigned, unsigned>;

Address address(const topo_addr& a) {
  return {a.domain, a.bus, a.slot, a.func};
}

topo_addr at(unsigned bus, unsigned slot, unsigned func, unsigned domain = 0) {
  return {static_cast<std::uint16_t>(domain), static_cast<std::uint8_t>(bus),
          static_cast<std::uint8_t>(slot), static_cast<std::uint8_t>(func)};
}

struct Topology : testing::Test {
  std::unique_ptr<topo> t = std::make_unique<topo>();
  std::array<char, 300> devices{};
  topo_addr virt{};
  int add(unsigned n, topo_addr real, bool vf = false) {
    return topo_add(t.get(), &devices.at(n), &real, vf, &virt);
  }
  void* find(std::uint32_t domain, std::uint32_t bus, std::uint32_t devfn) {
    return topo_find(t.get(), domain, bus, devfn);
  }
};

TEST_F(Topology, VpciFunctionsOfOneDeviceShareASlot) {
  ASSERT_EQ(add(0, at(3, 2, 0)), 0);
  EXPECT_EQ(address(virt), Address(0, 0, 0, 0));
  ASSERT_EQ(add(1, at(3, 2, 1)), 0);
  EXPECT_EQ(address(virt), Address(0, 0, 0, 1));
  ASSERT_EQ(add(2, at(4, 2, 1)), 0);
  EXPECT_EQ(address(virt), Address(0, 0, 1, 1)) << "it keeps its number";
  ASSERT_EQ(add(3, at(3, 2, 2), true), 0);
  EXPECT_EQ(address(virt), Address(0, 0, 2, 0)) << "a VF stands alone, at function 0";
  ASSERT_EQ(add(4, at(3, 2, 3)), 0);
  EXPECT_EQ(address(virt), Address(0, 0, 0, 3)) << "and attracts no other function";
  EXPECT_EQ(find(0, 0, 1), &devices[1]);
  EXPECT_EQ(find(0, 1, 1), nullptr);
  EXPECT_EQ(find(1, 0, 1), nullptr);
  EXPECT_EQ(find(0, 0, 0xffffffff), nullptr);
  EXPECT_EQ(find(0, 0, 0x100), nullptr);
}

TEST_F(Topology, ADeviceOrAnAddressIsThereOnce) {
  for (bool passthrough : {false, true}) {
    *t = {};
    t->passthrough = passthrough;
    ASSERT_EQ(add(0, at(3, 2, 0)), 0);
    EXPECT_EQ(add(0, at(3, 3, 0)), -EEXIST);
    EXPECT_EQ(add(1, at(3, 2, 0)), -EEXIST);
    EXPECT_EQ(t->nr, 1u);
    EXPECT_TRUE(topo_del(t.get(), &devices[0]));
    EXPECT_FALSE(topo_del(t.get(), &devices[0]));
    EXPECT_EQ(t->nr, 0u);
  }
}

TEST_F(Topology, AFullBusSaysSo) {
  for (unsigned i = 0; i < 32; i++) ASSERT_EQ(add(i, at(i, 0, 0)), 0);
  EXPECT_EQ(add(32, at(40, 0, 0)), -ENOSPC);
  EXPECT_EQ(add(32, at(31, 0, 7)), 0) << "another function of a device that is there";
  EXPECT_TRUE(topo_del(t.get(), &devices[5]));
  EXPECT_EQ(add(33, at(40, 0, 0)), 0);
  EXPECT_EQ(virt.slot, 5u) << "a slot is used again";
}

TEST_F(Topology, PassthroughShowsRealAddresses) {
  t->passthrough = true;
  ASSERT_EQ(add(0, at(3, 2, 5, 1)), 0);
  EXPECT_EQ(address(virt), Address(1, 3, 2, 5));
  ASSERT_EQ(add(1, at(3, 2, 1), true), 0);
  EXPECT_EQ(address(virt), Address(0, 3, 2, 1)) << "a VF too";
  EXPECT_EQ(find(1, 3, 2 * 8 + 5), &devices[0]);
  EXPECT_EQ(find(0, 3, 2 * 8 + 1), &devices[1]);
  EXPECT_EQ(find(0, 0, 0), nullptr);
}

TEST_F(Topology, RootsAreTheBusesInUse) {
  std::array<topo_addr, 4> roots{};
  EXPECT_EQ(topo_roots(t.get(), roots.data(), 4), 1u);
  EXPECT_EQ(address(roots[0]), Address(0, 0, 0, 0)) << "vpci has its bus without a device too";

  t->passthrough = true;
  EXPECT_EQ(topo_roots(t.get(), roots.data(), 4), 0u);
  ASSERT_EQ(add(0, at(3, 2, 5)), 0);
  ASSERT_EQ(add(1, at(3, 4, 0)), 0);
  ASSERT_EQ(add(2, at(3, 4, 0, 2)), 0);
  ASSERT_EQ(add(3, at(7, 4, 0)), 0);
  ASSERT_EQ(topo_roots(t.get(), roots.data(), 4), 3u);
  EXPECT_EQ(address(roots[0]), Address(0, 3, 0, 0));
  EXPECT_EQ(address(roots[1]), Address(2, 3, 0, 0));
  EXPECT_EQ(address(roots[2]), Address(0, 7, 0, 0));
  EXPECT_EQ(topo_roots(t.get(), roots.data(), 2), 2u) << "no more than there is place for";
}

// Whatever comes and goes: no two functions share an address, each is found where it was put.
TEST_F(Topology, AddressesStayDistinctAndStable) {
  std::mt19937 rng(1);
  for (bool passthrough : {false, true}) {
    *t = {};
    t->passthrough = passthrough;
    std::array<topo_addr, 300> where{};
    std::set<unsigned> in;
    for (int round = 0; round < 20000; round++) {
      unsigned n = rng() % devices.size();
      if (in.count(n)) {
        ASSERT_TRUE(topo_del(t.get(), &devices[n]));
        in.erase(n);
      } else if (add(n, at(rng() % 3, rng() % 32, rng() % 8), rng() % 4 == 0) == 0) {
        where[n] = virt;
        in.insert(n);
      }
      ASSERT_EQ(t->nr, in.size());
      std::set<Address> taken;
      for (unsigned k : in) {
        ASSERT_EQ(find(where[k].domain, where[k].bus, where[k].slot * 8u + where[k].func),
                  &devices[k]);
        taken.insert(address(where[k]));
      }
      ASSERT_EQ(taken.size(), in.size());
    }
  }
}

}  // namespace
