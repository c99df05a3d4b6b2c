// SPDX-License-Identifier: GPL-2.0-or-later
#include "text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

namespace pciassign::cli {

std::string Paint::wrap(const char* code, const std::string& text) const {
  return on_ && !text.empty() ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

namespace {

/// Columns that a UTF-8 text takes on a terminal, near enough: its code points.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

std::string domain_cell(const DeviceView& view) {
  if (!view.domid) return "-";
  return view.domain_name.empty()
             ? std::to_string(*view.domid)
             : fmt::format("{} ({})", printable(view.domain_name), *view.domid);
}

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : printable(text);
}

std::string joined(const std::vector<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, " "));
}

/// As an assignment pins the device.
std::string identity(const Device& d) {
  std::string text = fmt::format("id={:04x}:{:04x}:{:06x}", d.vendor, d.device, d.class_code);
  if (!d.serial.empty()) text += ",serial=" + d.serial;
  if (!d.parent_bus.empty()) text += ",path=" + d.location();
  return text;
}

std::string short_slot(const std::string& slot) {
  return slot.starts_with("0000:") ? slot.substr(5) : slot;
}

}  // namespace

std::string printable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return out;
}

std::string duration(std::chrono::microseconds time) {
  const double us = static_cast<double>(time.count());
  if (us < 1000) return fmt::format("{:.0f} us", us);
  if (us < 1e6) return fmt::format("{:.1f} ms", us / 1e3);
  return fmt::format("{:.2f} s", us / 1e6);
}

void Table::print(std::ostream& out, const Paint& paint) const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  bool head = true;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - width(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << (head ? paint.bold(line) : line) << '\n';
    head = false;
  }
}

void print_devices(std::ostream& out, const Paint& paint, const std::vector<DeviceView>& devices) {
  if (devices.empty()) {
    out << "no devices\n";
    return;
  }
  Table table(
      {"DEVICE", "ID", "CLASS", "DRIVER", "STATE", "DOMAIN", "VSLOT", "RESET", "GROUP", "NAME"});
  for (const DeviceView& view : devices) {
    const Device& d = view.device;
    table.row({d.sbdf.str(), fmt::format("{:04x}:{:04x}", d.vendor, d.device),
               class_name(d.class_code), or_dash(d.driver), view.state, domain_cell(view),
               or_dash(short_slot(view.virtual_slot)),
               d.reset_methods.empty() ? "none" : joined(d.reset_methods),
               view.group ? short_slot(view.group->str()) : "-", printable(d.name)});
  }
  table.print(out, paint);
}

void print_tree(std::ostream& out, const Paint& paint, const std::vector<DeviceView>& devices) {
  std::string bus;
  for (const DeviceView& view : devices) {
    const Device& d = view.device;
    if (d.parent_bus != bus) {
      bus = d.parent_bus;
      out << paint.bold(bus) << '\n';
    }
    out << std::string(2 + 2 * d.path.size(), ' ') << d.sbdf.str() << "  "
        << (d.name.empty() ? class_name(d.class_code) : printable(d.name));
    if (!d.is_bridge())
      out << "  [" << view.state << (view.domid ? ": " + domain_cell(view) : "") << ']';
    out << '\n';
  }
}

void print_device(std::ostream& out, const Paint& paint, const DeviceView& view) {
  const Device& d = view.device;
  const auto line = [&](const std::string& key, const std::string& value) {
    out << fmt::format("  {}{}{}\n", key, std::string(key.size() < 14 ? 14 - key.size() : 1, ' '),
                       value);
  };
  out << paint.bold(d.sbdf.str()) << "  "
      << (d.name.empty() ? class_name(d.class_code) : printable(d.name)) << '\n';
  line("id", fmt::format("{:04x}:{:04x} (subsystem {:04x}:{:04x}), revision {:02x}", d.vendor,
                         d.device, d.subsystem_vendor, d.subsystem_device, d.revision));
  line("class", fmt::format("{} ({:06x})", class_name(d.class_code), d.class_code));
  line("state", view.state);
  line("domain", domain_cell(view));
  if (!view.virtual_slot.empty()) line("virtual slot", printable(view.virtual_slot));
  line("driver", or_dash(d.driver));
  for (const std::string& use : d.in_use) line("in use", printable(use));
  line("reset", d.reset_methods.empty() ? "none" : joined(d.reset_methods));
  if (view.group) line("group", "of " + view.group->str() + ", which it cannot be isolated from");
  for (const Region& r : d.regions) {
    const std::string name = r.index == 6 ? "ROM" : fmt::format("BAR {}", r.index);
    const std::uint64_t last = r.start + r.size - 1;
    line(name,
         r.io ? fmt::format("I/O ports {:04x}-{:04x}", r.start, last)
              : fmt::format("memory {:08x}-{:08x}{}{}", r.start, last, r.is_64bit ? ", 64-bit" : "",
                            r.prefetchable ? ", prefetchable" : ""));
  }
  std::string interrupts =
      d.interrupt_pin == 0
          ? "no INTx"
          : fmt::format("INT{}, irq {}", static_cast<char>('A' + d.interrupt_pin - 1), d.irq);
  if (d.msi) interrupts += ", MSI";
  if (d.msix) interrupts += ", MSI-X";
  line("interrupts", interrupts);
  std::string path = d.parent_bus;
  for (const Sbdf& bridge : d.path) path += " > " + bridge.str();
  if (!path.empty()) line("path", path);
  line("identity", identity(d));
  if (d.physfn) line("function of", d.physfn->str());
}

