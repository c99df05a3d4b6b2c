// SPDX-License-Identifier: GPL-2.0-or-later
// domain create: the image, the files, then the daemon, which starts it. Whatever fails, nothing of
// it is left.
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <ostream>

#include "commands.hpp"
#include "configured.hpp"
#include "domain_directory.hpp"
#include "domain_text.hpp"
#include "domain_words.hpp"
#include "pciassign/rpc_domains.hpp"
#include "pciassign/shell_words.hpp"
#include "progress.hpp"
#include "source.hpp"
#include "text.hpp"

namespace pciassign::cli {
namespace fs = std::filesystem;
namespace {

bool same_function(const DeviceSpec& spec, const Sbdf& sbdf) {
  if (!spec.all_functions) return spec.sbdf == sbdf;
  Sbdf first = sbdf;
  first.function = 0;
  return spec.sbdf == first;
}

/// Network controllers for net; for block mass storage and USB, whose disks are behind it.
bool suits(const Device& device, config::DriverClass driver_class) {
  const std::uint32_t base = device.class_code >> 16U;
  if (driver_class == config::DriverClass::net) return base == 0x02;
  return base == 0x01 || device.class_code >> 8U == 0x0c03;
}

std::string mebibytes(std::size_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

class Making {
 public:
  Making(Environment& environment, const Options& options, Output& output, Progress& progress,
         DomainWish wish, DomainPlaces places)
      : env_(environment),
        options_(options),
        output_(output),
        progress_(progress),
        wish_(std::move(wish)),
        places_(std::move(places)),
        directory_(places_.directory(wish_.domain.name)) {}

  /// All that can be told before anything is written; the image is made, in memory.
  Result<void> prepare() {
    auto source = Source::open(env_, options_, output_);
    if (!source) return tl::unexpected<Error>(source.error());
    const config::Configured configured = places_.configured();
    if (auto free = check_name(configured, *source); !free) return free;
    if (auto free = check_devices_elsewhere(configured); !free) return free;
    remark_problems(output_, configured.problems);
    if (auto fit = judge_devices(*source); !fit) return fit;
    auto image =
        image::build(wish_.image, [this](const std::string& words) { progress_.say(words); });
    if (!image) return tl::unexpected<Error>(image.error());
    image_ = std::move(*image);
    progress_.clear();
    if (const std::size_t size = image_.packed_kernel + image_.initramfs.size();
        size > image::kSoftLimit)
      output_.remark(fmt::format(
          "the image has {} (kernel {}, initramfs {}): more than the {} that it should have",
          mebibytes(size), mebibytes(image_.packed_kernel), mebibytes(image_.initramfs.size()),
          mebibytes(image::kSoftLimit)));
    return check_room();
  }

  Result<std::optional<rpc::DriverDomainView>> run() {
    auto client = rpc::Client::connect(options_.socket);
    if (!client && !options_.no_start) return tl::unexpected<Error>(client.error());
    if (auto written = write(); !written) return tl::unexpected<Error>(written.error());
    if (!client) {
      output_.remark("pciassignd is not running; it reads the entry when it starts");
      return std::nullopt;
    }
    client->on_step = [this](const rpc::StepEvent& event) { progress_.step(event); };
    client->interrupted = env_.interrupted;
    const fs::path entry = places_.entry(wish_.domain.name);
    if (const auto read =
            reload(*client, entry, [&entry] { (void)config::replace_file(entry, ""); });
        !read)
      return take_back(read.error(), nullptr);
    if (options_.no_start) return std::nullopt;
    progress_.say("starting " + name());
    auto started = call_as<rpc::DriverDomainView>(
        *client, "driver-domain-start", rpc::to_json(rpc::DriverDomainChangeParams{name(), true}));
    progress_.clear();
    if (!started) return take_back(started.error(), &*client);
    return std::optional(std::move(*started));
  }

  [[nodiscard]] rpc::PlanView plan() const {
    rpc::PlanView plan;
    plan.title = fmt::format("create the driver domain {} ({})", name(),
                             config::to_string(wish_.domain.driver_class));
    plan.domain_name = name();
    plan.findings = findings_;
    const auto step = [&](std::string id, std::string words) {
      plan.steps.push_back({std::move(id), std::move(words)});
    };
    step("write-image",
         fmt::format("write kernel (Linux {}, {}) and initramfs ({}: agent, {}) to {}",
                     image_.kernel_version, mebibytes(image_.kernel.size()),
                     mebibytes(image_.initramfs.size()), fmt::join(image_.modules, " "),
                     directory_.string()));
    step("write-config", fmt::format("write {}{}", (directory_ / "domain.cfg").string(),
                                     wish_.domain.standby ? " and standby.cfg" : ""));
    step("write-entry", "write " + places_.entry(wish_.domain.name).string());
    step("reload", "have pciassignd read it");
    if (!options_.no_start) step("start", "have pciassignd start it, and wait until it is ready");
    plan.undo_command = undo();
    return plan;
  }

  [[nodiscard]] std::string undo() const {
    return shell_command("pciassign domain remove", {name()});
  }
  [[nodiscard]] const image::Image& image() const { return image_; }
  [[nodiscard]] const std::vector<Finding>& findings() const { return findings_; }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> all{places_.entry(wish_.domain.name)};
    for (const char* file : {"domain.cfg", "standby.cfg", "kernel", "initramfs"})
      if (wish_.domain.standby || std::string_view(file) != "standby.cfg")
        all.push_back(directory_ / file);
    return all;
  }

 private:
  [[nodiscard]] const std::string& name() const { return wish_.domain.name.str(); }

  Result<void> check_name(const config::Configured& configured, Source& source) {
    const auto in_use = [&](const std::string& by, const std::string& hint) {
      return fail(ErrorKind::busy, fmt::format("the name {} is in use: {}", name(), by), hint);
    };
    const auto& all = configured.domains;
    if (const auto found = all.find(name()); found != all.end())
      return in_use("it has an entry at " + found->second.origin, undo());
    if (auto good = check_readable(configured, name(), places_.entry(wish_.domain.name)); !good)
      return good;
    std::error_code ec;
    const fs::path entry = places_.entry(wish_.domain.name);
    // A link to nowhere is there, too.
    if (fs::exists(fs::symlink_status(entry, ec)))
      return in_use(entry.string() + " is there", "give it another name");
    if (fs::exists(fs::symlink_status(directory_, ec)))
      return in_use(directory_.string() + " is there", undo());
    for (const std::string& one : {name(), wish_.domain.name.standby()}) {
      const auto there = source.has_domain(one);
      if (!there) return tl::unexpected<Error>(there.error());
      if (*there) return in_use("there is a domain " + one, "give it another name");
    }
    const auto& assignments = configured.assignments;
    if (const auto found = assignments.find(name()); found != assignments.end())
      return in_use("it has assigned devices at " + found->second.origin,
                    shell_command("pciassign unassign", {name()}));
    return {};
  }

  Result<void> check_devices_elsewhere(const config::Configured& configured) {
    for (const DeviceSpec& spec : wish_.domain.devices) {
      const auto has = [&](const std::vector<DeviceSpec>& devices) {
        return std::any_of(devices.begin(), devices.end(), [&](const DeviceSpec& other) {
          return other.name.empty() && other.sbdf == spec.sbdf;
        });
      };
      const auto taken = [&](const std::string& by, const std::string& origin) {
        return fail(ErrorKind::busy, fmt::format("{} is configured for {} already, at {}",
                                                 spec.sbdf.str(), by, origin));
      };
      for (const auto& [other, domain] : configured.domains)
        if (has(domain.devices)) return taken("the driver domain " + other, domain.origin);
      for (const auto& [other, assignment] : configured.assignments)
        if (has(assignment.devices)) return taken(other, assignment.origin);
    }
    return {};
  }

  Result<void> judge_devices(Source& source) {
    rpc::ExplainParams params;
    for (const DeviceSpec& spec : wish_.domain.devices) params.devices.push_back(spec.str());
    auto findings = source.explain(params);
    if (!findings) return tl::unexpected<Error>(findings.error());
    if (const auto refused = refusal(*findings)) return tl::unexpected<Error>(*refused);
    findings_ = std::move(*findings);
    const auto views = source.list();
    if (!views) return tl::unexpected<Error>(views.error());
    for (const DeviceView& view : *views) {
      const Device& device = view.device;
      const auto& wanted = wish_.domain.devices;
      if (std::none_of(wanted.begin(), wanted.end(),
                       [&](const DeviceSpec& spec) { return same_function(spec, device.sbdf); }))
        continue;
      wish_.image.devices.push_back(device);
      if (suits(device, wish_.domain.driver_class)) continue;
      const std::string what = fmt::format(
          "{} is a device of the class \"{}\", which a driver domain of the class {} cannot use",
          device.sbdf.str(), class_name(device.class_code),
          config::to_string(wish_.domain.driver_class));
      if (!options_.force) return fail(ErrorKind::refused, what, "if you know better: --force");
      output_.remark(what);
    }
    return {};
  }

  Result<void> check_room() {
    fs::path there = directory_;
    std::error_code ec;
    while (there.has_relative_path() && !fs::exists(there, ec)) there = there.parent_path();
    struct statvfs room {};
    if (::statvfs(there.c_str(), &room) != 0) return {};  // Writing will tell.
    const std::uint64_t has = std::uint64_t{room.f_bavail} * room.f_frsize;
    const std::uint64_t needs = image_.kernel.size() + image_.initramfs.size() + (1U << 20U);
    if (has >= needs) return {};
    return fail(ErrorKind::failed, fmt::format("there is not enough room in {}: {} of {}",
                                               there.string(), mebibytes(has), mebibytes(needs)));
  }

  /// The entry comes last: whoever reads it finds all that it names.
  Result<void> write() {
    progress_.say("writing the image");
    auto staged = StagedDomain::make(places_, wish_.domain.name);
    if (!staged) return tl::unexpected<Error>(staged.error());
    if (auto written = staged->write(wish_.domain, image_); !written) return written;
    if (env_.interrupted())
      return fail(ErrorKind::failed, "cancelled at your request", {}, "E-CANCELLED");
    if (auto put = staged->put(); !put) return put;
    if (auto entry = config::replace_file(places_.entry(wish_.domain.name),
                                          entry_text(wish_.domain, directory_));
        !entry) {
      remove_directory();
      return entry;
    }
    progress_.clear();
    return {};
  }

  void remove_directory() {
    // What cannot be removed is in the way of the next attempt, which tells it.
    if (auto found = DomainDirectory::open(places_, wish_.domain.name); found && *found)
      (void)(*found)->remove();
  }

  tl::unexpected<Error> take_back(Error why, rpc::Client* started) {
    progress_.say("taking it back");
    if (started != nullptr) {
      started->interrupted = nullptr;
      if (const auto stopped = started->call(
              "driver-domain-stop", rpc::to_json(rpc::DriverDomainChangeParams{name(), true}));
          !stopped) {
        progress_.clear();
        why.message += "; and stopping it failed: " + stopped.error().message;
        why.hint = "everything of it is still there: " + undo();
        return tl::unexpected<Error>(std::move(why));
      }
      why.hint = "with --no-start it stays, and pciassign domain start and show tell more";
    }
    (void)config::replace_file(places_.entry(wish_.domain.name), "");
    if (started != nullptr) (void)started->call("reload", {});
    remove_directory();
    progress_.clear();
    why.message += "; nothing of it was left";
    return tl::unexpected<Error>(std::move(why));
  }

  Environment& env_;
  const Options& options_;
  Output& output_;
  Progress& progress_;
  DomainWish wish_;
  DomainPlaces places_;
  fs::path directory_;
  image::Image image_;
  std::vector<Finding> findings_;
};

boost::json::object image_json(const image::Image& image) {
  return {{"kernel_version", image.kernel_version},
          {"kernel_bytes", image.kernel.size()},
          {"packed_kernel_bytes", image.packed_kernel},
          {"initramfs_bytes", image.initramfs.size()},
          {"modules", boost::json::value_from(image.modules)},
          {"firmware", boost::json::value_from(image.firmware)}};
}

}  // namespace

int domain_create(Environment& environment, const Options& options, Output& output) {
  auto wish = domain_wish(options, environment);
  if (!wish) return output.fail(wish.error());
  auto places = DomainPlaces::find(environment);
  if (!places) return output.fail(places.error());
  Progress progress(environment, !output.json());
  Making making(environment, options, output, progress, std::move(*wish), std::move(*places));
  const auto prepared = making.prepare();
  progress.clear();
  if (!prepared) return output.fail(prepared.error());
  const Paint paint(output.colour());
  if (options.dry_run) {
    const rpc::PlanView plan = making.plan();
    if (output.json()) {
      output.result(rpc::to_json(plan));
    } else {
      print_plan(output.text(), paint, plan, options.verbose);
    }
    return 0;
  }
  const auto started = making.run();
  progress.clear();
  if (!started) return output.fail(started.error());
  if (output.json()) {
    boost::json::object done = domain_done_json(options.domain, *started, making.undo());
    done["files"] = boost::json::value_from(making.files());
    done["image"] = image_json(making.image());
    output.result(done);
    return 0;
  }
  std::ostream& out = output.text();
  out << paint.green("done") << ": the driver domain " << options.domain
      << (*started ? " is " + printable((*started)->state) : " is defined") << '\n';
  const image::Image& image = making.image();
  out << fmt::format("image: Linux {}, initramfs {} with the agent and {} modules\n",
                     image.kernel_version, mebibytes(image.initramfs.size()), image.modules.size());
  print_findings(out, paint, making.findings(), false);
  if (!*started)
    out << "start it: " << shell_command("pciassign domain start", {options.domain}) << '\n';
  out << "undo: " << making.undo() << '\n';
  return 0;
}

}  // namespace pciassign::cli
