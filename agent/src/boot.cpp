// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <xen/grant_table.h>
// After it: it wants its types.
#include <xen/gntdev.h>

#include <csignal>

#include "files.hpp"

namespace pciassign::agent {
namespace {

void mount_at(const char* type, const char* at) {
  mkdir(at, 0755);
  // Where an administrator's kernel or initramfs did it already, that is as good.
  (void)mount(type, at, type, MS_NOSUID | MS_NOEXEC, nullptr);
}

}  // namespace

void mount_basics() {
  mount_at("proc", "/proc");
  mount_at("sysfs", "/sys");
  mount_at("devtmpfs", "/dev");
  mount_at("tmpfs", "/run");
  // Without a console in the initramfs there is nothing open: what is opened next would be taken
  // for standard output.
  for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = dup(fd)) {
    if (fd > STDERR_FILENO) {
      close(fd);
      break;
    }
  }
}

std::vector<std::string> load_modules(const std::vector<std::string>& paths) {
  std::vector<std::string> words;
  for (const std::string& path : paths) {
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
      words.push_back(fail_errno("module " + path).value().message);
      continue;
    }
    if (syscall(SYS_finit_module, fd.get(), "", 0) != 0 && errno != EEXIST)
      words.push_back(fail_errno("module " + path).value().message);
  }
  return words;
}

void make_grant_pages() {
  const Fd gntdev(open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC));
  // It takes a page when a mapping is announced, of whatever; the kernel keeps the rest when it
  // goes.
  ioctl_gntdev_map_grant_ref map{};
  map.count = 1;
  if (gntdev) (void)ioctl(gntdev.get(), IOCTL_GNTDEV_MAP_GRANT_REF, &map);
}

int ask_init(int signal) {
  return kill(1, signal) == 0 ? 0 : 1;
}

void power_off(bool again) {
  sync();
  reboot(again ? RB_AUTOBOOT : RB_POWER_OFF);
}

}  // namespace pciassign::agent
