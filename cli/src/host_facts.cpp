// SPDX-License-Identifier: GPL-2.0-or-later
#include "host_facts.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "configured.hpp"
#include "program.hpp"
#include "source.hpp"

namespace pciassign::cli {
namespace fs = std::filesystem;
namespace {

std::string read_text(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string first_line(const std::string& file) {
  const std::string text = read_text(file);
  return text.substr(0, text.find('\n'));
}

std::string module_of_driver(const std::string& root) {
  std::error_code ec;
  const fs::path link = fs::read_symlink(root + "/sys/bus/pci/drivers/pciback/module", ec);
  if (!ec) return link.filename();
  // Built into the kernel a driver has no module.
  return fs::exists(root + "/sys/bus/pci/drivers/pciback", ec) ? "the kernel itself" : "";
}

/// Every line of modprobe's configuration.
std::vector<std::pair<std::string, std::string>> modprobe_lines(const std::string& root) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const char* directory : {"/etc/modprobe.d", "/run/modprobe.d", "/lib/modprobe.d"}) {
    std::error_code ec;
    for (fs::directory_iterator it(root + directory, ec), end; !ec && it != end; it.increment(ec)) {
      if (it->path().extension() != ".conf") continue;
      std::ifstream in(it->path());
      for (std::string line; std::getline(in, line);) lines.emplace_back(it->path(), line);
    }
  }
  return lines;
}

bool keeps_in_tree_away(const std::string& line) {
  const std::size_t word = line.find_first_not_of(" \t");
  if (word == std::string::npos || line[word] == '#') return false;
  const bool names = line.find("xen-pciback") != std::string::npos ||
                     line.find("xen_pciback") != std::string::npos;
  return names &&
         (line.compare(word, 9, "blacklist") == 0 || line.compare(word, 7, "install") == 0);
}

void read_nodes(Store& store, HostFacts& facts) {
  const auto number = [](const std::string& text) -> std::optional<DomId> {
    if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos ||
        text.size() > 5)
      return std::nullopt;
    return static_cast<DomId>(std::stoul(text));
  };
  const std::string backend = "/local/domain/0/backend/pci";
  if (const auto children = store.list(backend)) {
    for (const std::string& child : *children) {
      if (const auto domid = number(child)) facts.nodes.emplace_back(backend + "/" + child, *domid);
    }
  }
  if (const auto children = store.list("/libxl/pci")) {
    for (const std::string& child : *children) {
      const std::string path = "/libxl/pci/" + child;
      const auto domid = store.read(path + "/domid");
      if (!domid || !*domid) continue;
      if (const auto owner = number(**domid)) facts.nodes.emplace_back(path, *owner);
    }
  }
}

Result<std::string> xen_console(const std::string& xl) {
  for (const char* key : {"q", "Q"}) {
    const auto sent = run_program({xl, "debug-keys", key});
    if (!sent) return tl::unexpected<Error>(sent.error());
    if (sent->status != 0) return fail(ErrorKind::failed, "xl debug-keys: " + sent->last_words());
  }
  auto said = run_program({xl, "dmesg"});
  if (!said) return tl::unexpected<Error>(said.error());
  if (said->status != 0) return fail(ErrorKind::failed, "xl dmesg: " + said->last_words());
  return std::move(said->output);
}

}  // namespace

HostFacts collect_host_facts(Environment& environment, const Options& options) {
  const std::string& root = environment.root;
  HostFacts facts;
  facts.on_xen = first_line(root + "/sys/hypervisor/type") == "xen";
  facts.is_dom0 = read_text(root + "/proc/xen/capabilities").find("control_d") != std::string::npos;
  facts.driver_module = module_of_driver(root);
  facts.module_version = first_line(root + "/sys/module/pciback/version");
  facts.front_version = first_line(root + "/sys/module/pcifront/version");
  facts.hidden = parse_hidden(first_line(root + "/proc/cmdline"), "the kernel's command line");
  for (const auto& [file, line] : modprobe_lines(root)) {
    facts.in_tree_kept_away = facts.in_tree_kept_away || keeps_in_tree_away(line);
    if (!line.starts_with("options ")) continue;
    // "options pciback hide=..." as if it stood on the command line.
    std::string text = line.substr(8);
    if (const std::size_t space = text.find(' '); space != std::string::npos) text[space] = '.';
    for (Hidden& hidden : parse_hidden(text, file)) facts.hidden.push_back(std::move(hidden));
  }

  if (auto client = rpc::Client::connect(options.socket)) {
    facts.daemon = call_as<rpc::StatusResult>(*client, "status", {});
  } else {
    facts.daemon = tl::unexpected<Error>(client.error());
  }
  facts.configured = daemon_paths(environment).map([](const config::Paths& paths) {
    return config::load_configured(paths);
  });

  const auto local = environment.open_local();
  if (!local) {
    facts.host = tl::unexpected<Error>(local.error());
    facts.devices = tl::unexpected<Error>(local.error());
    facts.console = tl::unexpected<Error>(local.error());
    facts.journal_faults = tl::unexpected<Error>(local.error());
    return facts;
  }
  Toolstack& toolstack = (*local)->toolstack();
  facts.host = toolstack.ports().xen.host();
  facts.devices = toolstack.list();
  if (const auto domains = toolstack.ports().xen.domains()) {
    for (const DomainInfo& domain : *domains) facts.domains.insert(domain.domid);
  }
  facts.journal_faults = toolstack.ports().journal.faults();
  if (const auto journal = toolstack.ports().journal.all()) facts.journal = *journal;
  read_nodes(toolstack.ports().store, facts);
  facts.console = xen_console(environment.xl);
  return facts;
}

}  // namespace pciassign::cli
