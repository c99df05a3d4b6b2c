// SPDX-License-Identifier: GPL-2.0-or-later
// create: xl makes the domain, paused and without devices; the daemon attaches them and lets it
// run.
#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <ostream>

#include "commands.hpp"
#include "pciassign/config_xl.hpp"
#include "pciassign/rpc_requests.hpp"
#include "pciassign/shell_words.hpp"
#include "pciassign/uuid.hpp"
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

/// One creation. Whatever fails after xl began, the domain is destroyed again: that with our uuid
/// and no other, since anybody may make one of its name meanwhile.
class Creation {
 public:
  Creation(Environment& environment, const Options& options, rpc::Client& client,
           Progress& progress)
      : env_(environment), options_(options), client_(client), progress_(progress) {}

  Result<rpc::ChangeResult> run(const std::string& text, const config::XlDomain& domain) {
    std::vector<std::string> devices;
    for (const DeviceSpec& spec : domain.devices) devices.push_back(spec.str());
    // What policy refuses is told before anything is made; and the name is ours from here on.
    const auto prepared =
        client_.call("create-prepare",
                     rpc::to_json(rpc::CreatePrepareParams{domain.name, devices, domain.uuid}));
    if (!prepared) return tl::unexpected<Error>(prepared.error());

    identity_ = {domain.name, domain.uuid};
    if (auto made = make(config::text_for_paused_creation(text, domain)); !made)
      return undo(made.error());
    const auto found = call_as<rpc::DomainResult>(client_, "domain", rpc::to_json(identity_));
    if (!found) return undo(found.error());
    if (env_.interrupted())
      return undo(Error{ErrorKind::failed, "E-CANCELLED", "cancelled at your request", {}, 0});
    const rpc::CreateCompleteParams params{found->domid, devices, !options_.no_unpause,
                                           domain.uuid};
    auto done = call_as<rpc::ChangeResult>(client_, "create-complete", rpc::to_json(params));
    if (!done) return undo(done.error());
    return done;
  }

 private:
  /// Of the domain that we made. Where the daemon does not answer any more Xen itself is asked.
  Result<DomId> look_for_it() {
    const auto told = call_as<rpc::DomainResult>(client_, "domain", rpc::to_json(identity_));
    if (told) return told->domid;
    if (told.error().kind == ErrorKind::not_found || !env_.open_local)
      return tl::unexpected<Error>(told.error());
    const auto local = env_.open_local();
    if (!local) return tl::unexpected<Error>(told.error());
    return rpc::find_domain((*local)->toolstack(), identity_).map([](const DomainInfo& info) {
      return info.domid;
    });
  }

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

  tl::unexpected<Error> undo(Error why) {
    error_data_ = client_.last_error_data();
    progress_.say("destroying the domain");
    if (const auto domid = look_for_it()) {
      destroy(*domid, why);
    } else if (domid.error().kind == ErrorKind::not_found) {
      // Where xl failed it has usually cleaned up itself.
      why.message += "; nothing is left of the domain";
    } else {
      why.message += fmt::format("; whether anything is left of the domain is not known: {}",
                                 domid.error().message);
      why.hint = fmt::format(
          "look for the uuid {} in `xl list -v`; if it is there: xl destroy DOMID", identity_.uuid);
    }
    progress_.clear();
    return tl::unexpected<Error>(std::move(why));
  }

  /// xl takes no uuid: directly after the look the number is still that domain's.
  void destroy(DomId domid, Error& why) {
    const auto end = run_program({env_.xl, "destroy", std::to_string(domid)});
    if (end && end->status == 0) {
      why.message += "; the domain was destroyed again";
      return;
    }
    why.message += fmt::format("; and xl destroy {} failed: {}", domid,
                               end ? end->last_words() : end.error().message);
    why.hint = fmt::format("destroy it: xl destroy {}", domid);
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
  rpc::DomainParams identity_;
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
  Result<config::XlDomain> domain = config::parse_xl_domain(*text, options.file);
  if (!domain) return output.fail(domain.error());
  if (domain->uuid.empty()) domain->uuid = new_uuid();
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
    output.text() << fmt::format("paused; start it: xl unpause {}\n",
                                 done->plan.domid.value_or(kDomInvalid));
  }
  return 0;
}

}  // namespace pciassign::cli
