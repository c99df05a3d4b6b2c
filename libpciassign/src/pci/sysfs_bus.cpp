// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <future>
#include <span>
#include <sstream>
#include <thread>

#include "pci/files.hpp"
#include "pci/in_use.hpp"
#include "pci/names.hpp"
#include "pci/sysfs_device.hpp"
#include "pciassign/pci_bus.hpp"

namespace pciassign {
namespace {

using detail::fs::path;

constexpr unsigned kCommand = 0x04;
constexpr unsigned kBusMaster = 0x0004;
/// Functions for each thread that reads sysfs: fewer cost less than a thread. More threads than
/// this would only wait for each other in the kernel.
constexpr std::size_t kShare = 1024, kMostThreads = 4;

class SysfsPciBus final : public PciBus {
 public:
  explicit SysfsPciBus(std::string root)
      : sys_(std::move(root)),
        // A tree of its own (tests) brings its own proc beside it.
        proc_(sys_ == "/sys" ? path("/proc") : sys_.parent_path() / "proc") {}

  Result<std::vector<Device>> devices() override {
    if (!detail::exists(devices_dir()))
      return fail(ErrorKind::unavailable, "there is no PCI bus at " + devices_dir().string());
    const auto use = detail::read_host_use(sys_, proc_);
    const auto names = detail::names_in(devices_dir());
    const Names all(names);
    const auto threads = std::clamp<std::size_t>(
        std::min<std::size_t>(std::thread::hardware_concurrency(), all.size() / kShare), 1,
        kMostThreads);
    const auto share = (all.size() + threads - 1) / threads;
    // Where no thread can be had, std::async does its part when it is asked for the result.
    std::vector<std::future<std::vector<Device>>> others;
    for (std::size_t at = share; at < all.size(); at += share)
      others.push_back(
          std::async([this, &use, part = piece(all, at, share)] { return read_all(part, use); }));
    auto list = read_all(piece(all, 0, share), use);
    for (auto& other : others) std::ranges::move(other.get(), std::back_inserter(list));
    std::sort(list.begin(), list.end(),
              [](const Device& a, const Device& b) { return a.sbdf < b.sbdf; });
    return list;
  }

  Result<Device> device(const Sbdf& sbdf) override {
    if (auto device = read(sbdf, detail::read_host_use(sys_, proc_))) return std::move(*device);
    return absent(sbdf);
  }

  Result<Device> identify(const Sbdf& sbdf) override {
    if (auto device = detail::read_device(dir(sbdf), sbdf)) return std::move(*device);
    return absent(sbdf);
  }

  Result<std::uint32_t> read_config(const Sbdf& sbdf, unsigned offset, unsigned size) override {
    if ((size != 1 && size != 2 && size != 4) || offset % size != 0)
      return fail(ErrorKind::usage,
                  fmt::format("configuration read of {} bytes at {:#x}", size, offset));
    const auto file = dir(sbdf) / "config";
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      if (errno == ENOENT) return absent(sbdf);
      return fail_errno("cannot open " + file.string());
    }
    std::array<unsigned char, 4> bytes{};
    const auto got = ::pread(fd, bytes.data(), size, offset);
    const int error = errno;
    ::close(fd);
    if (got < 0) return fail_errno("reading " + file.string(), error);
    if (got != static_cast<ssize_t>(size))
      return fail(ErrorKind::failed, fmt::format("{} ends before {:#x}", file.string(), offset));
    std::uint32_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= std::uint32_t{bytes[i]} << 8 * i;
    return value;
  }

