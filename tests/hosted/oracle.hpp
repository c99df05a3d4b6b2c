// SPDX-License-Identifier: GPL-2.0-only
// What a guest must see and may cause, said a second time: bit by bit, from the specification and
// the words of Documentation/security.md, without the tables or any code of kmod/confspace.
// It predicts every answer and every effect of every access.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "confspace/confspace.h"

namespace hosted {

class Oracle {
 public:
  bool permissive = false, interrupt_control = false;
  std::vector<std::uint8_t> hw;

  Oracle(const std::vector<std::uint8_t>& snapshot, const cs_info& info)
      : hw(snapshot), size_(static_cast<int>(snapshot.size())), bits_(8 * snapshot.size()) {
    header(info);
    standard();
    if (size_ == 4096) extended();
  }

  std::uint32_t read(int off, int size) const {
    std::uint32_t value = 0;
    for (int i = 0; i < size; i++) value |= std::uint32_t{byte(off + i)} << 8 * i;
    return value;
  }

  // At most one effect of a kind, but for writes to the hardware.
  struct Outcome {
    static constexpr std::int64_t kNone = -1;
    std::array<std::int64_t, CS_EFF_DENIED + 1> effects;  // value for each kind
    unsigned driven = 0;                                  // bit n: byte n of the access
    Outcome() { effects.fill(kNone); }
  };

  Outcome write(int off, int size, std::uint32_t value) {
    Outcome out;
    const auto command = read(4, 2);
    const auto devctl = pcie_ ? read(pcie_ + 8, 2) : 0;
    const auto state = pm_ ? read(pm_ + 4, 1) & 3 : 0;
    bool denied = false;

    for (int i = 0; i < size; i++) {
      const int at = off + i;
      const auto v = static_cast<std::uint8_t>(value >> 8 * i);
      if (bar_byte(at)) {
        write_bar(at, v);
        continue;
      }
      for (int n = 0; n < 8; n++) {
        Bit& bit = bits_[8 * at + n];
        const bool want = v >> n & 1, real = hw[at] >> n & 1;
        switch (bit.kind) {
          case Kind::fixed:
            denied |= want != bit.value && !bit.quiet;
            break;
          case Kind::scratch:
            bit.value = want;
            break;
          case Kind::hardware:
            denied |= want != real && !bit.quiet;
            break;
          case Kind::device:
            if (!permissive && !bit.quirk) {
              denied |= want != real;
              break;
            }
            out.driven |= 1u << i;
            hw[at] = static_cast<std::uint8_t>((hw[at] & ~(1u << n)) | (want ? 1u << n : 0));
            break;
        }
      }
    }

    auto cause = [&](cs_effect_type type, std::uint32_t v) { out.effects[type] = v; };
    auto writes = [&](int reg, unsigned bit) {
      return reg >= off && reg < off + size && (value >> 8 * (reg - off) & bit);
    };
    const auto now = read(4, 2), changed = command ^ now;
    if (changed & now & placed_) cause(CS_EFF_DECODE_ON, now & placed_);
    if (changed & 0x10) cause(CS_EFF_MWI, now >> 4 & 1);
    if (changed & 0x400 && interrupt_control) cause(CS_EFF_INTX, now >> 10 & 1);
    if (changed & 4) cause(CS_EFF_BUS_MASTER, now >> 2 & 1);
    bool reset = false;
    if (pm_) {
      const auto to = read(pm_ + 4, 1) & 3;
      const bool d1 = read(pm_ + 3, 1) & 2, d2 = read(pm_ + 3, 1) & 4;
      if ((to == 1 && !(d1 && state < 2)) || (to == 2 && !(d2 && state < 3)))
        set(pm_ + 4, 0x03, static_cast<std::uint8_t>(state));
      else if (to != state)
        cause(CS_EFF_POWER, to);
    }
    if (pcie_) {
      const auto request = read(pcie_ + 8, 2) >> 12 & 7;
      if (request > 5)
        set(pcie_ + 9, 0x70, static_cast<std::uint8_t>(devctl >> 8));
      else if (permissive && request != (devctl >> 12 & 7))
        cause(CS_EFF_READRQ, 128u << request);
      reset |= flr_ && writes(pcie_ + 9, 0x80);
    }
    reset |= af_flr_ && writes(af_ + 4, 0x01);
    if (vpd_ && off <= vpd_ + 3 && vpd_ + 3 < off + size) {
      const bool to_device = writes(vpd_ + 3, 0x80);
      denied |= to_device;
      set(vpd_ + 3, 0x80, to_device ? 0x80 : 0);
      if (!to_device) cause(CS_EFF_VPD, read(vpd_ + 2, 2) & 0x7ffc);
    }
    if (reset) cause(CS_EFF_FLR, 1);
    if (denied) cause(CS_EFF_DENIED, 0);
    return out;
  }

