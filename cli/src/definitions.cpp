// SPDX-License-Identifier: GPL-2.0-or-later
#include "definitions.hpp"

#include <array>

#include "commands.hpp"

namespace pciassign::cli {
namespace {

constexpr auto kSpecWords =
    "address, with options: 03:00.0,permissive=1 (see xl-pci-configuration(5))";

Argument a_domain(bool required = true) {
  return {"domain",         "DOM",    Completes::domain,
          &Options::domain, required, "name or number of the domain"};
}
Argument devices(const char* words) {
  return {"device", "DEV...", Completes::device, &Options::devices, true, words};
}
Argument one_device(const char* words = "address such as 0000:03:00.0") {
  return {"device", "DEV", Completes::device, &Options::devices, true, words};
}
Flag all(const char* words) {
  return {"-a,--all", "", Completes::nothing, &Options::all, words};
}
const Flag kVerbose{"-v,--verbose", "", Completes::nothing, &Options::verbose, "tell each step"};
const Flag kDryRun{"-n,--dry-run", "", Completes::nothing, &Options::dry_run,
                   "print the plan that would run, and change nothing"};
std::vector<Flag> of_change(std::vector<Flag> more = {}) {
  more.push_back(kDryRun);
  more.push_back(kVerbose);
  return more;
}

constexpr auto kAttachDetails =
    "Judges the devices, has Xen grant exactly what they need (IOMMU, each BAR, I/O ports, "
    "interrupt), and shows them to the domain; waits until both ends are connected. All devices "
    "are one plan: if one cannot be attached, none is.\n\n"
    "A paused domain that has not run yet gets its devices before its first instruction.\n\n"
    "What policy refuses can in some cases be accepted aloud with the option allow=WORD; "
    "*pciassign explain* tells the word.";

std::vector<Command> make_definitions() {
  return {
      {"list",
       "devices, and who has them",
       "One line for each PCI function of the host: address, ids, class, driver of dom0, state, "
       "domain, virtual slot, reset methods, isolation group and name.",
       {},
       {all("bridges as well"),
        {"-t,--tree", "", Completes::nothing, &Options::tree, "by the bridges that they are below"},
        {"-c,--class", "CLASS", Completes::nothing, &Options::device_class,
         "only this class: a part of its name (ethernet), or its number (02, 0108)"}},
       {{"pciassign list --class ethernet", "the network cards"},
        {"pciassign list --tree", "the topology, from which isolation follows"}},
       list_devices},
      {"show",
       "one device in full",
       "Identity, state, resources, interrupts, reset methods and place of one device.",
       {one_device()},
       {},
       {},
       show_device},
      {"explain",
       "every check that a device has to pass, with what was seen",
       "Judges the device as *attach* would, for a domain if one is named, and shows each check as "
       "passed, as a warning or as a refusal, with its evidence, what to do about it, and the word "
       "that accepts it where one may. Exit status 4 when something is refused.",
       {one_device(kSpecWords), a_domain(false)},
       {},
       {{"pciassign explain 03:00.0 net", "may the domain net have 03:00.0?"}},
       explain},
      {"plan attach",
       "the steps of an attach",
       "",
       {a_domain(), devices(kSpecWords)},
       {all("also the checks that passed")},
       {},
       show_plan},
      {"plan detach",
       "the steps of a detach",
       "",
       {a_domain(), devices("addresses")},
       {all("also the checks that passed")},
       {},
       show_plan},
      {"plan reserve",
       "the steps of a reserve",
       "",
       {one_device()},
       {all("also the checks that passed")},
       {},
       show_plan},
      {"plan release",
       "the steps of a release",
       "",
       {one_device()},
       {all("also the checks that passed")},
       {},
       show_plan},
      {"plan reset",
       "the steps of a reset",
       "",
       {one_device()},
       {all("also the checks that passed")},
       {},
       show_plan},
      {"attach",
       "give devices to a domain",
       kAttachDetails,
       {a_domain(), devices(kSpecWords)},
       of_change(),
       {{"pciassign attach net 03:00.0", "the device at 03:00.0 to the domain net"},
        {"pciassign attach net 03:00.0,seize=1", "taking it from dom0's driver first"},
        {"pciassign attach net 03:00.*", "every function of the slot"}},
       change},
      {"detach",
       "take devices from a domain",
       "Asks the guest to let go, waits for it for a bounded time, then revokes every right, "
       "resets the device, verifies it and leaves it in quarantine.",
       {a_domain(), devices("addresses")},
       of_change(),
       {{"pciassign detach net 03:00.0", ""}},
       change},
      {"create",
       "make a domain that has its devices before it runs",
       "Reads a domain file of *xl*(1) with its pci=[...], has xl create the domain paused and "
       "without devices, attaches them, and lets it run. passthrough=\"enabled\" and e820_host=1 "
       "are added where the file does not say otherwise. If anything fails the domain is destroyed "
       "again. Every option of *xl-pci-configuration*(5), the file's defaults for them and the "
       "forms of Xen 2.0 are understood; gfx_passthru and files in xend's own form are refused.",
       {{"cfg", "CFG", Completes::file, &Options::file, true, "domain file of xl"}},
       of_change({{"--no-unpause", "", Completes::nothing, &Options::no_unpause,
                   "leave the domain paused"}}),
       {{"pciassign create /etc/xen/net.cfg", ""}},
       create},
      {"reserve",
       "take a device from dom0's driver, into quarantine",
       "Binds the device to pciback and leaves it with Xen's DOMID_IO, where it can reach no "
       "memory, ready for *attach*.",
       {one_device()},
       of_change(),
       {{"pciassign reserve 03:00.0", ""}},
       change},
      {"release",
       "give a device back to dom0's driver",
       "Resets the device, takes it out of quarantine and has dom0's driver probe it.",
       {one_device()},
       of_change(),
       {{"pciassign release 03:00.0", ""}},
       change},
      {"reset",
       "reset a reserved device and verify it",
       "Only for a device that pciback has and no domain uses.",
       {one_device()},
       of_change(),
       {},
       change},
      {"assign",
       "have a domain get devices whenever it is created",
       "Writes the domain's entry in /etc/pciassign/assignments.d and has pciassignd read it. The "
       "domain, created by any toolstack, then gets the devices before its first instruction. "
       "Devices are added to those that it is assigned; a running domain is left as it is.",
       {a_domain(), devices(kSpecWords)},
       {{"--on-failure", "WHAT", Completes::on_failure, &Options::on_failure,
         "keep-paused (as without the flag) or start: what becomes of the domain if its devices "
         "cannot be attached"},
        kDryRun},
       {{"pciassign assign net 03:00.0", ""}},
       assign},
      {"unassign",
       "take devices, or a domain, out of the assignments",
       "The entry's other devices and its comments stay. Without a device the whole entry goes. A "
       "running domain keeps what it has: see *detach*.",
       {a_domain(), {"device", "DEV...", Completes::device, &Options::devices, false, "addresses"}},
       {kDryRun},
       {{"pciassign unassign net 03:00.0", ""}, {"pciassign unassign net", "the whole entry"}},
       unassign},
      {"status",
       "what the daemon does",
       "Changes under way with their current step, what failed and is tried again, and the domains "
       "with assignments.",
       {},
       {},
       {},
       show_status},
      {"watch",
       "tell each step of each change as it happens",
       "Until interrupted. With --json one object a line.",
       {},
       {},
       {},
       watch},
      {"doctor",
       "audit the host",
       "Xen, IOMMU, interrupt remapping, the modules and their versions, competing in-tree "
       "modules, the order in the initramfs, stale xenstore nodes, rights that nobody accounts "
       "for, and configuration that names absent devices. Exit status 0: all is well; 1: "
       "warnings; 2: something is broken.",
       {},
       {},
       {},
       doctor},
      {"report",
       "write what a bug report needs, without secrets",
       "A gzipped tar archive with versions, devices, assignments, findings, Xen's and the "
       "kernel's "
       "messages and xenstore's device nodes. Names of domains, hardware addresses, serial "
       "numbers, "
       "IP addresses, UUIDs and host names are replaced; the same one by the same word.",
       {{"file", "FILE", Completes::file, &Options::file, false,
         "archive to write; pciassign-report.tar.gz without it"}},
       {},
       {},
       report},
      {"completion",
       "completion for a shell",
       "Prints the script; *eval \"$(pciassign completion bash)\"* loads it.",
       {{"shell", "SHELL", Completes::shell, &Options::shell, true, "bash or zsh"}},
       {},
       {},
       completion},
      {"version", "versions of the command line, the daemon and Xen", "", {}, {}, {}, show_version},

      {"pci-list",
       "xl's: devices of a domain",
       "Prints what *xl pci-list* prints.",
       {a_domain()},
       {},
       {},
       xl_list,
       true},
      {"pci-attach",
       "xl's: attach a device",
       "As *xl pci-attach*, which names one device and perhaps a virtual slot.",
       {a_domain(),
        one_device(kSpecWords),
        {"vslot", "VSLOT", Completes::nothing, &Options::virtual_slot, false,
         "virtual slot in the guest, hexadecimal"}},
       {},
       {},
       xl_attach,
       true},
      {"pci-detach",
       "xl's: detach a device",
       "As *xl pci-detach*. A detach is always carried out, with the guest or without it, so "
       "--force changes nothing.",
       {a_domain(), one_device()},
       {{"-f,--force", "", Completes::nothing, &Options::force, "accepted for xl's sake"}},
       {},
       xl_detach,
       true},
      {"pci-assignable-list",
       "xl's: reserved devices that nobody has",
       "Prints what *xl pci-assignable-list* prints.",
       {},
       {{"-n,--names", "", Completes::nothing, &Options::names, "accepted: devices have no names"}},
       {},
       xl_assignable_list,
       true},
      {"pci-assignable-add",
       "xl's: reserve a device",
       "",
       {one_device()},
       {},
       {},
       xl_assignable_add,
       true},
      {"pci-assignable-remove",
       "xl's: release a device",
       "As *xl pci-assignable-remove*. Without -r xl leaves the device without a driver; here "
       "dom0's "
       "driver always has it again.",
       {one_device()},
       {{"-r,--rebind", "", Completes::nothing, &Options::give_back, "accepted for xl's sake"}},
       {},
       xl_assignable_remove,
       true},
  };
}

}  // namespace

std::span<const Command> definitions() {
  static const std::vector<Command> all_of_them = make_definitions();
  return all_of_them;
}

std::span<const Flag> common_flags() {
  static const std::array flags{
      Flag{"--json", "", Completes::nothing, &Options::json, "answer as JSON on stdout"},
      Flag{"--socket", "PATH", Completes::file, &Options::socket, "control socket of pciassignd"},
  };
  return flags;
}

std::string_view group_words(std::string_view group) {
  return group == "plan" ? "tell what a change would do, step by step" : "";
}

}  // namespace pciassign::cli