  Result<std::string> reset(const Sbdf& sbdf) override {
    auto now = identify(sbdf);
    if (!now) return tl::unexpected(now.error());
    // The last look: whoever asked for the reset has looked a moment ago.
    if (!now->driver.empty() && !now->on_pciback())
      return fail(
          ErrorKind::busy,
          fmt::format("{} is not reset: dom0's driver \"{}\" has it", sbdf.str(), now->driver),
          "unbind it from that driver first", "E-NOT-RESERVED");
    // The kernel's reset saves and restores the command register: a bus master that is on when it
    // starts would be on again afterwards. So it goes off first, as VFIO does when it opens.
    if (auto quiet = bus_master_off(sbdf); !quiet) return tl::unexpected(quiet.error());
    const auto do_flr = pciback_dir() / "do_flr";
    if (now->on_pciback() && detail::exists(do_flr)) {
      auto done = detail::write_text(do_flr, sbdf.str());
      if (!done) return tl::unexpected(done.error());
    } else {
      const auto file = dir(sbdf) / "reset";
      if (!detail::exists(file))
        return fail(ErrorKind::failed,
                    fmt::format("the kernel knows no way to reset {}", sbdf.str()),
                    "see `pciassign explain`; allow=no-reset accepts it", "E-NO-RESET");
      auto done = detail::write_text(file, "1");
      if (!done) return tl::unexpected(done.error());
    }
    return now->reset_methods.empty() ? std::string("pciback") : now->reset_methods.front();
  }

  Result<void> reset_below(const Sbdf& bridge) override {
    const auto file = dir(bridge) / "reset_subordinate";
    if (!detail::exists(file))
      return fail(ErrorKind::failed,
                  fmt::format("this kernel cannot reset the bus below {}", bridge.str()),
                  "Linux 6.13 and newer can", "E-NO-RESET");
    return detail::write_text(file, "1");
  }

  Result<void> bind_pciback(const Sbdf& sbdf) override {
    const auto driver = detail::link_name(dir(sbdf) / "driver");
    if (driver == "pciback") return {};
    if (!detail::exists(dir(sbdf))) return absent(sbdf);
    if (!pciback_present())
      return fail(ErrorKind::unavailable, "the module pciback is not loaded", "modprobe pciback");
    if (!driver.empty()) {
      auto done = detail::write_text(dir(sbdf) / "driver/unbind", sbdf.str());
      if (!done) return done;
    }
    // A slot that is there already says EEXIST (or the file lists it); both are fine.
    const auto slots = detail::words_of(detail::read_to_end(pciback_dir() / "slots").value_or(""));
    if (std::find(slots.begin(), slots.end(), sbdf.str()) == slots.end()) {
      auto added = detail::write_text(pciback_dir() / "new_slot", sbdf.str());
      if (!added && added.error().sys_errno != EEXIST) return added;
    }
    // new_slot may have bound it by itself.
    if (detail::link_name(dir(sbdf) / "driver") == "pciback") return {};
    return detail::write_text(pciback_dir() / "bind", sbdf.str());
  }

  Result<void> unbind_pciback(const Sbdf& sbdf, const std::string& driver) override {
    if (!detail::exists(dir(sbdf))) return absent(sbdf);
    if (detail::link_name(dir(sbdf) / "driver") == "pciback") {
      auto done = detail::write_text(pciback_dir() / "unbind", sbdf.str());
      if (!done) return done;
    }
    if (pciback_present()) {
      const auto slots =
          detail::words_of(detail::read_to_end(pciback_dir() / "slots").value_or(""));
      if (std::find(slots.begin(), slots.end(), sbdf.str()) != slots.end()) {
        auto done = detail::write_text(pciback_dir() / "remove_slot", sbdf.str());
        if (!done && done.error().sys_errno != ENOENT) return done;
      }
    }
    if (driver.empty() || detail::link_name(dir(sbdf) / "driver") == driver) return {};
    // The name of one directory there: what leads elsewhere has a file "bind" of who knows what.
    const bool is_name = driver.find('/') == std::string::npos && driver != "." && driver != "..";
    const auto target = sys_ / "bus/pci/drivers" / driver;
    if (!is_name || !detail::exists(target))
      return fail(ErrorKind::not_found, fmt::format("dom0 has no PCI driver \"{}\"", driver),
                  "load its module, or release without a driver");
    return detail::write_text(target / "bind", sbdf.str());
  }