void print_findings(std::ostream& out, const Paint& paint, const std::vector<Finding>& findings,
                    bool all) {
  for (const Finding& f : findings) {
    if (f.severity == Severity::ok && !all) continue;
    std::string word = paint.green("ok     ");
    if (f.severity == Severity::warning) word = paint.yellow("warning");
    if (f.severity == Severity::refusal) word = paint.red("refused");
    out << word << "  " << f.code;
    if (f.device) out << ' ' << f.device->str();
    out << ": " << printable(f.evidence) << '\n';
    if (f.severity == Severity::ok) continue;
    if (!f.remedy.empty()) out << "         " << printable(f.remedy) << '\n';
    if (f.severity == Severity::refusal && !f.accept.empty()) {
      out << "         accept it with: " << f.accept << '\n';
    }
  }
}

void print_checks(std::ostream& out, const Paint& paint, const std::vector<Finding>& findings) {
  for (const Finding& f : findings) {
    std::string mark = paint.green("✓");
    if (f.severity == Severity::warning) mark = paint.yellow("!");
    if (f.severity == Severity::refusal) mark = paint.red("✗");
    out << mark << ' ' << paint.bold(f.code);
    if (f.device) out << ' ' << f.device->str();
    out << ": " << printable(f.evidence) << '\n';
    if (f.severity == Severity::ok) continue;
    if (!f.remedy.empty()) out << "    " << printable(f.remedy) << '\n';
    if (!f.accept.empty()) {
      out << (f.severity == Severity::refusal ? "    accept it with: " : "    accepted by: ")
          << f.accept << '\n';
    }
  }
}

void print_plan(std::ostream& out, const Paint& paint, const rpc::PlanView& plan,
                bool all_findings) {
  out << paint.bold(printable(plan.title)) << "\n\n";
  const std::size_t digits = std::to_string(plan.steps.size()).size();
  std::size_t number = 0;
  for (const rpc::PlanStep& step : plan.steps) {
    out << fmt::format("  {:>{}}  {}\n", ++number, digits, printable(step.words));
  }
  if (plan.steps.empty()) out << "  nothing to do\n";
  const bool some = std::any_of(plan.findings.begin(), plan.findings.end(), [&](const Finding& f) {
    return all_findings || f.severity != Severity::ok;
  });
  if (some) out << '\n';
  print_findings(out, paint, plan.findings, all_findings);
  if (!plan.undo_command.empty())
    out << "\nundo afterwards with: " << printable(plan.undo_command) << '\n';
}

void print_change(std::ostream& out, const Paint& paint, const rpc::ChangeResult& change,
                  bool steps) {
  std::chrono::microseconds total{0};
  for (const StepReport& step : change.steps) {
    total += step.took;
    if (steps) out << fmt::format("  {:>9}  {}\n", duration(step.took), printable(step.words));
  }
  out << paint.green("done") << ": " << printable(change.plan.title) << " (" << duration(total)
      << ")\n";
  print_findings(out, paint, change.plan.findings, false);
  if (!change.plan.undo_command.empty())
    out << "undo: " << printable(change.plan.undo_command) << '\n';
}

void print_status(std::ostream& out, const Paint& paint, const rpc::StatusResult& status) {
  out << fmt::format("{} {}, pid {}", paint.bold("pciassignd"), status.version.version, status.pid);
  if (!status.version.xen.empty()) out << ", Xen " << status.version.xen;
  out << '\n' << fmt::format("attachments: {}\n", status.attachments);
  if (!status.configured.empty()) {
    out << "configured domains: " << printable(joined(status.configured)) << '\n';
  }
  for (const rpc::JobView& job : status.jobs) {
    out << fmt::format("running: {} ({:.1f} s): {}\n", printable(job.title), job.seconds,
                       printable(job.step));
  }
  for (const rpc::RetryView& retry : status.retries) {
    const std::string code = retry.code.empty() ? "" : ", " + retry.code;
    const std::string when = retry.next_seconds
                                 ? fmt::format("again in {:.0f} s (failed {} times{})",
                                               *retry.next_seconds, retry.failures, code)
                                 : "in line";
    out << paint.yellow(when + ": " + printable(retry.what)) << '\n';
  }
  for (const rpc::ProblemView& problem : status.problems) {
    out << paint.yellow("problem: " + printable(problem.what)) << '\n';
    if (!problem.hint.empty()) out << "  hint: " << printable(problem.hint) << '\n';
  }
  if (status.jobs.empty() && status.retries.empty()) out << "nothing is under way\n";
}

}  // namespace pciassign::cli