  void vpd_done(std::uint32_t data) {
    if (!vpd_) return;
    for (int i = 0; i < 4; i++) set(vpd_ + 4 + i, 0xff, static_cast<std::uint8_t>(data >> 8 * i));
    set(vpd_ + 3, 0x80, 0x80);
  }

  bool quirk(int off, int size, std::uint32_t mask) {
    if (!mask) mask = ~0u;
    auto named = [&](auto act) {
      for (int n = 0; n < 8 * size; n++)
        if (mask >> n & 1) act(bits_[8 * off + n]);
    };
    bool allowed = true;
    named([&](Bit& bit) { allowed &= bit.kind == Kind::device; });
    if (allowed) named([](Bit& bit) { bit.quirk = true; });
    return allowed;
  }

 private:
  enum class Kind : std::uint8_t { fixed, scratch, hardware, device };
  struct Bit {
    Kind kind : 2 = Kind::device;
    bool value : 1 = false, quiet : 1 = false, quirk : 1 = false;
    Bit() = default;
    Bit(Kind k, bool v, bool q) : kind(k), value(v), quiet(q) {}
  };
  struct Bar {
    std::uint32_t address = 0, flags = 0, writable = 0;
    unsigned sizing = 0;
  };

  int size_;
  std::vector<Bit> bits_;
  std::array<Bar, 7> bars_{};
  bool rom_enabled_ = false;
  unsigned placed_ = 0;  // I/O and memory, as in the command register: there is a BAR for it
  int pm_ = 0, vpd_ = 0, pcie_ = 0, af_ = 0;
  bool flr_ = false, af_flr_ = false;

  static bool bar_byte(int at) { return (at >= 0x10 && at < 0x28) || (at >= 0x30 && at < 0x34); }
  Bar& bar_at(int at) { return bars_[at < 0x28 ? (at - 0x10) / 4 : 6]; }
  const Bar& bar_at(int at) const { return bars_[at < 0x28 ? (at - 0x10) / 4 : 6]; }

  std::uint8_t byte(int at) const {
    if (bar_byte(at)) {
      const Bar& bar = bar_at(at);
      auto v = (bar.sizing >> at % 4 & 1 ? bar.writable : bar.address) | bar.flags;
      if (at == 0x30 && rom_enabled_) v |= 1;
      return static_cast<std::uint8_t>(v >> 8 * (at % 4));
    }
    unsigned v = 0;
    for (int n = 0; n < 8; n++) {
      const Bit& bit = bits_[8 * at + n];
      const bool mine = bit.kind == Kind::fixed || bit.kind == Kind::scratch;
      v |= (mine ? bit.value : hw[at] >> n & 1u) << n;
    }
    return static_cast<std::uint8_t>(v);
  }

  void write_bar(int at, std::uint8_t v) {
    Bar& bar = bar_at(at);
    const auto writable = static_cast<std::uint8_t>(bar.writable >> 8 * (at % 4));
    const unsigned bit = 1u << at % 4;
    bar.sizing = writable && (v & writable) == writable ? bar.sizing | bit : bar.sizing & ~bit;
    if (at == 0x30 && bar.writable) rom_enabled_ = v & 1;
  }

