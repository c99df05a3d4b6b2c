// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "version.hpp"

namespace pciassign::cli {
namespace {

void add_common(CLI::App* command, Options& options) {
  command->add_flag("--json", options.json, "answer as JSON on stdout");
  command->add_option("--socket", options.socket, "control socket of pciassignd")
      ->type_name("PATH");
}

CLI::App* add_command(CLI::App& app, Options& options, const std::string& name,
                      const std::string& words) {
  CLI::App* command = app.add_subcommand(name, words);
  add_common(command, options);
  command->callback([&options, name] { options.command = name; });
  return command;
}

void add_domain(CLI::App* command, Options& options) {
  command->add_option("domain", options.domain, "name or number of the domain")
      ->required()
      ->type_name("DOM");
}

void add_devices(CLI::App* command, Options& options, const std::string& words) {
  command->add_option("device", options.devices, words)->required()->type_name("DEV");
}

void add_one_device(CLI::App* command, Options& options) {
  add_devices(command, options, "address such as 0000:03:00.0");
  command->get_option("device")->expected(1);
}

constexpr auto kSpecWords =
    "address, with options: 03:00.0,permissive=1 (see xl-pci-configuration(5))";

void add_change_flags(CLI::App* command, Options& options) {
  command->add_flag("-v,--verbose", options.verbose, "tell each step");
}

void add_plan(CLI::App& app, Options& options) {
  CLI::App* plan = app.add_subcommand("plan", "tell what a change would do, step by step");
  plan->require_subcommand(1);
  for (const std::string action : {"attach", "detach", "reserve", "release"}) {
    CLI::App* sub = plan->add_subcommand(action, "the steps of " + action);
    add_common(sub, options);
    if (action == "attach" || action == "detach") {
      add_domain(sub, options);
      add_devices(sub, options, action == "attach" ? kSpecWords : "addresses");
    } else {
      add_one_device(sub, options);
    }
    sub->add_flag("-a,--all", options.all, "also the checks that passed");
    sub->callback([&options, action] {
      options.command = "plan";
      options.action = action;
    });
  }
}

/// CLI11's own messages, made one line.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

std::variant<Options, ParseEnd> parse_words(const std::vector<std::string>& words) {
  Options options;
  CLI::App app{"PCI devices for Xen domains", "pciassign"};
  app.set_version_flag("--version", std::string("pciassign ") + kVersion);
  app.require_subcommand(1);

  add_command(app, options, "list", "devices, and who has them")
      ->add_flag("-a,--all", options.all, "bridges as well");
  add_one_device(add_command(app, options, "show", "one device in full"), options);
  add_plan(app, options);

  CLI::App* attach = add_command(app, options, "attach", "give devices to a domain");
  add_domain(attach, options);
  add_devices(attach, options, kSpecWords);
  add_change_flags(attach, options);
  CLI::App* detach = add_command(app, options, "detach", "take devices from a domain");
  add_domain(detach, options);
  add_devices(detach, options, "addresses");
  add_change_flags(detach, options);
  CLI::App* create =
      add_command(app, options, "create", "make a domain that has its devices before it runs");
  create->add_option("cfg", options.file, "domain file of xl")->required()->type_name("CFG");
  create->add_flag("--no-unpause", options.no_unpause, "leave the domain paused");
  add_change_flags(create, options);
  CLI::App* reserve =
      add_command(app, options, "reserve", "take a device from dom0's driver, into quarantine");
  add_one_device(reserve, options);
  add_change_flags(reserve, options);
  CLI::App* release = add_command(app, options, "release", "give a device back to dom0's driver");
  add_one_device(release, options);
  add_change_flags(release, options);
  add_command(app, options, "status", "what the daemon does");
  add_command(app, options, "version", "versions of the command line, the daemon and Xen");

  // CLI11 would only say that a command is missing.
  const auto named = [&](const CLI::App* command) { return command->check_name(words.front()); };
  if (!words.empty() && !words.front().starts_with('-') && app.get_subcommands(named).empty()) {
    return ParseEnd{.status = 2,
                    .text = {},
                    .error = Error{ErrorKind::usage,
                                   {},
                                   "there is no command \"" + words.front() + "\"",
                                   "see: pciassign --help",
                                   0}};
  }
  std::vector<std::string> reversed(words.rbegin(), words.rend());  // As CLI11 wants them.
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    const CLI::App* at = &app;
    for (auto subs = at->get_subcommands(); !subs.empty(); subs = at->get_subcommands())
      at = subs.front();
    return ParseEnd{
        .status = 0, .text = at == &app ? app.help() : at->help("pciassign"), .error = {}};
  } catch (const CLI::CallForVersion& version) {
    return ParseEnd{.status = 0, .text = std::string(version.what()) + "\n", .error = {}};
  } catch (const CLI::ParseError& error) {
    return ParseEnd{
        .status = 2,
        .text = {},
        .error = Error{ErrorKind::usage, {}, one_line(error.what()), "see: pciassign --help", 0}};
  }
  return options;
}

}  // namespace pciassign::cli
