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
Argument a_driver_domain(Completes completes = Completes::driver_domain) {
  return {"name", "NAME", completes, &Options::domain, true, "name of the driver domain"};
}
const Flag kNoWait{"--no-wait", "", Completes::nothing, &Options::no_wait,
                   "do not wait until it is done"};
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

constexpr auto kDomainCreateDetails =
    "*domain create* makes a driver domain: a domain that has the device and serves other guests "
    "with it. Its image is a kernel (that of the host unless --kernel names one) and an initramfs "
    "with only the modules that the device and the back end need and with this project's agent. "
    "The image and the files for xl are written to /var/lib/pciassign/domains/NAME. By the entry "
    "/etc/pciassign/domains.d/NAME.toml *pciassignd*(8) starts it, watches it and brings it back. "
    "If anything fails, nothing of it is left.\n\n"
    "Guests get their devices from it as from any driver domain of *xl*(1): "
    "vif = [ 'backend=NAME' ], disk = [ '...,backend=NAME' ], *xl network-attach*, *xl "
    "block-attach*.";

Command domain_create_definition() {
  const auto nothing = Completes::nothing;
  return {
      "domain create",
      "make a driver domain, and start it",
      kDomainCreateDetails,
      {a_driver_domain(Completes::nothing)},
      {{"--class", "CLASS", Completes::driver_class, &Options::driver_class,
        "what it serves: net or block", true},
       {"--device", "DEV", Completes::device, &Options::devices,
        "a device for it: address, with options as *attach* takes them; may be repeated", true},
       {"--memory", "MB", nothing, &Options::memory, "its memory (256)"},
       {"--standby", "", nothing, &Options::standby,
        "keep a second instance, booted and without the device, that takes over after a crash"},
       {"--kernel", "FILE", Completes::file, &Options::kernel,
        "its kernel: a bzImage or an ELF image, whose modules are in /lib/modules"},
       {"--mode", "MODE", Completes::net_mode, &Options::net_mode,
        "net: how its NIC and the guests meet: bridge (as without the flag) or route"},
       {"--bridge", "NAME", nothing, &Options::bridge, "net: name of the bridge in it (xenbr0)"},
       {"--address", "ADDR/BITS", nothing, &Options::address,
        "net: an IPv4 address for the driver domain itself, such as 192.0.2.2/24"},
       {"--gateway", "ADDR", nothing, &Options::gateway, "net: its way to other networks"},
       {"--volumes", "", nothing, &Options::volumes,
        "block: LVM is in the image, and its volume groups are activated"},
       {"--mount", "DEVICE:DIR:TYPE", nothing, &Options::mounts,
        "block: a file system in it whose files are exported, such as /dev/nvme0n1p1:/srv:ext4; "
        "may be repeated"},
       {"--module", "NAME", nothing, &Options::modules,
        "another module for it, by name or as a file; may be repeated"},
       {"--no-start", "", nothing, &Options::no_start,
        "neither start it now nor whenever pciassignd starts"},
       {"-f,--force", "", nothing, &Options::force,
        "also with a device whose PCI class is not that of --class"},
       kDryRun,
       kVerbose},
      {{"pciassign domain create net1 --class net --device 03:00.0,seize=1", ""},
       {"pciassign domain create disks --class block --device 05:00.0 --standby", ""}},
      domain_create};
}

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
       "are added where the file does not say otherwise, and a fresh uuid, by which the domain is "
       "known. If anything fails that domain, and no other of its name, is destroyed again. A name "
       "that is a number is refused. Every option of *xl-pci-configuration*(5), the file's "
       "defaults for them and the "
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
      domain_create_definition(),
      {"domain list",
       "driver domains, and how they are",
       "*domain list* has one line for each driver domain: class, state, domain, standby, how many "
       "devices of guests it serves, crashes of late and its devices. Without the daemon it prints "
       "what is configured.",
       {},
       {},
       {},
       domain_list},
      {"domain show",
       "one driver domain in full",
       "*domain show* tells state, standby, the last recovery with each phase's time, and the "
       "devices that it serves, each with the recovery that it will get: in place, or removed and "
       "added.",
       {a_driver_domain()},
       {},
       {},
       domain_show},
      {"domain start",
       "start a driver domain, and keep it alive",
       "*domain start* also ends the state in which the daemon has given it up.",
       {a_driver_domain()},
       {kNoWait, kDryRun},
       {},
       domain_change},
      {"domain stop",
       "stop a driver domain until it is started again",
       "*domain stop* shuts it down in order. The guests' devices stay, without service, and are "
       "connected again when it is started.",
       {a_driver_domain()},
       {kNoWait, kDryRun},
       {},
       domain_change},
      {"domain recover",
       "bring a driver domain back, as after a crash",
       "*domain recover* destroys and re-creates it, or moves its device to the standby, and "
       "connects the guests' devices again.",
       {a_driver_domain()},
       {kNoWait, kDryRun},
       {},
       domain_change},
      {"domain remove",
       "stop a driver domain and remove it",
       "*domain remove* also removes its entry and the files that *domain create* made. Its "
       "devices "
       "go where they were before. It is refused while guests have devices from it. What it finds "
       "in /var/lib/pciassign/domains/NAME that is not of *domain create* it keeps, and tells; a "
       "symbolic link there is refused.",
       {a_driver_domain()},
       {{"-f,--force", "", Completes::nothing, &Options::force,
         "although guests have devices from it"},
        kDryRun},
       {{"pciassign domain remove net1", ""}},
       domain_remove},
      {"status",
       "what the daemon does",
       "Changes under way with their current step, what failed and is tried again, the domains "
       "with assignments, and files that cannot be used.",
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
       "for, files of the configuration that cannot be used, and entries that name absent "
       "devices. Exit status 0: all is well; 1: "
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
  if (group == "plan") return "tell what a change would do, step by step";
  return group == "domain" ? "driver domains: they serve guests, and come back by themselves" : "";
}

std::string_view choices(Completes what) {
  switch (what) {
    case Completes::shell:
      return "bash zsh";
    case Completes::on_failure:
      return "start keep-paused";
    case Completes::driver_class:
      return "net block";
    case Completes::net_mode:
      return "bridge route";
    default:
      return "";
  }
}

}  // namespace pciassign::cli