  Result<std::map<Sbdf, std::uint64_t>> denied_writes() override {
    // A line for each register: SBDF REGISTER COUNT REGION, however many there are.
    constexpr std::size_t kMost = std::size_t{64} << 20;
    std::map<Sbdf, std::uint64_t> counts;
    std::istringstream lines(
        detail::read_to_end(pciback_dir() / "denied_writes", kMost).value_or(""));
    for (std::string line; std::getline(lines, line);) {
      const auto words = detail::words_of(line);
      if (words.size() < 3) continue;
      const auto sbdf = Sbdf::parse(words[0]);
      std::uint64_t count = 0;
      const char* end = words[2].data() + words[2].size();
      if (sbdf && std::from_chars(words[2].data(), end, count).ptr == end) counts[*sbdf] += count;
    }
    return counts;
  }

  Result<void> set_permissive(const Sbdf& sbdf) override {
    return detail::write_text(pciback_dir() / "permissive", sbdf.str());
  }

  bool has_backend(std::uint32_t domid) override {
    return detail::exists(sys_ / fmt::format("bus/xen-backend/devices/pci-{}-0", domid));
  }

  bool pciback_present() override { return detail::exists(pciback_dir()); }

 private:
  using Names = std::span<const std::string>;
  static Names piece(Names all, std::size_t at, std::size_t count) {
    return all.subspan(at, std::min(count, all.size() - at));
  }
  [[nodiscard]] path devices_dir() const { return sys_ / "bus/pci/devices"; }
  [[nodiscard]] path pciback_dir() const { return sys_ / "bus/pci/drivers/pciback"; }
  [[nodiscard]] path dir(const Sbdf& sbdf) const { return devices_dir() / sbdf.str(); }

  static tl::unexpected<Error> absent(const Sbdf& sbdf) {
    return fail(ErrorKind::not_found, fmt::format("there is no PCI device {}", sbdf.str()),
                "`pciassign list --all` shows all devices", "E-ABSENT");
  }

  std::optional<Device> read(const Sbdf& sbdf, const detail::HostUse& use) {
    auto device = detail::read_device(dir(sbdf), sbdf);
    if (!device) return std::nullopt;
    device->name = names_.device(device->vendor, device->device);
    if (const auto at = use.find(sbdf); at != use.end())
      device->in_use.assign(at->second.begin(), at->second.end());
    return device;
  }

  /// One that vanishes between the listing and the look is simply not there.
  std::vector<Device> read_all(Names names, const detail::HostUse& use) {
    std::vector<Device> list;
    for (const auto& name : names) {
      auto sbdf = Sbdf::parse(name);
      if (!sbdf) continue;
      if (auto device = read(*sbdf, use)) list.push_back(std::move(*device));
    }
    return list;
  }

  Result<void> bus_master_off(const Sbdf& sbdf) {
    auto command = read_config(sbdf, kCommand, 2);
    if (!command) return tl::unexpected(command.error());
    if (*command == 0xffff || (*command & kBusMaster) == 0) return {};
    const auto off = *command & ~kBusMaster;
    const std::array<char, 2> bytes = {static_cast<char>(off & 0xff), static_cast<char>(off >> 8)};
    return detail::write_text(dir(sbdf) / "config", {bytes.data(), bytes.size()}, kCommand);
  }

  path sys_, proc_;
  detail::Names names_;
};

}  // namespace

std::string Device::location() const {
  auto text = parent_bus;
  const auto add = [&](const Sbdf& at) {
    text += fmt::format("/{:02x}.{:x}", at.device, at.function);
  };
  for (const auto& bridge : path) add(bridge);
  add(sbdf);
  return text;
}

std::unique_ptr<PciBus> make_sysfs_pci_bus(std::string root) {
  return std::make_unique<SysfsPciBus>(std::move(root));
}

}  // namespace pciassign