  void set(int at, unsigned mask, std::uint8_t v) {
    for (int n = 0; n < 8; n++)
      if (mask >> n & 1) bits_[8 * at + n].value = v >> n & 1;
  }
  // Masks go over the whole register, byte 0 first.
  void make(int at, int size, std::uint32_t mask, Kind kind, bool quiet = false) {
    for (int n = 0; n < 8 * size; n++)
      if (mask >> n & 1) bits_[8 * at + n] = Bit(kind, hw[at + n / 8] >> n % 8 & 1, quiet);
  }
  void fixed(int at, int size, std::uint32_t mask = ~0u, bool quiet = false) {
    make(at, size, mask, Kind::fixed, quiet);
  }
  void constant(int at, int size, std::uint32_t v) {
    fixed(at, size);
    for (int i = 0; i < size; i++) set(at + i, 0xff, static_cast<std::uint8_t>(v >> 8 * i));
  }
  void all(int at, int len, Kind kind) {
    for (int i = 0; i < len; i++) make(at + i, 1, 0xff, kind);
  }
  void blank(int at, int len) {
    for (int i = 0; i < len; i++) constant(at + i, 1, 0);
  }
  void scratch(int at, int size, std::uint32_t mask, std::uint32_t v) {
    make(at, size, mask, Kind::scratch);
    for (int i = 0; i < size; i++)
      set(at + i, mask >> 8 * i & 0xff, static_cast<std::uint8_t>(v >> 8 * i));
  }
  std::uint32_t raw(int at, int size) const {
    std::uint32_t v = 0;
    for (int i = 0; i < size; i++) v |= std::uint32_t{hw[at + i]} << 8 * i;
    return v;
  }

  void header(const cs_info& info) {
    constant(0, 2, info.vendor);
    constant(2, 2, info.device);
    constant(4, 2, 0);
    // I/O, memory, mastering, MWI, parity, SERR, INTx: the guest's view alone.
    scratch(4, 2, 0x0557, info.is_vf ? 2 : 0);
    make(6, 2, ~0u, Kind::hardware, true);
    fixed(8, 4);
    scratch(0x0c, 2, 0xffff, 0);
    fixed(0x0e, 1);
    constant(0x0f, 1, 0);
    blank(0x10, 0x18);
    fixed(0x28, 4);
    fixed(0x2c, 4);
    blank(0x30, 4);
    constant(0x34, 4, 0);
    fixed(0x38, 4);
    constant(0x3c, 1, info.irq_line);
    for (int n = 0; n < 8; n++) bits_[8 * 0x3c + n].quiet = true;
    fixed(0x3d, 3);
    if (!info.irq_line) constant(0x3d, 1, 0);

    for (int i = 0; i < 7; i++) {
      const cs_bar& bar = info.bar[i];
      if (!bar.size) continue;
      placed_ |= bar.io ? 1 : 2;
      const std::uint64_t writable = ~(bar.size - 1);
      if (i == 6) {
        bars_[i].writable = static_cast<std::uint32_t>(writable) & 0xfffff800;
      } else if (bar.io) {
        bars_[i] = {0, 1, static_cast<std::uint32_t>(writable) & 0xfffffffc, 0};
      } else {
        bars_[i] = {0, (bar.mem64 ? 4u : 0) | (bar.prefetch ? 8u : 0),
                    static_cast<std::uint32_t>(writable) & 0xfffffff0, 0};
      }
      bars_[i].address = static_cast<std::uint32_t>(bar.start) & bars_[i].writable;
      if (bar.mem64 && !bar.io && i < 5) {
        i++;
        bars_[i] = {static_cast<std::uint32_t>(bar.start >> 32), 0,
                    static_cast<std::uint32_t>(writable >> 32), 0};
      }
    }
  }

