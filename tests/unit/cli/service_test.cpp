// SPDX-License-Identifier: GPL-2.0-or-later
// What is said to systemd and its journal arrives as it should, and what it says is understood.
#include "service.hpp"
#include "pciassign/result.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

namespace pciassign::daemon::service {
namespace {

class Service : public ::testing::Test {
 protected:
  Service() {
    std::string pattern = ::testing::TempDir() + "service.XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    path = directory_ + "/socket";
  }
  ~Service() override {
    std::filesystem::remove_all(directory_);
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID",
                             "LISTEN_FDS", "LISTEN_FDNAMES"})
      ::unsetenv(name);
  }
  /// What one datagram at the socket says.
  UniqueFd listen(const std::string& name) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    return fd;
  }
  static std::string heard(const UniqueFd& fd) {
    char text[512];
    const ssize_t n = ::recv(fd.get(), text, sizeof(text), MSG_DONTWAIT);
    return n < 0 ? std::string() : std::string(text, static_cast<std::size_t>(n));
  }
  std::string path;

 private:
  std::string directory_;
};

TEST_F(Service, tells_its_state_to_a_path_and_to_an_abstract_name) {
  notify("READY=1");  // Nobody listens: nothing happens.
  const std::string abstract = "@pciassign-test-" + std::to_string(::getpid());
  for (const std::string& name : {path, abstract}) {
    const UniqueFd fd = listen(name);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    notify("READY=1");
    EXPECT_EQ(heard(fd), "READY=1") << name;
  }
}

TEST_F(Service, writes_entries_as_lines_into_the_journal) {
  write_journal({"MESSAGE=lost"}, path);
  const UniqueFd fd = listen(path);
  write_journal({"MESSAGE=hello", "PRIORITY=6"}, path);
  EXPECT_EQ(heard(fd), "MESSAGE=hello\nPRIORITY=6\n");
}

TEST_F(Service, feeds_a_watchdog_only_when_it_is_its_own) {
  EXPECT_FALSE(watchdog());
  ::setenv("WATCHDOG_USEC", "5000000", 1);
  EXPECT_EQ(watchdog(), std::chrono::seconds(5));
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_FALSE(watchdog());
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  EXPECT_EQ(watchdog(), std::chrono::seconds(5));
  ::setenv("WATCHDOG_USEC", "soon", 1);
  EXPECT_FALSE(watchdog());
}

TEST_F(Service, takes_no_socket_that_was_meant_for_another) {
  EXPECT_FALSE(inherited_socket());
  ::setenv("LISTEN_PID", "1", 1);
  ::setenv("LISTEN_FDS", "1", 1);
  EXPECT_FALSE(inherited_socket());
  EXPECT_EQ(::getenv("LISTEN_FDS"), nullptr) << "and does not hand it on";
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", "2", 1);
  EXPECT_FALSE(inherited_socket()) << "one is expected";
}

/// The settings of a unit's [Service], comments left out.
std::map<std::string, std::vector<std::string>> settings_of(const std::string& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in.is_open()) << file;
  std::map<std::string, std::vector<std::string>> settings;
  std::string section;
  for (std::string line; std::getline(in, line);) {
    const auto equals = line.find('=');
    if (line.starts_with('[')) section = line;
    if (section == "[Service]" && equals != std::string::npos && !line.starts_with('#'))
      settings[line.substr(0, equals)].push_back(line.substr(equals + 1));
  }
  EXPECT_FALSE(settings.empty()) << file;
  return settings;
}

std::vector<std::string> units() {
  std::istringstream in(UNITS);
  std::vector<std::string> files;
  for (std::string file; std::getline(in, file, '|');) files.push_back(file);
  return files;
}

struct Hides {
  const char* setting;
  std::vector<std::string> allowed;  ///< Values that hide nothing.
  const char* what;
};

TEST(Units, hide_nothing_of_the_host_from_policy) {
  const std::vector<std::string> no{"no", "false", "off", "0"};
  const std::vector<Hides> all{
      {"ProtectHome", {"no", "false", "off", "0", "read-only"}, "mounts below /home and /root"},
      {"ProtectKernelModules", no, "mounts below /usr/lib/modules"},
      {"ProtectKernelTunables", no, "sysfs becomes read-only, and parts of procfs vanish"},
      {"ProtectKernelLogs", no, "/proc/kmsg and /dev/kmsg"},
      {"ProtectProc", {"default"}, "/proc/1/mountinfo"},
      {"ProcSubset", {"all"}, "/proc/swaps, /proc/consoles"},
      {"PrivateDevices", no, "/dev: disks, and Xen's own devices"},
      {"PrivateMounts", no, "mounts that are made later"},
      {"PrivateNetwork", no, "interfaces and routes"},
      {"PrivateUsers", no, "whom a file belongs to, and hypercalls"},
      {"PrivatePIDs", no, "dom0's first process"},
      {"NetworkNamespacePath", {}, "interfaces and routes"},
      {"JoinsNamespaceOf", {}, "whatever the other unit hides"},
      {"InaccessiblePaths", {}, "mounts below them"},
      {"InaccessibleDirectories", {}, "mounts below them"},
      {"TemporaryFileSystem", {}, "mounts below them"},
      {"ExecPaths", {}, "xl"},
      {"NoExecPaths", {}, "xl"},
      {"RootDirectory", {}, "everything"},
      {"RootImage", {}, "everything"},
      {"MountAPIVFS", no, "dom0's /proc, /sys and /dev"},
      {"MountImages", {}, "mounts below them"},
      {"ExtensionImages", {}, "mounts below them"},
      {"ExtensionDirectories", {}, "mounts below them"},
      {"BindPaths", {}, "what they cover"},
      {"BindReadOnlyPaths", {}, "what they cover"},
      // "disconnected" is a new tmpfs, for which all below is unmounted; "yes" is mounted over it.
      {"PrivateTmp", {"no", "false", "off", "0", "yes", "true"}, "mounts below /tmp"},
      {"DynamicUser", no, "it implies several of these"},
  };
  for (const std::string& unit : units()) {
    const auto settings = settings_of(unit);
    for (const Hides& one : all) {
      const auto found = settings.find(one.setting);
      if (found == settings.end()) continue;
      for (const std::string& value : found->second)
        EXPECT_NE(std::find(one.allowed.begin(), one.allowed.end(), value), one.allowed.end())
            << unit << ": " << one.setting << '=' << value << " hides: " << one.what;
    }
  }
}

TEST(Units, of_the_daemon_are_not_started_again_with_a_configuration_that_is_wrong) {
  const auto settings = settings_of(units().front());
  ASSERT_TRUE(settings.contains("RestartPreventExitStatus"));
  EXPECT_EQ(settings.at("RestartPreventExitStatus"),
            std::vector<std::string>{std::to_string(exit_status(ErrorKind::usage))});
}

}  // namespace
}  // namespace pciassign::daemon::service
