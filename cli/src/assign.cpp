// SPDX-License-Identifier: GPL-2.0-or-later
// assign, unassign: the entries of assignments.d, which the daemon then reads again.
#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <ostream>

#include "commands.hpp"
#include "pciassign/config.hpp"
#include "pciassign/config_names.hpp"
#include "pciassign/rpc_requests.hpp"
#include "pciassign/shell_words.hpp"
#include "source.hpp"
#include "text.hpp"

namespace pciassign::cli {
namespace fs = std::filesystem;
namespace {

/// The directory that the daemon reads; without a configuration file the default.
Result<fs::path> assignments_directory(const Environment& environment) {
  const auto config = config::load_daemon_config(environment.config_file);
  if (config) return config->paths.assignments;
  if (config.error().kind != ErrorKind::not_found) return tl::unexpected<Error>(config.error());
  return config::DaemonConfig{}.paths.assignments;
}

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
};

Result<Place> find_place(const Environment& environment, const std::string& domain) {
  const auto directory = assignments_directory(environment);
  if (!directory) return tl::unexpected<Error>(directory.error());
  const auto name = config::DomainName::parse(domain);
  if (!name) return tl::unexpected<Error>(name.error());
  const auto found = config::file_of_domain(*directory, domain);
  if (!found) return tl::unexpected<Error>(found.error());
  Place place{.file = *found ? **found : *directory / name->file_name(".toml"),
              .text = {},
              .has_entry = found->has_value()};
  std::error_code ec;
  if (fs::exists(place.file, ec)) {
    auto text = read_text(place.file);
    if (!text) return tl::unexpected<Error>(text.error());
    place.text = std::move(*text);
  }
  return place;
}

/// Writes the edited file and has the daemon read it. Where that refuses, the file is as before.
int apply(Environment& environment, const Options& options, Output& output, const Place& place,
          const Result<std::string>& edited, const std::string& undo) {
  if (!edited) return output.fail(edited.error());
  const bool changed = *edited != place.text;
  if (!options.dry_run && changed) {
    if (const auto written = config::replace_file(place.file, *edited); !written)
      return output.fail(written.error());
    if (auto client = rpc::Client::connect(options.socket)) {
      if (const auto read = client->call("reload", {}); !read) {
        (void)config::replace_file(place.file, place.text);
        return output.fail(read.error());
      }
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
  (void)environment;
  return 0;
}

}  // namespace

int assign(Environment& environment, const Options& options, Output& output) {
  const auto specs = rpc::parse_specs(options.devices);
  if (!specs) return output.fail(specs.error());
  const auto place = find_place(environment, options.domain);
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
  return apply(
      environment, options, output, *place,
      config::with_devices(place->text, place->file.string(), options.domain, *specs, on_failure),
      shell_command("pciassign unassign", undo));
}

int unassign(Environment& environment, const Options& options, Output& output) {
  std::vector<Sbdf> devices;
  if (!options.devices.empty()) {
    auto parsed = rpc::parse_addresses(options.devices);
    if (!parsed) return output.fail(parsed.error());
    devices = std::move(*parsed);
  }
  const auto place = find_place(environment, options.domain);
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
  return apply(environment, options, output, *place,
               config::without_devices(place->text, place->file.string(), options.domain, devices),
               shell_command("pciassign assign", undo));
}

}  // namespace pciassign::cli