  // Every place that the list leads to, once; true where it ends by itself.
  template <typename Inside, typename Next>
  static bool follow(int at, Inside inside, Next next, std::vector<int>& places) {
    while (inside(at) && std::find(places.begin(), places.end(), at) == places.end()) {
      places.push_back(at);
      at = next(at);
    }
    return at == 0;
  }
  static int room(const std::vector<int>& places, int at, int end) {
    for (int other : places)
      if (other > at && other < end) end = other;
    return end - at;
  }

  // What is not claimed: the device's own, or locked where a capability may be lost in it.
  void rest(int from, int end, const std::vector<bool>& claimed, bool whole) {
    for (int at = from; at < end; at++)
      if (!claimed[at]) make(at, 1, 0xff, whole ? Kind::device : Kind::hardware);
  }

  void standard() {
    std::vector<int> places;
    std::vector<bool> claimed(256, false);
    const int first = hw[6] & 0x10 ? hw[0x34] & ~3 : 0;
    const bool whole = follow(
        first, [](int at) { return at >= 0x40; }, [&](int at) { return hw[at + 1] & ~3; }, places);
    std::set<int> shown;
    int link = 0x34;
    for (int at : places) {
      const int id = hw[at], most = room(places, at, 256);
      int len = length_of_standard(id, at, most);
      const bool single = id == 1 || id == 3 || id == 5 || id == 0x10 || id == 0x11 || id == 0x13;
      const bool show = std::set<int>{1, 3, 5, 7, 9, 10, 13, 0x10, 0x11, 0x12, 0x13}.count(id) &&
                        len <= most && !(single && shown.count(id));
      if (!show && (len > most || (single && shown.count(id)))) len = most;
      std::fill_n(claimed.begin() + at, len, true);
      if (!show) {
        blank(at, len);
        continue;
      }
      all(at, len, id == 9 ? Kind::device : Kind::hardware);
      registers_of_standard(id, at, len);
      fixed(at, 1);
      constant(at + 1, 1, 0);
      set(link, 0xff, static_cast<std::uint8_t>(at));
      link = at + 1;
      shown.insert(id);
    }
    rest(0x40, 256, claimed, whole);
  }

  int length_of_standard(int id, int at, int most) const {
    switch (id) {
      case 0x00:
      case 0x04:
      case 0x06:
      case 0x0a:
        return 4;
      case 0x01:
      case 0x03:
      case 0x0d:
      case 0x12:
        return 8;
      case 0x05:
        return 12 + (hw[at + 2] & 0x80 ? 4 : 0) + (hw[at + 3] & 1 ? 8 : 0);
      case 0x07:
        return hw[at + 3] & 0x30 ? 24 : 8;
      case 0x09:
        return std::min(std::max<int>(hw[at + 2], 4), most);
      case 0x10:
        // All that there is of it: not every device has all, but nothing of it is a gap.
        return std::max(std::min((hw[at + 2] & 0xf) >= 2 ? 60 : 20, most), 12);
      case 0x11:
        return 12;
      case 0x13:
        return 6;
      default:
        return most;
    }
  }

