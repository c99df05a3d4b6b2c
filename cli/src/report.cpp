// SPDX-License-Identifier: GPL-2.0-or-later
// report: what a bug report needs, redacted, in one archive.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <sstream>

#include "commands.hpp"
#include "host_facts.hpp"
#include "pciassign/rpc_json.hpp"
#include "program.hpp"
#include "redact.hpp"
#include "source.hpp"
#include "text.hpp"
#include "version.hpp"

namespace pciassign::cli {
namespace fs = std::filesystem;
namespace {

/// A directory of ours only, removed with what is in it.
class TemporaryDirectory {
 public:
  static Result<TemporaryDirectory> make() {
    const char* above = std::getenv("TMPDIR");
    std::string path =
        std::string(above != nullptr && *above != '\0' ? above : "/tmp") + "/pciassign.XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) return fail_errno("cannot make a directory " + path);
    return TemporaryDirectory(path);
  }
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  ~TemporaryDirectory() {
    std::error_code ec;
    if (!path_.empty()) fs::remove_all(path_, ec);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  explicit TemporaryDirectory(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

struct Part {
  std::string name, text;
};

Part of_program(const std::string& name, const std::vector<std::string>& words) {
  const auto end = run_program(words);
  if (!end) return {name, end.error().message + "\n"};
  return {name, end->status == 0 ? end->output
                                 : fmt::format("exit status {}\n{}", end->status, end->output)};
}

std::string file_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <class T>
std::string or_error(const Result<T>& result, const std::function<std::string(const T&)>& words) {
  return result ? words(*result) : result.error().message + "\n";
}

std::vector<Part> collect(Environment& environment, const HostFacts& facts) {
  std::vector<Part> parts;
  parts.push_back(
      {"versions.txt",
       fmt::format("pciassign {}\npciassignd {}\npciback {} ({})\n", kVersion,
                   facts.daemon ? facts.daemon->version.version : facts.daemon.error().message,
                   facts.module_version, facts.driver_module)});
  std::ostringstream checks;
  print_checks(checks, Paint(false), judge_host(facts));
  parts.push_back({"doctor.txt", checks.str()});
  parts.push_back(
      {"devices.json", or_error<std::vector<DeviceView>>(facts.devices, [](const auto& all) {
         return boost::json::serialize(rpc::to_json_array(all)) + "\n";
       })});
  parts.push_back({"status.json", or_error<rpc::StatusResult>(facts.daemon, [](const auto& status) {
                     return boost::json::serialize(rpc::to_json(status)) + "\n";
                   })});
  parts.push_back(
      {"assignments.txt", or_error<config::Configured>(facts.configured, [](const auto& all) {
         std::string text;
         const auto add = [&](const std::string& name, const std::vector<DeviceSpec>& devices) {
           text += name + ":";
           for (const DeviceSpec& spec : devices) text += " " + spec.str();
           text += "\n";
         };
         for (const auto& [name, one] : all.assignments) add(name, one.devices);
         for (const auto& [name, one] : all.domains) add("driver domain " + name, one.devices);
         for (const config::Problem& problem : all.problems) text += problem.error.message + "\n";
         return text;
       })});
  parts.push_back(
      {"xen-console.txt",
       or_error<std::string>(facts.console, [](const std::string& text) { return text; })});
  parts.push_back({"command-line.txt", file_text(environment.root + "/proc/cmdline")});
  parts.push_back({"modules.txt", file_text(environment.root + "/proc/modules")});
  parts.push_back(of_program("kernel.txt", {"dmesg"}));
  parts.push_back(of_program("xl-info.txt", {environment.xl, "info"}));
  parts.push_back(of_program("xl-list.txt", {environment.xl, "list"}));
  parts.push_back(
      of_program("backend-nodes.txt", {"xenstore-ls", "-f", "/local/domain/0/backend/pci"}));
  parts.push_back(of_program("libxl-nodes.txt", {"xenstore-ls", "-f", "/libxl/pci"}));
  parts.push_back(
      of_program("daemon-log.txt", {"journalctl", "-u", "pciassignd", "-n", "2000", "--no-pager"}));
  return parts;
}

/// Names that tell whose machine it is: the host's and the domains'.
void add_names(Environment& environment, const HostFacts& facts, Redactor& redact) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0) redact.add_name(host.data(), "host");
  if (facts.configured) {
    for (const auto& [name, one] : facts.configured->assignments) redact.add_name(name, "domain");
    for (const auto& [name, one] : facts.configured->domains) redact.add_name(name, "domain");
    for (const config::Problem& problem : facts.configured->problems)
      for (const std::string& name : problem.domains) redact.add_name(name, "domain");
  }
  if (facts.devices) {
    for (const DeviceView& view : *facts.devices) redact.add_name(view.domain_name, "domain");
  }
  const auto local = environment.open_local();
  if (!local) return;
  for (const DomId domid : facts.domains) {
    // dom0 is called so everywhere.
    const auto name = (*local)->toolstack().domain_name(domid);
    if (name && domid != kDom0) redact.add_name(*name, "domain");
  }
}

}  // namespace

int report(Environment& environment, const Options& options, Output& output) {
  const std::string archive = options.file.empty() ? "pciassign-report.tar.gz" : options.file;
  std::error_code ec;
  if (fs::exists(archive, ec))
    return output.fail({ErrorKind::usage, {}, archive + " exists", "name another file", 0});
  const HostFacts facts = collect_host_facts(environment, options);
  Redactor redact;
  add_names(environment, facts, redact);
  const auto directory = TemporaryDirectory::make();
  if (!directory) return output.fail(directory.error());
  const fs::path below = directory->path() / "pciassign-report";
  fs::create_directory(below, ec);
  const std::vector<Part> parts = collect(environment, facts);
  for (const Part& part : parts) {
    std::ofstream out(below / part.name, std::ios::binary);
    out << redact(part.text);
    out.close();
    if (!out)
      return output.fail(fail_errno("cannot write " + (below / part.name).string()).value());
  }
  const auto packed = run_program(
      {"tar", "-C", directory->path(), "-czf", fs::absolute(archive, ec), "pciassign-report"});
  if (!packed) return output.fail(packed.error());
  if (packed->status != 0)
    return output.fail({ErrorKind::failed, {}, "tar: " + packed->last_words(), {}, 0});
  if (output.json()) {
    output.result(boost::json::object{{"file", archive}, {"parts", parts.size()}});
  } else {
    output.text() << archive << ": " << parts.size()
                  << " texts; look through them before you send them to anybody\n";
  }
  return 0;
}

}  // namespace pciassign::cli
