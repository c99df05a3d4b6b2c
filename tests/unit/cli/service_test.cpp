// SPDX-License-Identifier: GPL-2.0-or-later
// What is said to systemd and its journal arrives as it should, and what it says is understood.
#include "service.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

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

}  // namespace
}  // namespace pciassign::daemon::service
