// SPDX-License-Identifier: GPL-2.0-or-later
// domain remove: stopped, its entry and its files gone, its devices as they were before it had
// them.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ostream>
#include <set>

#include "commands.hpp"
#include "domain_directory.hpp"
#include "domain_text.hpp"
#include "image/kernel.hpp"
#include "progress.hpp"
#include "source.hpp"

namespace pciassign::cli {
namespace fs = std::filesystem;
namespace {

class Removal {
 public:
  Removal(const Options& options, rpc::Client& client, Progress& progress, DomainPlaces places,
          config::DriverDomainName name)
      : options_(options),
        client_(client),
        progress_(progress),
        places_(std::move(places)),
        name_(std::move(name)),
        directory_(places_.directory(name_)) {}

  /// What there is of it, and whether it may go.
  Result<void> look() {
    const config::Configured configured = places_.configured();
    const auto found = configured.domains.find(options_.domain);
    const bool has_entry = found != configured.domains.end();
    for (const config::Problem& problem : configured.problems)
      if (hides_entry(problem, has_entry)) return tl::unexpected<Error>(problem.error);
    auto files = DomainDirectory::open(places_, name_);
    if (!files) {
      // With an entry the domain goes, and the directory of somebody else stays.
      if (!has_entry || !DomainDirectory::not_ours(files.error()))
        return tl::unexpected<Error>(files.error());
      stays_ = {directory_.string()};
    } else {
      files_ = std::move(*files);
    }
    if (!has_entry) {
      if (files_) {
        name_stays();
        return {};
      }
      return fail(ErrorKind::not_found, "there is no driver domain " + options_.domain,
                  "see: pciassign domain list");
    }
    auto file = own_entry_file(found->second);
    if (!file) return tl::unexpected<Error>(file.error());
    entry_ = std::move(*file);
    undo_ = command_that_made(found->second.config);
    // An administrator's own image is not ours to remove.
    if (found->second.config.parent_path() != directory_) {
      files_.reset();
      stays_.clear();
    }
    name_stays();
    auto view = call_as<rpc::DriverDomainView>(
        client_, "driver-domain", rpc::to_json(rpc::DriverDomainParams{options_.domain}));
    if (!view && view.error().kind != ErrorKind::not_found)
      return tl::unexpected<Error>(view.error());
    if (view) view_ = std::move(*view);
    return may_go();
  }

  [[nodiscard]] rpc::PlanView plan() const {
    rpc::PlanView plan;
    plan.title = "remove the driver domain " + options_.domain;
    plan.domain_name = options_.domain;
    if (view_ && view_->domid) {
      plan.domid = view_->domid;
      plan.steps.push_back({"stop", fmt::format("stop it (domain {})", *view_->domid)});
      plan.steps.push_back({"take-back", fmt::format("take back, reset and verify {}",
                                                     fmt::join(view_->devices, " "))});
    }
    if (!entry_.empty()) {
      plan.steps.push_back({"remove-entry", "remove " + entry_.string()});
      plan.steps.push_back({"reload", "have pciassignd read that"});
    }
    if (files_)
      plan.steps.push_back({"remove-files", files_->kept().empty()
                                                ? "remove " + directory_.string()
                                                : "remove our files from " + directory_.string()});
    for (const std::string& path : stays_)
      plan.steps.push_back({"keep", "leave " + path + ", which is not ours"});
    plan.undo_command = undo_;
    return plan;
  }

  Result<void> run() {
    if (auto can = can_remove_entry(); !can) return can;
    if (view_) {
      progress_.say("stopping " + options_.domain);
      const auto stopped = client_.call(
          "driver-domain-stop", rpc::to_json(rpc::DriverDomainChangeParams{options_.domain, true}));
      if (!stopped) return tl::unexpected<Error>(stopped.error());
    }
    if (auto gone = remove_entry(); !gone) return start_again(gone.error());
    return files_ ? files_->remove() : Result<void>{};
  }

  [[nodiscard]] const std::string& undo() const { return undo_; }
  /// What was found there that is not ours; it is left alone.
  [[nodiscard]] const std::vector<std::string>& stays() const { return stays_; }

 private:
  void name_stays() {
    if (!files_) return;
    for (const std::string& name : files_->kept()) stays_.push_back(directory_ / name);
  }

