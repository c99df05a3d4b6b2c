// SPDX-License-Identifier: GPL-2.0-or-later
// create: xl makes the domain, paused and without devices; the daemon attaches them and lets it
// run.
#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <ostream>

#include "commands.hpp"
#include "pciassign/config_xl.hpp"
#include "pciassign/shell_words.hpp"
#include "program.hpp"
#include "progress.hpp"
#include "source.hpp"
#include "text.hpp"

namespace pciassign::cli {
namespace {

Result<std::string> read_domain_file(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad() || !in.is_open()) {
    Error error = fail_errno("cannot read " + path).value();
    error.kind = error.sys_errno == ENOENT ? ErrorKind::not_found : ErrorKind::failed;
    return tl::unexpected<Error>(std::move(error));
  }
  return text;
}

Error xl_failed(const std::string& what, const ProgramEnd& end) {
  Error error;
  error.message = fmt::format(
      "{} failed: {}", what,
      end.output.empty() ? fmt::format("exit status {}", end.status) : end.last_words());
  error.hint = "without devices, in full: xl -v create -p CFG";
  return error;
}

/// One creation. Whatever fails after xl began, the domain is destroyed again.
class Creation {
 public:
  Creation(Environment& environment, const Options& options, rpc::Client& client,
           Progress& progress)
      : env_(environment), options_(options), client_(client), progress_(progress) {}

  Result<rpc::ChangeResult> run(const std::string& text, const config::XlDomain& domain) {
    std::vector<std::string> devices;
    for (const DeviceSpec& spec : domain.devices) devices.push_back(spec.str());
    // What policy refuses is told before anything is made; and the name is ours from here on.
    const auto prepared = client_.call(
        "create-prepare", rpc::to_json(rpc::CreatePrepareParams{domain.name, devices}));
    if (!prepared) return tl::unexpected<Error>(prepared.error());

    if (auto made = make(config::text_for_paused_creation(text, domain)); !made) {
      return undo(domain.name, made.error());
    }
    const auto found =
        call_as<rpc::DomainResult>(client_, "domain", rpc::to_json(rpc::DomainParams{domain.name}));
    if (!found) return undo(domain.name, found.error());
    if (env_.interrupted()) {
      return undo(std::to_string(found->domid),
                  Error{ErrorKind::failed, "E-CANCELLED", "cancelled at your request", {}, 0});
    }
    const rpc::CreateCompleteParams params{found->domid, devices, !options_.no_unpause};
    auto done = call_as<rpc::ChangeResult>(client_, "create-complete", rpc::to_json(params));
    if (!done) return undo(std::to_string(found->domid), done.error());
    return done;
  }

 private:
  Result<void> make(const std::string& text) {
    const auto file = TemporaryFile::make(text);
    if (!file) return tl::unexpected<Error>(file.error());
    progress_.say("xl creates the domain");
    const auto end = run_program({env_.xl, "create", "-p", file->path()});
    progress_.clear();
    if (!end) return tl::unexpected<Error>(end.error());
    if (end->status != 0) return tl::unexpected<Error>(xl_failed("xl create", *end));
    return {};
  }

  tl::unexpected<Error> undo(const std::string& domain, Error why) {
    error_data_ = client_.last_error_data();
    progress_.say("destroying the domain");
    // Where xl failed it has usually cleaned up itself; then there is nothing to destroy.
    const auto there = client_.call("domain", rpc::to_json(rpc::DomainParams{domain}));
    if (there || there.error().kind != ErrorKind::not_found) {
      const auto end = run_program({env_.xl, "destroy", domain});
      if (end && end->status == 0) {
        why.message += "; the domain was destroyed again";
      } else {
        why.message += fmt::format("; and xl destroy {} failed: {}", domain,
                                   end ? end->last_words() : end.error().message);
        why.hint = fmt::format("destroy it: xl destroy {}", domain);
      }
    }
    progress_.clear();
    return tl::unexpected<Error>(std::move(why));
  }

 public:
  [[nodiscard]] const boost::json::object& error_data() const {
    return error_data_.empty() ? client_.last_error_data() : error_data_;
  }

 private:
  Environment& env_;
  const Options& options_;
  rpc::Client& client_;
  Progress& progress_;
  boost::json::object error_data_;
};

/// The devices' own steps have addresses in them that only the domain's number tells.
rpc::PlanView outline(const config::XlDomain& domain, const std::string& file,
                      std::vector<Finding> findings, bool unpause) {
  rpc::PlanView plan;
  plan.title = fmt::format("create {} from {}", domain.name, file);
  plan.domain_name = domain.name;
  plan.findings = std::move(findings);
  plan.steps.push_back(
      {"xl-create",
       "xl creates it paused, without pci=, with passthrough=\"enabled\" and e820_host=1"});
  for (const DeviceSpec& spec : domain.devices)
    plan.steps.push_back({"attach", "attach " + spec.str() + " before its first instruction"});
  if (unpause) plan.steps.push_back({"unpause", "let it run"});
  plan.undo_command = shell_command("xl destroy", {domain.name});
  return plan;
}

int dry_run(Environment& environment, const Options& options, Output& output,
            const config::XlDomain& domain) {
  auto source = Source::open(environment, options, output);
  if (!source) return output.fail(source.error());
  std::vector<Finding> findings;
  if (!domain.devices.empty()) {
    rpc::ExplainParams params;
    for (const DeviceSpec& spec : domain.devices) params.devices.push_back(spec.str());
    auto judged = source->explain(params);
    if (!judged) return output.fail(judged.error());
    if (const auto refused = refusal(*judged)) return output.fail(*refused);
    findings = std::move(*judged);
  }
  const rpc::PlanView plan =
      outline(domain, options.file, std::move(findings), !options.no_unpause);
  if (output.json()) {
    output.result(rpc::to_json(plan));
  } else {
    print_plan(output.text(), Paint(output.colour()), plan, options.verbose);
  }
  return 0;
}

}  // namespace

int create(Environment& environment, const Options& options, Output& output) {
  const Result<std::string> text = read_domain_file(options.file);
  if (!text) return output.fail(text.error());
  const Result<config::XlDomain> domain = config::parse_xl_domain(*text, options.file);
  if (!domain) return output.fail(domain.error());
  if (options.dry_run) return dry_run(environment, options, output, *domain);
  auto client = rpc::Client::connect(options.socket);
  if (!client) return output.fail(client.error());

  Progress progress(environment, !output.json());
  client->on_step = [&](const rpc::StepEvent& event) { progress.step(event); };
  client->interrupted = environment.interrupted;
  Creation creation(environment, options, *client, progress);
  const Result<rpc::ChangeResult> done = creation.run(*text, *domain);
  progress.clear();
  if (!done) return output.fail(done.error(), creation.error_data());
  if (output.json()) {
    output.result(rpc::to_json(*done));
    return 0;
  }
  print_change(output.text(), Paint(output.colour()), *done, options.verbose);
  if (options.no_unpause) {
    output.text() << "paused; start it: xl unpause "
                  << (done->plan.domid ? std::to_string(*done->plan.domid)
                                       : shell_words({domain->name}))
                  << '\n';
  }
  return 0;
}

}  // namespace pciassign::cli
