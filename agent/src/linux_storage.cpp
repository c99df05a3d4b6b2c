// SPDX-License-Identifier: GPL-2.0-or-later
#include "linux_storage.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <ctime>

#include "files.hpp"

namespace pciassign::agent {
namespace {

constexpr const char* kLvm = "/sbin/lvm";
// There is no udev: lvm finds the disks and makes the nodes by itself.
constexpr const char* kLvmConfig =
    "activation{udev_sync=0 udev_rules=0 monitoring=0} "
    "devices{obtain_device_list_from_udev=0 external_device_info_source=\"none\" "
    "use_devicesfile=0} "
    "global{use_lvmpolld=0}";
// Loop devices that others take at the same moment.
constexpr int kLoopTries = 16;
constexpr int kUnmountTries = 50;
constexpr long kUnmountPause = 100'000'000;  // ns

std::string device_directory(BackendId id) {
  return fmt::format("/sys/bus/xen-backend/devices/vbd-{}-{}", id.guest, id.devid);
}

/// A child process that does `body` and ends with what it returns. It may only make system calls:
/// another thread of this process (xenstore's) does not exist in it, but may have held a lock.
template <class Body>
Result<int> spawn(Body body) {
  const pid_t child = fork();
  if (child < 0) return fail_errno("starting a process");
  if (child != 0) return child;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  _exit(body());
}

Result<int> spawn_lvm(const char* activate) {
  return spawn([activate] {
    const std::array<const char*, 7> arguments{"lvm",      "vgchange", "--activate", activate,
                                               "--config", kLvmConfig, nullptr};
    execv(kLvm, const_cast<char* const*>(arguments.data()));
    return 127;
  });
}

void make_directories(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    mkdir(path.substr(0, at).c_str(), 0755);
  mkdir(path.c_str(), 0755);
}

dev_t whole_disk(dev_t device) {
  const std::string path =
      real_path(fmt::format("/sys/dev/block/{}:{}", major(device), minor(device)));
  if (path.empty() || !agent::exists(path + "/partition")) return device;
  const auto text = read_text(path + "/../dev");
  unsigned high = 0, low = 0;
  if (!text || std::sscanf(text->c_str(), "%u:%u", &high, &low) != 2) return device;
  return makedev(high, low);
}

}  // namespace

bool LinuxStorage::backend_driver() const {
  return agent::exists("/sys/bus/xen-backend/drivers/vbd");
}

bool LinuxStorage::bound(BackendId id) const {
  return agent::exists(device_directory(id) + "/driver");
}

bool LinuxStorage::disk_there() const {
  for (const std::string& name : names_in("/sys/block")) {
    const std::string device = real_path("/sys/block/" + name + "/device");
    // Disks of NVMe hang on a subsystem that is no device of a bus; loops and RAM hang on nothing.
    if (!device.empty() && real_path(device + "/subsystem") != "/sys/bus/xen") return true;
  }
  return false;
}

bool LinuxStorage::exists(const std::string& path) const {
  return agent::exists(path);
}

std::optional<std::uint64_t> LinuxStorage::requests(BackendId id) const {
  std::optional<std::uint64_t> sum;
  for (const char* kind : {"rd_req", "wr_req", "f_req", "oo_req", "ds_req"}) {
    if (const auto count = read_number(device_directory(id) + "/statistics/" + kind))
      sum = sum.value_or(0) + *count;
  }
  return sum;
}

Result<std::optional<Medium>> LinuxStorage::look_up(const std::string& path) {
  struct stat about {};
  if (stat(path.c_str(), &about) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return fail_errno(path);
  }
  Medium medium;
  if (S_ISREG(about.st_mode)) {
    medium.file = true;
    medium.device = medium.whole = about.st_dev;
    medium.inode = about.st_ino;
    return medium;
  }
  if (!S_ISBLK(about.st_mode))
    return fail(ErrorKind::usage, path + " is neither a block device nor a file");
  medium.device = about.st_rdev;
  medium.whole = whole_disk(medium.device);
  return medium;
}

Result<bool> LinuxStorage::in_use(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
  if (fd) return false;
  if (errno == EBUSY) return true;
  return fail_errno("opening " + path);
}

Result<std::string> LinuxStorage::attach_loop(const std::string& path, bool read_only) {
  const int mode = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
  const Fd file(open(path.c_str(), mode));
  if (!file) return fail_errno("opening " + path);
  const Fd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control) return fail_errno("no loop device for " + path);
  for (int i = 0; i < kLoopTries; ++i) {
    const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return fail_errno("no loop device for " + path);
    std::string name = fmt::format("/dev/loop{}", number);
    const Fd loop(open(name.c_str(), mode));
    if (!loop) return fail_errno("opening " + name);
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(file.get());
    // What a guest was told to be written has to be on the disk: no second cache.
    config.info.lo_flags = LO_FLAGS_DIRECT_IO | (read_only ? LO_FLAGS_READ_ONLY : 0);
    path.copy(reinterpret_cast<char*>(config.info.lo_file_name), LO_NAME_SIZE - 1);
    if (ioctl(loop.get(), LOOP_CONFIGURE, &config) == 0) return name;
    if (errno != EBUSY) return fail_errno(fmt::format("{} for {}", name, path));
  }
  return fail(ErrorKind::busy, "all loop devices are taken by others at once");
}

bool LinuxStorage::is_loop_of(const std::string& loop, const Medium& file) {
  const Fd fd(open(loop.c_str(), O_RDONLY | O_CLOEXEC));
  loop_info64 info{};
  return fd && ioctl(fd.get(), LOOP_GET_STATUS64, &info) == 0 && info.lo_device == file.device &&
         info.lo_inode == file.inode;
}

void LinuxStorage::detach_loop(const std::string& loop) {
  const Fd fd(open(loop.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd) ioctl(fd.get(), LOOP_CLR_FD, 0);
}

Result<int> LinuxStorage::begin_mount(const Mount& mount) {
  make_directories(mount.at);
  return spawn([device = mount.device.c_str(), at = mount.at.c_str(), type = mount.type.c_str()] {
    return ::mount(device, at, type, MS_NOATIME, nullptr) == 0 ? 0 : errno;
  });
}

Result<int> LinuxStorage::begin_volumes() {
  return spawn_lvm("y");
}

void LinuxStorage::unbind(BackendId id) {
  (void)write_text("/sys/bus/xen-backend/drivers/vbd/unbind",
                   fmt::format("vbd-{}-{}", id.guest, id.devid));
}

Result<void> LinuxStorage::flush(const std::string& device) {
  const Fd fd(open(device.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("opening " + device);
  if (fsync(fd.get()) != 0) return fail_errno("flushing " + device);
  return {};
}

Result<void> LinuxStorage::unmount(const std::string& at) {
  // The kernel lets go of a guest's device, and of its loop device, a moment after it was unbound.
  for (int i = 0; i < kUnmountTries; ++i) {
    if (umount2(at.c_str(), UMOUNT_NOFOLLOW) == 0 || errno == EINVAL) return {};
    if (errno != EBUSY) break;
    const timespec pause{0, kUnmountPause};
    nanosleep(&pause, nullptr);
  }
  const int error = errno;
  ::mount(nullptr, at.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
  return fail_errno("unmounting " + at, error);
}

Result<void> LinuxStorage::deactivate_volumes() {
  const auto child = spawn_lvm("n");
  if (!child) return tl::unexpected<Error>(child.error());
  int status = 0;
  while (waitpid(*child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorKind::failed, "volumes could not be deactivated");
}

}  // namespace pciassign::agent
