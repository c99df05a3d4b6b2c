// SPDX-License-Identifier: GPL-2.0-or-later
// doctor's checks: facts in, findings out.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "host_facts.hpp"
#include "pciassign/shell_words.hpp"
#include "version.hpp"

namespace pciassign::cli {
namespace {

class Findings {
 public:
  void ok(const char* code, std::string evidence) {
    add(code, Severity::ok, std::move(evidence), {});
  }
  void warn(const char* code, std::string evidence, std::string remedy) {
    add(code, Severity::warning, std::move(evidence), std::move(remedy));
  }
  void broken(const char* code, std::string evidence, std::string remedy) {
    add(code, Severity::refusal, std::move(evidence), std::move(remedy));
  }
  std::vector<Finding> all;

 private:
  void add(const char* code, Severity severity, std::string evidence, std::string remedy) {
    all.push_back({code, severity, std::nullopt, std::move(evidence), std::move(remedy), {}});
  }
};

void check_xen(const HostFacts& facts, Findings& out) {
  if (!facts.on_xen) {
    out.broken("D-XEN", "this is not a Xen host", "boot the kernel below Xen, as dom0");
    return;
  }
  if (!facts.is_dom0) {
    out.broken("D-XEN", "this is a guest of Xen, not its dom0", "run pciassign in dom0");
    return;
  }
  if (!facts.host) {
    out.broken("D-XEN", "Xen does not answer: " + facts.host.error().message,
               facts.host.error().hint.empty() ? "run this as root" : facts.host.error().hint);
    return;
  }
  const HostInfo& host = *facts.host;
  const std::string version = fmt::format("Xen {}.{}", host.xen_major, host.xen_minor);
  if (host.xen_major < 4 || (host.xen_major == 4 && host.xen_minor < 17)) {
    out.warn("D-XEN", version + " is older than what is supported", "use Xen 4.17 or newer");
  } else {
    out.ok("D-XEN", version + ", and this is dom0");
  }
  if (host.iommu) {
    out.ok("D-IOMMU", "Xen uses an IOMMU");
  } else {
    out.broken("D-IOMMU", "Xen uses no IOMMU: a device could write to any memory",
               "turn VT-d or AMD-Vi on in the firmware, and do not boot Xen with iommu=off");
  }
  if (!host.interrupt_remapping) {
    out.warn("D-INTREMAP", "whether interrupts are remapped cannot be told: Xen's log has wrapped",
             "look at the log of a fresh boot for \"Interrupt remapping enabled\"");
  } else if (*host.interrupt_remapping) {
    out.ok("D-INTREMAP", "Xen remaps interrupts");
  } else if (host.iommu) {
    out.warn("D-INTREMAP", "interrupts are not remapped: a device could forge them",
             "turn interrupt remapping (x2APIC) on in the firmware");
  }
}

void check_version(const std::string& module, const std::string& version, Findings& out) {
  if (version == kVersion) {
    out.ok("D-MODULE", fmt::format("{} is loaded, version {}", module, version));
    return;
  }
  out.warn("D-MODULE",
           fmt::format("{} is {}, this is {}", module,
                       version.empty() ? "of no version" : "version " + version, kVersion),
           "install the modules again, make the initramfs again (update-initramfs -u), reboot");
}

void check_modules(const HostFacts& facts, Findings& out) {
  if (facts.driver_module.empty()) {
    out.broken("D-MODULE", "no PCI back end is loaded", "modprobe pciback");
  } else if (facts.driver_module != "pciback") {
    out.broken("D-MODULE",
               fmt::format("the driver \"pciback\" is that of {}, not ours", facts.driver_module),
               "release its devices, unload it, and blacklist it (see D-MODPROBE)");
  } else {
    check_version("pciback", facts.module_version, out);
  }
  if (!facts.front_version.empty()) check_version("pcifront", facts.front_version, out);
  if (facts.in_tree_kept_away) {
    out.ok("D-MODPROBE", "modprobe keeps xen-pciback away");
  } else {
    out.warn(
        "D-MODPROBE", "nothing keeps the in-tree xen-pciback from being loaded first",
        "put \"blacklist xen-pciback\" into a file of /etc/modprobe.d, make the initramfs again");
  }
}

bool matches(const std::string& pattern, const Sbdf& device) {
  // [DDDD:]BB:DD.F with * for F, or *.* for DD.F: compared as text, field by field.
  const std::string full = pattern.find(':') == pattern.rfind(':') ? "0000:" + pattern : pattern;
  const std::string name = device.str();
  if (full.ends_with(":*.*")) return name.starts_with(full.substr(0, full.size() - 3));
  if (full.ends_with(".*")) return name.starts_with(full.substr(0, full.size() - 1));
  const Result<Sbdf> one = Sbdf::parse(full);
  return one && *one == device;
}

void check_hidden(const HostFacts& facts, Findings& out) {
  if (!facts.devices) return;
  std::vector<std::string> lost, absent;
  for (const Hidden& hidden : facts.hidden) {
    if (hidden.foreign) {
      out.warn("D-HIDE",
               fmt::format("{} hides ({}) with the in-tree module's parameter", hidden.from,
                           hidden.pattern),
               "write pciback.hide= instead of xen-pciback.hide=");
    }
    bool found = false;
    for (const DeviceView& view : *facts.devices) {
      if (view.device.is_bridge() || !matches(hidden.pattern, view.device.sbdf)) continue;
      found = true;
      if (!view.device.driver.empty() && !view.device.on_pciback())
        lost.push_back(fmt::format("{} ({})", view.device.sbdf.str(), view.device.driver));
    }
    if (!found) absent.push_back(fmt::format("({}) of {}", hidden.pattern, hidden.from));
  }
  if (!absent.empty()) {
    out.warn("D-HIDE", fmt::format("nothing is there to hide for {}", fmt::join(absent, ", ")),
             "correct the address: `pciassign list` shows all devices");
  }
  if (!lost.empty()) {
    out.broken("D-INITRAMFS",
               fmt::format("another driver was faster than pciback: {}", fmt::join(lost, ", ")),
               "put pciback into the initramfs, before the other drivers (on Debian: "
               "/etc/initramfs-tools/modules and a softdep), then update-initramfs -u");
  } else if (!facts.hidden.empty()) {
    out.ok("D-INITRAMFS", "pciback was in time for every device that it hides");
  }
}

void check_daemon(const HostFacts& facts, Findings& out) {
  if (!facts.daemon) {
    out.broken("D-DAEMON", facts.daemon.error().message, facts.daemon.error().hint);
    return;
  }
  if (facts.daemon->version.version != kVersion) {
    out.warn("D-DAEMON",
             fmt::format("pciassignd is version {}, this is {}", facts.daemon->version.version,
                         kVersion),
             "systemctl restart pciassignd");
  } else {
    out.ok("D-DAEMON",
           fmt::format("pciassignd answers, {} attachments", facts.daemon->attachments));
  }
  for (const rpc::RetryView& retry : facts.daemon->retries) {
    if (retry.failures == 0) continue;  // It only waits in line.
    out.warn("D-RETRY",
             fmt::format("failed {} times and is tried again: {}", retry.failures, retry.what),
             "journalctl -u pciassignd tells why");
  }
  // Of which these checks know nothing: of its state, or corrected since it was read.
  for (const rpc::ProblemView& problem : facts.daemon->problems) {
    const auto known = [&](const auto& own) { return own.file == problem.file; };
    if ((facts.configured && std::any_of(facts.configured->problems.begin(),
                                         facts.configured->problems.end(), known)) ||
        (facts.journal_faults &&
         std::any_of(facts.journal_faults->begin(), facts.journal_faults->end(), known)))
      continue;
    out.warn("D-DAEMON", "pciassignd cannot use " + problem.what,
             problem.hint.empty() ? "systemctl reload pciassignd" : problem.hint);
  }
}

void check_assignments(const HostFacts& facts, Findings& out) {
  if (!facts.configured) {
    out.broken("D-CONFIG", facts.configured.error().message,
               "correct it, then: systemctl reload pciassignd");
    return;
  }
  const config::Configured& configured = *facts.configured;
  for (const config::Problem& problem : configured.problems) {
    if (problem.minor) {
      out.warn("D-CONFIG", problem.error.message, problem.error.hint);
    } else {
      out.broken("D-CONFIG", problem.error.message, problem.error.hint);
    }
  }
  if (configured.problems.empty())
    out.ok("D-CONFIG", fmt::format("{} domains with assignments, {} driver domains",
                                   configured.assignments.size(), configured.domains.size()));
  if (!facts.devices) return;
  for (const auto& [name, assignment] : configured.assignments) {
    for (const DeviceSpec& spec : assignment.devices) {
      const bool there =
          !spec.name.empty() ||
          std::any_of(facts.devices->begin(), facts.devices->end(), [&](const DeviceView& view) {
            Sbdf slot = view.device.sbdf;
            if (spec.all_functions) slot.function = spec.sbdf.function;
            return slot == spec.sbdf;
          });
      if (there) continue;
      out.warn("D-ABSENT",
               fmt::format("{}: domain {} is assigned {}, which does not exist", assignment.origin,
                           name, spec.str()),
               shell_command("pciassign unassign", {name, spec.sbdf.str()}));
    }
  }
}

void check_journal(const HostFacts& facts, Findings& out) {
  if (!facts.journal_faults) {
    out.broken("D-JOURNAL", facts.journal_faults.error().message,
               "without it nothing can be attached: look at its folder, then restart pciassignd");
    return;
  }
  for (const JournalFault& fault : *facts.journal_faults) {
    if (fault.kind == JournalFault::Kind::damaged) {
      out.broken("D-JOURNAL", fault.why, fault.hint);
    } else {
      out.warn("D-JOURNAL", fault.why, fault.hint);
    }
  }
  if (facts.journal_faults->empty()) out.ok("D-JOURNAL", "every record of the journal can be read");
}

void check_nodes(const HostFacts& facts, Findings& out) {
  std::vector<std::string> stale;
  for (const auto& [path, domid] : facts.nodes) {
    if (!facts.domains.contains(domid)) stale.push_back(path);
  }
  if (stale.empty()) {
    out.ok("D-NODES", "every device node in xenstore is of a domain that exists");
  } else {
    out.warn("D-NODES", fmt::format("nodes of domains that are gone: {}", fmt::join(stale, ", ")),
             "start pciassignd, which removes its own; others: xenstore-rm PATH");
  }
}

void check_rights(const HostFacts& facts, Findings& out) {
  if (!facts.console) {
    out.warn("D-RIGHTS", "Xen's view of rights cannot be read: " + facts.console.error().message,
             "run this as root, with Xen's tools installed");
    return;
  }
  std::set<DomId> with_devices;  // Domains to which somebody accounts for a device.
  for (const AttachmentRecord& record : facts.journal) with_devices.insert(record.domid);
  for (const auto& [path, domid] : facts.nodes) with_devices.insert(domid);
  std::vector<std::string> orphans;
  for (const auto& [domid, rights] : parse_rights(*facts.console)) {
    if (domid == kDom0 || domid >= kDomIo || rights.none() || with_devices.contains(domid))
      continue;
    orphans.push_back(fmt::format("domain {}: interrupts {{{}}} memory {{{}}} ports {{{}}}", domid,
                                  rights.interrupts, rights.memory, rights.ports));
  }
  for (const auto& [device, owner] : parse_owners(*facts.console)) {
    if (owner == kDom0 || owner == kDomIo || with_devices.contains(owner)) continue;
    orphans.push_back(fmt::format("{} belongs to domain {}", device.str(), owner));
  }
  if (orphans.empty()) {
    out.ok("D-RIGHTS", "nobody has a right to hardware that is not accounted for");
  } else {
    out.broken(
        "D-RIGHTS",
        fmt::format("rights that neither pciassign nor xl accounts for: {}",
                    fmt::join(orphans, "; ")),
        "destroy these domains, or find out which tool gave the rights (iomem=, ioports=, irqs=)");
  }
}

}  // namespace

std::vector<Finding> judge_host(const HostFacts& facts) {
  Findings out;
  check_xen(facts, out);
  if (!facts.on_xen || !facts.is_dom0) return out.all;
  check_modules(facts, out);
  check_hidden(facts, out);
  check_daemon(facts, out);
  check_assignments(facts, out);
  if (facts.host) {
    check_journal(facts, out);
    check_nodes(facts, out);
    check_rights(facts, out);
  }
  return out.all;
}

}  // namespace pciassign::cli