  /// An entry of the domain may stand where it cannot be read, or would count instead of the one
  /// that goes.
  [[nodiscard]] bool hides_entry(const config::Problem& problem, bool has_entry) const {
    const fs::path domains = (places_.domains / "").parent_path();  // Without a slash.
    if (problem.minor || (problem.file != domains && problem.file.parent_path() != domains))
      return false;
    const auto& about = problem.domains;
    return std::find(about.begin(), about.end(), options_.domain) != about.end() ||
           (problem.whole && !has_entry);
  }

  /// Asked before the domain is stopped for it.
  Result<void> can_remove_entry() {
    if (entry_.empty()) return {};
    if (::access(entry_.parent_path().c_str(), W_OK) != 0)
      return fail_errno("cannot remove " + entry_.string());
    const auto read = client_.call("reload", {});
    if (!read) return tl::unexpected<Error>(read.error());
    return {};
  }

  /// With its entry it stays as it was.
  Result<void> start_again(Error why) {
    if (!view_ || !view_->domid) return tl::unexpected<Error>(std::move(why));
    const auto started = client_.call(
        "driver-domain-start", rpc::to_json(rpc::DriverDomainChangeParams{options_.domain, false}));
    why.message += started ? "; " + options_.domain + " is started again"
                           : "; and it was not started again: " + started.error().message;
    return tl::unexpected<Error>(std::move(why));
  }

  Result<void> may_go() const {
    if (!view_ || view_->dependents.empty() || options_.force) return {};
    std::set<std::string> guests;
    for (const rpc::DependentView& one : view_->dependents) guests.insert(one.guest);
    return fail(ErrorKind::refused,
                fmt::format("{} serves {} devices of: {}", options_.domain,
                            view_->dependents.size(), fmt::join(guests, " ")),
                "take the devices from them (xl network-detach, xl block-detach), or leave them "
                "without: --force");
  }

  Result<void> remove_entry() {
    if (entry_.empty()) return {};
    const auto text = image::read_whole(entry_);
    if (!text) return tl::unexpected<Error>(text.error());
    if (auto removed = config::replace_file(entry_, ""); !removed) return removed;
    if (const auto read = client_.call("reload", {}); !read) {
      (void)config::replace_file(entry_, *text);
      return tl::unexpected<Error>(read.error());
    }
    return {};
  }

  const Options& options_;
  rpc::Client& client_;
  Progress& progress_;
  DomainPlaces places_;
  config::DriverDomainName name_;
  fs::path directory_, entry_;
  std::optional<DomainDirectory> files_;
  std::vector<std::string> stays_;
  std::optional<rpc::DriverDomainView> view_;
  std::string undo_;
};

}  // namespace

int domain_remove(Environment& environment, const Options& options, Output& output) {
  auto name = config::DriverDomainName::parse(options.domain);
  if (!name) return output.fail(name.error());
  auto places = DomainPlaces::find(environment);
  if (!places) return output.fail(places.error());
  auto client = rpc::Client::connect(options.socket);
  if (!client) return output.fail(client.error());
  Progress progress(environment, !output.json());
  client->on_step = [&](const rpc::StepEvent& event) { progress.step(event); };
  client->interrupted = environment.interrupted;
  Removal removal(options, *client, progress, std::move(*places), std::move(*name));
  if (const auto looked = removal.look(); !looked) return output.fail(looked.error());
  const Paint paint(output.colour());
  if (options.dry_run) {
    const rpc::PlanView plan = removal.plan();
    if (output.json()) {
      output.result(rpc::to_json(plan));
    } else {
      print_plan(output.text(), paint, plan, false);
    }
    return 0;
  }
  const auto done = removal.run();
  progress.clear();
  if (!done) return output.fail(done.error(), client->last_error_data());
  if (output.json()) {
    boost::json::object done = domain_done_json(options.domain, std::nullopt, removal.undo());
    done["kept"] = boost::json::value_from(removal.stays());
    output.result(done);
    return 0;
  }
  output.text() << paint.green("done") << ": the driver domain " << options.domain
                << " is removed\n";
  for (const std::string& path : removal.stays())
    output.text() << "kept: " << printable(path) << ", which is not ours\n";
  if (!removal.undo().empty()) output.text() << "undo: " << printable(removal.undo()) << '\n';
  return 0;
}

}  // namespace pciassign::cli
