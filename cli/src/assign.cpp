// SPDX-License-Identifier: GPL-2.0-or-later
// assign, unassign: the entries of assignments.d, which the daemon then reads again.
#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <ostream>

#include "commands.hpp"
#include "configured.hpp"
#include "pciassign/config.hpp"
#include "pciassign/config_names.hpp"
#include "pciassign/rpc_requests.hpp"
#include "pciassign/shell_words.hpp"
#include "source.hpp"
#include "text.hpp"

namespace pciassign::cli {
namespace fs = std::filesystem;
namespace {

Result<std::string> read_text(const fs::path& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) return fail_errno("cannot read " + file.string());
  return text;
}

/// Where the domain's entry is, and the text of that file; no text where there is no file yet.
struct Place {
  fs::path file;
  std::string text;
  bool has_entry = false;
  bool was_bad = false;  ///< Already before the command, with something else than the language.
  config::Configured configured;
};

Result<Place> find_place(const Environment& environment, Output& output,
                         const std::string& domain) {
  const auto name = config::DomainName::parse(domain);
  if (!name) return tl::unexpected<Error>(name.error());
  const auto paths = daemon_paths(environment);
  if (!paths) return tl::unexpected<Error>(paths.error());
  Place place;
  place.configured = config::load_configured(*paths);
  place.file = paths->assignments / name->file_name(".toml");
  // One that overlaps with a driver domain is there, and may be edited.
  const auto entries = config::load_assignments(paths->assignments).good;
  if (const auto found = entries.find(domain); found != entries.end()) {
    place.has_entry = true;
    place.file = config::file_of(found->second.origin);
  } else if (const auto good = check_readable(place.configured, domain, place.file); !good) {
    return tl::unexpected<Error>(good.error());
  }
  place.was_bad = has_problem(place.configured, place.file);
  std::vector<config::Problem> others = place.configured.problems;
  std::erase_if(others, [&](const config::Problem& one) { return one.file == place.file; });
  remark_problems(output, others);
  std::error_code ec;
  if (fs::exists(place.file, ec)) {
    auto text = read_text(place.file);
    if (!text) return tl::unexpected<Error>(text.error());
    place.text = std::move(*text);
  }
  return place;
}

/// The edited text with an entry that the daemon would take beside the driver domains.
Result<std::string> fitting(const Place& place, const std::string& domain,
                            Result<std::string> edited) {
  if (!edited) return edited;
  const auto all = config::parse_assignments(*edited, place.file.string());
  if (!all) return tl::unexpected<Error>(all.error());
  if (const auto found = all->find(domain); found != all->end()) {
    if (const auto apart = config::check_overlap(place.configured.domains, found->second); !apart)
      return tl::unexpected<Error>(apart.error());
  }
  return edited;
}

/// Writes the edited file and has the daemon read it. Where that refuses, the file is as before.
int apply(const Options& options, Output& output, const Place& place,
          const Result<std::string>& edited, const std::string& undo) {
  if (!edited) return output.fail(edited.error());
  const bool changed = *edited != place.text;
  if (!options.dry_run && changed) {
    if (const auto written = config::replace_file(place.file, *edited); !written)
      return output.fail(written.error());
    if (auto client = rpc::Client::connect(options.socket)) {
      // What was bad before is no reason against the change, which may be a part of the cure.
      const auto read = reload(*client, place.was_bad ? fs::path() : place.file,
                               [&] { (void)config::replace_file(place.file, place.text); });
      if (!read) return output.fail(read.error());
    } else {
      output.remark("pciassignd is not running; it reads the assignments when it starts");
    }
  }
  if (output.json()) {
    output.result(boost::json::object{{"file", place.file.string()},
                                      {"changed", changed},
                                      {"text", *edited},
                                      {"undo_command", changed ? undo : ""}});
    return 0;
  }
  const Paint paint(output.colour());
  if (options.dry_run) {
    output.text() << (edited->empty()
                          ? fmt::format("{} would be removed\n", place.file.string())
                          : fmt::format("{} would be:\n\n{}", place.file.string(), *edited));
  } else if (!changed) {
    output.text() << paint.green("done") << ": " << place.file.string() << " says so already\n";
  } else {
    output.text() << paint.green("done") << ": " << place.file.string()
                  << (edited->empty() ? " removed" : " written") << '\n';
    if (!undo.empty()) output.text() << "undo: " << printable(undo) << '\n';
  }
  return 0;
}

}  // namespace

int assign(Environment& environment, const Options& options, Output& output) {
  const auto specs = rpc::parse_specs(options.devices);
  if (!specs) return output.fail(specs.error());
  const auto place = find_place(environment, output, options.domain);
  if (!place) return output.fail(place.error());
  std::optional<config::OnFailure> on_failure;
  if (!options.on_failure.empty()) {
    on_failure =
        options.on_failure == "start" ? config::OnFailure::start : config::OnFailure::keep_paused;
  }
  std::vector<std::string> undo{options.domain};
  if (place->has_entry) {
    for (const DeviceSpec& spec : *specs) undo.push_back(spec.sbdf.str());
  }
  return apply(options, output, *place,
               fitting(*place, options.domain,
                       config::with_devices(place->text, place->file.string(), options.domain,
                                            *specs, on_failure)),
               shell_command("pciassign unassign", undo));
}

int unassign(Environment& environment, const Options& options, Output& output) {
  std::vector<Sbdf> devices;
  if (!options.devices.empty()) {
    auto parsed = rpc::parse_addresses(options.devices);
    if (!parsed) return output.fail(parsed.error());
    devices = std::move(*parsed);
  }
  const auto place = find_place(environment, output, options.domain);
  if (!place) return output.fail(place.error());
  const auto all = config::parse_assignments(place->text, place->file.string());
  std::vector<DeviceSpec> before;
  if (all && place->has_entry) before = all->at(options.domain).devices;
  if (!devices.empty()) {
    std::erase_if(before, [&](const DeviceSpec& spec) {
      return std::find(devices.begin(), devices.end(), spec.sbdf) == devices.end();
    });
  }
  std::vector<std::string> undo{options.domain};
  for (const DeviceSpec& spec : before) undo.push_back(spec.str());
  return apply(options, output, *place,
               config::without_devices(place->text, place->file.string(), options.domain, devices),
               shell_command("pciassign assign", undo));
}

}  // namespace pciassign::cli
