// SPDX-License-Identifier: GPL-2.0-only
// Documentation/configuration-space.md is the tables, written out; and what holds of every row.
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "confspace/tables.h"
#include "golden.hpp"

namespace {

std::string hex(std::uint32_t v, int digits) {
  char buffer[12];
  std::snprintf(buffer, sizeof(buffer), "%0*x", digits, v);
  return buffer;
}

const char* words(cs_visibility v) {
  switch (v) {
    case CS_HIDDEN:
      return "hidden";
    case CS_READ_ONLY:
      return "shown";
    default:
      return "shown, can be opened";
  }
}

void rows(std::ostringstream& out, const cs_rule* rules, unsigned nr) {
  out << "| register | bytes | emulated | guest changes its view | by | why |\n"
         "| --- | --- | --- | --- | --- | --- |\n";
  for (unsigned i = 0; i < nr; i++) {
    const cs_rule& r = rules[i];
    const int digits = 2 * r.size;
    out << "| +" << hex(r.off, 2) << " | " << +r.size << " | " << hex(r.virt, digits) << " | "
        << hex(r.write, digits) << " | " << r.spec << " | " << r.reason << " |\n";
  }
}

void table(std::ostringstream& out, const cs_cap* caps, unsigned nr, int digits) {
  out << "| id | capability | policy | why |\n| --- | --- | --- | --- |\n";
  for (unsigned i = 0; i < nr; i++)
    out << "| " << (i == nr - 1 ? "-" : hex(caps[i].id, digits)) << " | " << caps[i].name << " | "
        << words(caps[i].vis) << (caps[i].nr_rules ? ", rows below" : "") << " | " << caps[i].reason
        << " |\n";
}

std::string document() {
  std::ostringstream out;
  out << "# The configuration space, register by register\n\n"
         "Made from `kmod/confspace/tables.c` and `tables_ext.c` by a test, which also fails when "
         "it differs\n"
         "(`PCIASSIGN_GOLDEN=write` renews it). security.md says what it means.\n\n"
         "A hidden capability is not in the list, and its registers read as zero. Of one that is "
         "shown, bits that are\n"
         "emulated come from the guest's own view, all others are read from the hardware; the "
         "guest changes at most its\n"
         "view. What can be opened is writable in permissive mode, or by a quirk, and only "
         "then.\n\n"
         "## Header\n\n";
  rows(out, cs_header_rules, cs_nr_header_rules);
  out << "\n## Capabilities\n\n";
  table(out, cs_std_caps, cs_nr_std_caps, 2);
  for (unsigned i = 0; i < cs_nr_std_caps; i++) {
    if (!cs_std_caps[i].nr_rules) continue;
    out << "\n### " << cs_std_caps[i].name << "\n\n";
    rows(out, cs_std_caps[i].rules, cs_std_caps[i].nr_rules);
  }
  out << "\n## Extended capabilities\n\n";
  table(out, cs_ext_caps, cs_nr_ext_caps, 4);
  out << "\n## Everything else\n\n"
         "Registers that no capability names are shown and can be opened, unless the list of "
         "capabilities is broken.\n";
  return out.str();
}

TEST(Policy, IsDocumentedAsItIs) {
  hosted::expect_golden(std::string(PCIASSIGN_DOCUMENTATION) + "/configuration-space.md",
                        document());
}

TEST(Policy, EveryCapabilityOfTheSpecificationHasARowAndAReason) {
  auto check = [](const cs_cap* caps, unsigned nr, unsigned highest, auto find) {
    std::set<unsigned> ids;
    for (unsigned i = 0; i < nr; i++) {
      EXPECT_TRUE(caps[i].name && *caps[i].name);
      EXPECT_TRUE(caps[i].reason && *caps[i].reason) << caps[i].name;
      if (i < nr - 1) {
        EXPECT_TRUE(ids.insert(caps[i].id).second) << caps[i].name << " twice";
      }
    }
    for (unsigned id = 0; id <= highest; id++) EXPECT_EQ(ids.count(id), 1u) << id;
    EXPECT_EQ(find(highest + 1), &caps[nr - 1]) << "what is not listed";
    EXPECT_EQ(caps[nr - 1].vis, CS_HIDDEN);
  };
  check(cs_std_caps, cs_nr_std_caps, 0x15,
        [](unsigned id) { return cs_find_cap(static_cast<u8>(id)); });
  check(cs_ext_caps, cs_nr_ext_caps, 0x36,
        [](unsigned id) { return cs_find_ext_cap(static_cast<u16>(id)); });
}

TEST(Policy, RowsStayInsideTheirRegister) {
  auto check = [](const cs_rule* rules, unsigned nr) {
    unsigned end = 0;
    for (unsigned i = 0; i < nr; i++) {
      const cs_rule& r = rules[i];
      EXPECT_TRUE(r.size == 1 || r.size == 2 || r.size == 4) << r.reason;
      EXPECT_GE(r.off, end) << r.reason << ": overlaps the one before";
      end = r.off + r.size;
      const std::uint32_t all = r.size == 4 ? ~0u : (1u << 8 * r.size) - 1;
      EXPECT_EQ((r.virt | r.write | r.ignore) & ~all, 0u) << r.reason;
      EXPECT_EQ(r.write & ~r.virt, 0u) << r.reason << ": only the view changes";
      EXPECT_TRUE(*r.spec && *r.reason);
    }
  };
  check(cs_header_rules, cs_nr_header_rules);
  for (unsigned i = 0; i < cs_nr_std_caps; i++)
    check(cs_std_caps[i].rules, cs_std_caps[i].nr_rules);
}

}  // namespace
