// SPDX-License-Identifier: GPL-2.0-or-later
#include "image.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>

#include "archive.hpp"
#include "kernel.hpp"
#include "libraries.hpp"

namespace pciassign::image {
namespace fs = std::filesystem;
namespace {

constexpr auto kLvm = "/sbin/lvm";
/// There is no udev in a driver domain, and nowhere to keep anything.
constexpr auto kLvmConfig =
    "activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }\n"
    "backup { backup = 0 archive = 0 }\n"
    "devices { obtain_device_list_from_udev = 0 external_device_info_source = \"none\" "
    "use_devicesfile = 0 }\n"
    "global { thin_check_executable = \"\" cache_check_executable = \"\" event_activation = 0 }\n";

fs::path below(const fs::path& root, const fs::path& path) {
  return (root.empty() ? fs::path("/") : root) / path.relative_path();
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

fs::path running_kernel() {
  struct utsname name {};
  ::uname(&name);
  return fs::path("/boot") / (std::string("vmlinuz-") + name.release);
}

/// What the device's own driver does not bring: it makes only a part of the way.
void add_helpers(const Device& device, config::DriverClass driver_class,
                 std::vector<Wanted>& wanted) {
  const std::string why = "the device " + device.sbdf.str();
  const bool net = driver_class == config::DriverClass::net;
  if (device.vendor == 0x1af4) {
    wanted.push_back({{net ? "virtio_net" : "virtio_blk"}, why});
    if (!net) wanted.push_back({{"virtio_scsi"}, why});
  }
  if (net) return;
  constexpr std::uint32_t nvme = 0x0108, usb = 0x0c03;
  const std::uint32_t kind = device.class_code >> 8U;
  if (kind == usb) {
    wanted.push_back({{"uas"}, why});
    wanted.push_back({{"usb-storage"}, why});
  }
  if (kind != nvme) wanted.push_back({{"sd_mod"}, why});
}

void add_back_end(const Spec& spec, std::vector<Wanted>& wanted) {
  // The agent has the kernel make the pages for guests' grants by it, before a guest waits for
  // them.
  wanted.push_back({{"xen-gntdev"}, {}, true});
  if (spec.driver_class == config::DriverClass::net) {
    wanted.push_back({{"xen-netback"}, "the back end"});
    if (spec.net_mode == "bridge") wanted.push_back({{"bridge"}, "the bridge"});
    return;
  }
  wanted.push_back({{"xen-blkback"}, "the back end"});
  for (const Mount& mount : spec.mounts) {
    wanted.push_back({{"fs-" + mount.type}, "the file system " + mount.type});
    if (mount.type == "vfat") {
      wanted.push_back({{"nls_cp437"}, {}, true});
      wanted.push_back({{"nls_ascii"}, {}, true});
    }
  }
  if (!spec.mounts.empty()) wanted.push_back({{"loop"}, "files as disks"});
  if (spec.volumes) {
    wanted.push_back({{"dm-mod"}, "logical volumes"});
    for (const char* kind : {"dm-snapshot", "dm-thin-pool", "dm-mirror", "dm-raid"})
      wanted.push_back({{kind}, {}, true});
  }
}

/// Whether a name out of a file leads to nothing outside of the directory that it is looked up in.
bool stays_below(const fs::path& name) {
  return !name.empty() && name.is_relative() && name != "." &&
         std::find(name.begin(), name.end(), "..") == name.end();
}

class Builder {
 public:
  Builder(const Spec& spec, const std::function<void(const std::string&)>& say)
      : spec_(spec), say_(say) {}

  Result<Image> run() {
    const fs::path file = spec_.kernel.empty() ? below(spec_.root, running_kernel()) : spec_.kernel;
    say_("unpacking the kernel");
    auto kernel = read_kernel(file);
    if (!kernel) return tl::unexpected<Error>(about_kernel(kernel.error()));
    image_.kernel_version = kernel->version;
    image_.kernel = std::move(kernel->elf);
    image_.packed_kernel = kernel->packed;
    for (const auto step :
         {&Builder::add_agent, &Builder::add_modules, &Builder::add_volumes, &Builder::pack})
      if (const auto done = (this->*step)(); !done) return tl::unexpected<Error>(done.error());
    return std::move(image_);
  }

 private:
  Error about_kernel(Error error) const {
    if (error.kind == ErrorKind::not_found && spec_.kernel.empty())
      error.hint = "say where the kernel is: --kernel FILE (a bzImage or an ELF image)";
    return error;
  }

  Result<void> add_program(const fs::path& program, const std::string& as) {
    auto text = read_whole(program);
    if (!text) return tl::unexpected<Error>(text.error());
    archive_.file(as, std::move(*text), 0755);
    const auto libraries = libraries_of(program);
    if (!libraries) return tl::unexpected<Error>(libraries.error());
    for (const std::string& library : *libraries) {
      auto content = read_whole(library);
      if (!content) return tl::unexpected<Error>(content.error());
      archive_.file(library, std::move(*content), 0755);
    }
    return {};
  }

  Result<void> add_agent() {
    std::error_code ec;
    if (!fs::exists(spec_.agent, ec))
      return fail(ErrorKind::not_found, "the agent is not installed: no " + spec_.agent.string(),
                  "install pciassign in full (make install)");
    for (const char* directory : {"/dev", "/etc", "/mnt", "/proc", "/run", "/sys", "/tmp", "/var"})
      archive_.directory(directory);
    for (const Mount& mount : spec_.mounts) archive_.directory(mount.at);
    archive_.link("/sbin/poweroff", "../init");
    return add_program(spec_.agent, "/init");
  }

  Result<void> add_modules() {
    say_("collecting modules");
    const fs::path tree = below(spec_.root, "/lib/modules") / image_.kernel_version;
    const auto modules = modules_in_order(tree, image_.kernel_version, wanted_modules(spec_));
    if (!modules) return tl::unexpected<Error>(modules.error());
    std::vector<std::string> paths;
    for (const Module& module : *modules) {
      auto content = read_whole(module.file).and_then([&](const std::string& data) {
        return unpacked(data, module.file.string());
      });
      if (!content) return tl::unexpected<Error>(content.error());
      const std::string path =
          fmt::format("/lib/modules/{}/{}.ko", image_.kernel_version, module.name);
      archive_.file(path, std::move(*content));
      paths.push_back(path);
      image_.modules.push_back(module.name);
      for (const std::string& name : module.firmware)
        if (const auto added = add_firmware(name); !added) return added;
    }
    archive_.file("/etc/pciassign-agent.toml", agent_config(spec_, paths));
    return {};
  }

  /// Modules name firmware of every device that they know: what is not there is not missed.
  Result<void> add_firmware(const std::string& name) {
    if (!stays_below(name)) return {};  // The kernel would not find such a one either.
    const fs::path above = below(spec_.root, "/lib/firmware");
    for (const fs::path& directory : {above / "updates" / image_.kernel_version, above / "updates",
                                      above / image_.kernel_version, above}) {
      for (const char* suffix : {"", ".zst", ".xz"}) {
        const fs::path file = directory / (name + suffix);
        std::error_code ec;
        if (!fs::is_regular_file(file, ec)) continue;
        auto content =
            read_whole(file).and_then([&](const std::string& data) -> Result<std::string> {
              if (*suffix == '\0') return data;
              return unpacked(data, file.string());
            });
        if (!content) return tl::unexpected<Error>(content.error());
        archive_.file("/lib/firmware/" + name, std::move(*content));
        image_.firmware.push_back(name);
        return {};
      }
    }
    return {};
  }

  Result<void> add_volumes() {
    if (!spec_.volumes) return {};
    const fs::path lvm = below(spec_.root, kLvm);
    std::error_code ec;
    if (!fs::exists(lvm, ec))
      return fail(ErrorKind::not_found, "for --volumes LVM is needed: no " + lvm.string(),
                  "install lvm2");
    archive_.file("/etc/lvm/lvm.conf", kLvmConfig);
    return add_program(lvm, kLvm);
  }

  Result<void> pack() {
    say_("packing the initramfs");
    auto cpio = archive_.cpio();
    if (!cpio) return tl::unexpected<Error>(cpio.error());
    image_.initramfs = std::move(*cpio);
    return {};
  }

  const Spec& spec_;
  const std::function<void(const std::string&)>& say_;
  Archive archive_;
  Image image_;
};

}  // namespace

std::string modalias(const Device& d) {
  return fmt::format("pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc{:02X}sc{:02X}i{:02X}", d.vendor,
                     d.device, d.subsystem_vendor, d.subsystem_device,
                     (d.class_code >> 16U) & 0xffU, (d.class_code >> 8U) & 0xffU,
                     d.class_code & 0xffU);
}

std::vector<Wanted> wanted_modules(const Spec& spec) {
  std::vector<Wanted> wanted{{{"pcifront", "xen-pcifront"}, "devices of other domains"}};
  for (const Device& device : spec.devices) {
    wanted.push_back({{modalias(device)}, "the device " + device.sbdf.str()});
    add_helpers(device, spec.driver_class, wanted);
  }
  add_back_end(spec, wanted);
  for (const std::string& name : spec.modules) wanted.push_back({{name}, "--module"});
  return wanted;
}

std::string agent_config(const Spec& spec, const std::vector<std::string>& modules) {
  const bool net = spec.driver_class == config::DriverClass::net;
  std::string text = fmt::format("class = \"{}\"\nheartbeat-seconds = 1\nmodules = [",
                                 config::to_string(spec.driver_class));
  for (const std::string& path : modules) text += "\n  " + quoted(path) + ",";
  text += "\n]\n";
  if (net) {
    text += fmt::format("[net]\nmode = {}\nbridge = {}\nmtu = 0\n", quoted(spec.net_mode),
                        quoted(spec.bridge));
    if (!spec.address.empty()) text += "address = " + quoted(spec.address) + '\n';
    if (!spec.gateway.empty()) text += "gateway = " + quoted(spec.gateway) + '\n';
    return text;
  }
  text += fmt::format("[block]\nvolumes = {}\n", spec.volumes);
  for (const Mount& mount : spec.mounts)
    text += fmt::format("[[block.mount]]\ndevice = {}\nat = {}\ntype = {}\n", quoted(mount.device),
                        quoted(mount.at), quoted(mount.type));
  return text;
}

Result<Image> build(const Spec& spec, const std::function<void(const std::string&)>& say) {
  return Builder(spec, say).run();
}

}  // namespace pciassign::image