  void registers_of_standard(int id, int at, int len) {
    auto within = [&](int reg, int size) { return reg + size <= len; };
    switch (id) {
      case 0x01:
        pm_ = at;
        fixed(at + 2, 2);
        set(at + 3, 0xf8, 0);  // no PME
        // All but data select is written back by drivers that only mean the state.
        make(at + 4, 2, 0xffff & ~0x1e00u, Kind::hardware, true);
        scratch(at + 4, 2, 0x0003, 0);
        fixed(at + 4, 2, 0x8100, true);
        set(at + 5, 0x81, 0);
        break;
      case 0x03:
        vpd_ = at;
        scratch(at + 2, 2, 0x7fff, 0);
        fixed(at + 2, 2, 0x8000, true);
        set(at + 3, 0x80, 0);
        scratch(at + 4, 4, ~0u, 0);
        break;
      case 0x05:
        make(at + 2, 2, ~0u, Kind::hardware, true);
        for (int reg = 4; reg < len; reg += 4) scratch(at + reg, 4, ~0u, 0);
        break;
      case 0x11:
        make(at + 2, 2, ~0u, Kind::hardware, true);
        fixed(at + 4, 4);
        fixed(at + 8, 4);
        break;
      case 0x10:
        pcie_ = at;
        flr_ = raw(at + 4, 4) >> 28 & 1;
        fixed(at + 2, 2);
        fixed(at + 4, 4);
        make(at + 8, 2, ~0u, Kind::hardware, true);  // payload size, phantom functions
        scratch(at + 8, 2, 0x7d1f, raw(at + 8, 2));
        fixed(at + 8, 2, 0x8000, flr_);
        set(at + 9, 0x80, 0);
        make(at + 10, 2, ~0u, Kind::hardware, true);
        for (int reg : {0x0c, 0x24, 0x2c})
          for (int i = 0; i < 4; i++)
            if (within(reg + i, 1)) fixed(at + reg + i, 1);
        break;
      case 0x13:
        af_ = at;
        af_flr_ = hw[at + 3] >> 1 & 1;
        fixed(at + 3, 1);
        constant(at + 4, 1, 0);
        bits_[8 * (at + 4)].quiet = true;
        break;
    }
  }

  // Lengths that the specification fixes, up to a version.
  struct Known {
    int len, version;
  };
  static const std::map<int, Known>& known() {
    static const std::map<int, Known> k = {
        {0x01, {0x48, 2}}, {0x03, {12, 1}}, {0x04, {16, 1}}, {0x06, {12, 1}}, {0x07, {12, 2}},
        {0x0a, {20, 1}},   {0x0e, {8, 1}},  {0x0f, {8, 1}},  {0x10, {64, 1}}, {0x12, {48, 1}},
        {0x13, {16, 1}},   {0x18, {8, 1}},  {0x1b, {8, 1}},  {0x1c, {8, 1}},  {0x1e, {20, 2}},
        {0x1f, {12, 1}},   {0x21, {16, 1}}, {0x22, {12, 1}}, {0x25, {12, 1}}, {0x29, {16, 1}}};
    return k;
  }

  void extended() {
    std::vector<int> places;
    std::vector<bool> claimed(4096, false);
    if (raw(0x100, 4) == 0) {
      rest(0x100, 4096, claimed, true);
      return;
    }
    bool whole = follow(
        0x100, [](int at) { return at >= 0x100 && at <= 4088; },
        [&](int at) { return static_cast<int>(raw(at, 4) >> 20 & 0xffc); }, places);
    int previous = 0;
    for (int at : places) {
      const auto head = raw(at, 4);
      if (head == 0 || head == ~0u) {
        whole = false;
        break;
      }
      const int id = static_cast<int>(head & 0xffff), version = static_cast<int>(head >> 16 & 15);
      const int most = room(places, at, 4096);
      int len = most;
      if (id == 0x0b || id == 0x23)
        len = static_cast<int>(raw(at + 4, 4) >> 20);
      else if (auto k = known().find(id); k != known().end() && version <= k->second.version)
        len = k->second.len;
      len = len ? std::min(std::max(len, 8), most) : most;
      std::fill_n(claimed.begin() + at, len, true);
      if (id != 1 && id != 3 && id != 4 && id != 0x0b && id != 0x23) {
        blank(at, len);
        continue;
      }
      all(at, len, id == 0x0b ? Kind::device : Kind::hardware);
      constant(at, 4, head & 0xfffff);
      if (previous || at != 0x100) {
        const int from = previous ? previous : 0x100;
        set(from + 2, 0xf0, static_cast<std::uint8_t>(at << 4));
        set(from + 3, 0xff, static_cast<std::uint8_t>(at >> 4));
      }
      previous = at;
    }
    rest(0x100, 4096, claimed, whole);
  }
};

}  // namespace hosted
