// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Answers as a person reads them.
#pragma once
#include <iosfwd>
#include <string>
#include <vector>

#include "pciassign/rpc_types.hpp"

namespace pciassign::cli {

/// Styles that vanish where colours are not wanted.
class Paint {
 public:
  explicit Paint(bool on) : on_(on) {}
  [[nodiscard]] std::string bold(const std::string& text) const { return wrap("1", text); }
  [[nodiscard]] std::string faint(const std::string& text) const { return wrap("2", text); }
  [[nodiscard]] std::string red(const std::string& text) const { return wrap("31", text); }
  [[nodiscard]] std::string green(const std::string& text) const { return wrap("32", text); }
  [[nodiscard]] std::string yellow(const std::string& text) const { return wrap("33", text); }

 private:
  [[nodiscard]] std::string wrap(const char* code, const std::string& text) const;
  bool on_;
};

/// Rows in columns as wide as their widest cell; the last column is not padded. Styles are put on
/// after padding.
class Table {
 public:
  explicit Table(std::vector<std::string> head) : rows_{std::move(head)} {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  void print(std::ostream& out, const Paint& paint) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// "Ethernet controller" for 0x020000 (PCI Code and ID Assignment Specification).
std::string class_name(std::uint32_t class_code);
/// Whether it is the class meant by a part of its name, in any case, or by its first hexadecimal
/// digits ("02", "0108").
bool is_of_class(std::uint32_t class_code, std::string_view wanted);
/// Text that others wrote (domain names) without control characters.
std::string printable(const std::string& text);
/// "3.2 s", "15 ms".
std::string duration(std::chrono::microseconds time);

void print_devices(std::ostream& out, const Paint& paint, const std::vector<DeviceView>& devices);
/// Each device below its bridges.
void print_tree(std::ostream& out, const Paint& paint, const std::vector<DeviceView>& devices);
void print_device(std::ostream& out, const Paint& paint, const DeviceView& device);
/// Title, numbered steps, then findings: those that warn, or all of them.
void print_plan(std::ostream& out, const Paint& paint, const rpc::PlanView& plan,
                bool all_findings);
void print_findings(std::ostream& out, const Paint& paint, const std::vector<Finding>& findings,
                    bool all);
/// Every check with tick, warning or cross, its evidence and what to do.
void print_checks(std::ostream& out, const Paint& paint, const std::vector<Finding>& findings);
void print_change(std::ostream& out, const Paint& paint, const rpc::ChangeResult& change,
                  bool steps);
void print_status(std::ostream& out, const Paint& paint, const rpc::StatusResult& status);

}  // namespace pciassign::cli
