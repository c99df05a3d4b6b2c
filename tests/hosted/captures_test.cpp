// SPDX-License-Identifier: GPL-2.0-only
// The captured devices: what a guest sees of each (golden/*.txt), and what holds of all of them.
#include <gtest/gtest.h>

#include <cstdarg>
#include <set>

#include "captures.hpp"
#include "golden.hpp"

using hosted::Function;

namespace {

std::string format(const char* f, ...) {
  char buffer[160];
  va_list args;
  va_start(args, f);
  std::vsnprintf(buffer, sizeof(buffer), f, args);
  va_end(args);
  return buffer;
}

// As a guest's kernel does it: all ones, look, put the address back.
std::uint32_t sized(Function& f, int off, int size) {
  const auto before = f.read(off, 4);
  std::uint32_t seen = 0;
  for (int at = 0; at < 4; at += size) f.write(off + at, size, ~0u);
  for (int at = 0; at < 4; at += size) seen |= f.read(off + at, size) << 8 * at;
  for (int at = 0; at < 4; at += size) f.write(off + at, size, before >> 8 * at);
  return seen;
}

struct Cap {
  int at;
  unsigned id;
};

std::vector<Cap> visible(Function& f) {
  std::vector<Cap> caps;
  for (auto at = f.read(0x34, 1); at && caps.size() < 64; at = f.read(static_cast<int>(at) + 1, 1))
    caps.push_back({static_cast<int>(at), f.read(static_cast<int>(at), 1)});
  if (f.hw.size() == CS_SIZE_EXT)
    for (unsigned at = 0x100; at && caps.size() < 600; at = f.read(static_cast<int>(at), 4) >> 20)
      if (auto id = f.read(static_cast<int>(at), 4) & 0xffff)
        caps.push_back({static_cast<int>(at), id});
  return caps;
}

std::string view(Function& f) {
  auto out = format("%04x:%04x class %06x revision %02x header %02x, pin %u, line %u, %zu bytes\n",
                    f.read(0, 2), f.read(2, 2), f.read(8, 4) >> 8, f.read(8, 1), f.read(0x0e, 1),
                    f.read(0x3d, 1), f.read(0x3c, 1), f.hw.size());
  out += format("command %04x status %04x subsystem %04x:%04x\n", f.read(4, 2), f.read(6, 2),
                f.read(0x2c, 2), f.read(0x2e, 2));
  for (int i = 0; i < CS_NBARS; i++) {
    const int off = i == CS_ROM ? 0x30 : 0x10 + 4 * i;
    if (auto mask = sized(f, off, 4))
      out += format("%s %08x size mask %08x\n", i == CS_ROM ? "ROM  " : format("BAR %d", i).c_str(),
                    f.read(off, 4), mask);
  }
  for (auto& cap : visible(f))
    out += format("%03x %s\n", cap.at, cs_region_name(f.cs.get(), cap.at));
  // Who owns what, and what of it no mode writes.
  out += "--- regions\n";
  const int size = static_cast<int>(f.hw.size());
  for (int from = 0x40, off = 0x40; off <= size; off++) {
    auto kind = [&](int at) { return std::pair(f.cs->b[at].rule, f.cs->b[at].open != 0); };
    if (off < size && kind(off) == kind(from)) continue;
    // A capability's own two bytes or dword are fixed, even if the rest is open.
    out += format("%03x-%03x %s%s\n", from, off - 1, cs_region_name(f.cs.get(), from),
                  f.cs->b[from].open ? ", permissive mode opens it" : "");
    from = off;
  }
  out += "--- what it reads\n";
  for (int row = 0; row < size; row += 16) {
    std::string line = format("%03x", row);
    bool any = false;
    for (int i = 0; i < 16; i++) {
      const auto v = f.read(row + i, 1);
      any |= v != 0;
      line += format(" %02x", v);
    }
    if (any) out += line + '\n';
  }
  return out;
}

TEST(Captures, AreOfManyKinds) {
  auto all = hosted::captures();
  EXPECT_GE(all.size(), 12u);
  std::set<std::size_t> sizes;
  int vfs = 0, io = 0, mem64 = 0, roms = 0;
  for (auto& f : all) {
    sizes.insert(f.hw.size());
    vfs += f.info.is_vf;
    for (auto& bar : f.info.bar) {
      io += bar.size && bar.io;
      mem64 += bar.size && bar.mem64;
    }
    roms += f.info.bar[CS_ROM].size != 0;
  }
  EXPECT_EQ(sizes, (std::set<std::size_t>{256, 4096}));
  EXPECT_GE(vfs, 1);
  EXPECT_GE(io, 1);
  EXPECT_GE(mem64, 1);
  EXPECT_GE(roms, 1);
}

TEST(Captures, LookToAGuestAsTheGoldenFilesSay) {
  for (auto& f : hosted::captures())
    hosted::expect_golden(std::string(PCIASSIGN_HOSTED) + "/golden/" + f.name + ".txt", view(f));
}

TEST(Captures, ByDefaultNoWriteReachesTheHardware) {
  for (auto& f : hosted::captures()) {
    for (bool control : {false, true}) {
      f.cs->interrupt_control = control;
      const auto before = f.hw;
      for (int size : {1, 2, 4})
        for (int off = 0; off < static_cast<int>(f.hw.size()); off += size)
          for (auto value : {0u, ~0u, 0x55555555u, 0xaaaaaaaau}) {
            const auto fx = f.write(off, size, value);
            for (unsigned i = 0; i < fx.nr; i++) {
              ASSERT_NE(fx.e[i].type, CS_EFF_HW_WRITE) << f.name << std::hex << ' ' << off;
              ASSERT_NE(fx.e[i].type, CS_EFF_READRQ) << f.name;
              if (!control) {
                ASSERT_NE(fx.e[i].type, CS_EFF_INTX) << f.name;
              }
              if (fx.e[i].type == CS_EFF_DECODE_ON) {
                ASSERT_EQ(fx.e[i].value & ~3u, 0u) << f.name;
                ASSERT_NE(fx.e[i].value, 0u) << f.name;
              }
            }
          }
      ASSERT_EQ(f.hw, before) << f.name;
    }
  }
}

TEST(Captures, PermissiveModeOpensGapsAndVendorsRegistersOnly) {
  const std::set<std::string> open = {"device-specific", "vendor"};
  for (auto& f : hosted::captures()) {
    f.cs->permissive = true;
    for (int off = 0; off < static_cast<int>(f.hw.size()); off++) {
      const auto fx = f.write(off, 1, ~f.get(off, 1) & 0xff);
      const bool driven = Function::find(fx, CS_EFF_HW_WRITE) != nullptr;
      if (driven) {
        EXPECT_EQ(open.count(cs_region_name(f.cs.get(), off)), 1u)
            << f.name << std::hex << ' ' << off;
        EXPECT_GE(off, 0x40);
      }
      EXPECT_EQ(cs_add_quirk(f.cs.get(), off, 1, 0) == 0, driven)
          << f.name << std::hex << ' ' << off << ": quirks open what permissive mode opens";
    }
  }
}

TEST(Captures, BarsShowTheirSizesAtEveryAccessSize) {
  for (auto& f : hosted::captures())
    for (int i = 0; i < CS_NBARS; i++) {
      const cs_bar& bar = f.info.bar[i];
      const int off = i == CS_ROM ? 0x30 : 0x10 + 4 * i;
      if (!bar.size) continue;
      for (int size : {1, 2, 4}) {
        SCOPED_TRACE(f.name + " BAR " + std::to_string(i) + " by " + std::to_string(size));
        std::uint64_t mask = sized(f, off, size) & (i == CS_ROM ? 0xfffff800u
                                                    : bar.io    ? 0xfffffffcu
                                                                : 0xfffffff0u);
        std::uint64_t address = f.read(off, 4) & (bar.io ? ~3u : ~0xfu);
        if (bar.mem64) {
          mask |= std::uint64_t{sized(f, off + 4, size)} << 32;
          address |= std::uint64_t{f.read(off + 4, 4)} << 32;
        } else {
          mask |= 0xffffffff00000000u;
        }
        EXPECT_EQ(~mask + 1, bar.size);
        EXPECT_EQ(address, bar.start) << "and the address is back";
      }
    }
}

TEST(Captures, ListsHoldWhatMayBeSeen) {
  const std::set<unsigned> std_ids = {1, 3, 5, 7, 9, 10, 13, 16, 17, 18, 19};
  const std::set<unsigned> ext_ids = {1, 3, 4, 0x0b, 0x23};
  for (auto& f : hosted::captures())
    for (auto& cap : visible(f))
      EXPECT_EQ((cap.at < 0x100 ? std_ids : ext_ids).count(cap.id), 1u) << f.name << ' ' << cap.id;
}

}  // namespace
