// SPDX-License-Identifier: GPL-2.0-or-later
// `domain`: made-up images, real files, and a stand-in for the supervising daemon.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>

#include "fixture.hpp"
#include "made_up_host.hpp"
#include "pasted.hpp"
#include "pciassign/config_domains.hpp"
#include "pciassign/rpc_domains.hpp"
#include "pciassign/rpc_requests.hpp"

namespace pciassign::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// Serves one connection after the other; every method is an entry of `methods`.
class StandIn {
 public:
  using Method = std::function<Result<json::value>(const json::object&)>;

  void start(const fs::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    listening_ = daemon::UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(
        ::bind(listening_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(::listen(listening_.get(), 8), 0);
    thread_ = std::thread([this] {
      for (int fd = 0; (fd = ::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC)) >= 0;)
        clients_.emplace_back([this, fd] { serve(daemon::UniqueFd(fd)); });
    });
  }
  ~StandIn() {
    if (!thread_.joinable()) return;
    ::shutdown(listening_.get(), SHUT_RDWR);
    thread_.join();
    for (std::thread& client : clients_) client.join();
  }

  std::map<std::string, Method> methods;
  std::vector<std::string> calls;  ///< Those that change something; one client at a time does.

 private:
  void serve(const daemon::UniqueFd& fd) {
    rpc::LineFramer framer(rpc::kMaxRequestBytes);
    std::array<char, 4096> buffer;
    for (ssize_t n = 0; (n = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;) {
      (void)framer.feed({buffer.data(), static_cast<std::size_t>(n)}, [&](std::string_view line) {
        const auto request = rpc::parse_request(line);
        if (!request) return;
        const auto found = methods.find(request->method);
        const auto result = found == methods.end()
                                ? Result<json::value>(fail(ErrorKind::usage, "no such method"))
                                : found->second(request->params);
        const std::string answer = result ? rpc::result_line(request->id, *result)
                                          : rpc::error_line(request->id, result.error());
        (void)::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
      });
    }
  }

  daemon::UniqueFd listening_;
  std::thread thread_;
  std::vector<std::thread> clients_;
};

class Domain : public DaemonTest {
 protected:
  Domain() : root(directory / "root") {
    make_host(root);
    world.pci.all.at(disk).facts.class_code = 0x010802;
    put_file(directory / "pciassignd.toml", "[paths]\nassignments = \"" +
                                                (directory / "assignments.d").string() +
                                                "\"\ndomains = \"" + domains.string() +
                                                "\"\nstate = \"" + state.string() + "\"\n");
    fs::create_directories(domains);
    view.name = "net1";
    view.driver_class = "net";
    view.devices = {"0000:00:04.0"};
    view.state = "ready";
    view.domid = 5;
    view.agent = "ready";
  }

  /// The stand-in answers about the simulated machine, and `view` for the driver domain.
  void start_stand_in() {
    const auto tell = [this](const json::object&) -> Result<json::value> {
      return json::value(rpc::to_json(view));
    };
    const auto change = [this, tell](const std::string& method) {
      return [this, tell, method](const json::object& params) {
        daemon.calls.push_back(method + " " + std::string(params.at("name").as_string()));
        return !failing.empty() && method.starts_with(failing)
                   ? fail(ErrorKind::timed_out, "it did not come up")
                   : tell(params);
      };
    };
    for (const std::string method :
         {"driver-domain-start", "driver-domain-stop", "driver-domain-recover"})
      daemon.methods[method] = change(method);
    daemon.methods["driver-domain"] = [tell](const json::object& params) {
      if (params.at("name").as_string() != "net1")
        return Result<json::value>(fail(ErrorKind::not_found, "no such driver domain"));
      return tell(params);
    };
    daemon.methods["driver-domains"] = [this](const json::object&) -> Result<json::value> {
      return json::value(rpc::to_json(rpc::DriverDomainsResult{{view}}));
    };
    daemon.methods["reload"] = [this](const json::object&) -> Result<json::value> {
      daemon.calls.emplace_back("reload");
      if (failing == "reload") return fail(ErrorKind::usage, "it does not like it");
      if (on_reload) return on_reload();
      return json::value(nullptr);
    };
    daemon.methods["list"] = [this](const json::object&) -> Result<json::value> {
      return json::value(rpc::to_json_array(Toolstack(world.ports()).list().value()));
    };
    daemon.methods["explain"] = [this](const json::object& params) {
      Toolstack toolstack(world.ports());
      return rpc::explain(toolstack, rpc::from_json<rpc::ExplainParams>(params).value())
          .map([](const auto& all) { return json::value(rpc::to_json_array(all)); });
    };
    daemon.methods["domain"] = [this](const json::object& params) -> Result<json::value> {
      Toolstack toolstack(world.ports());
      const auto found = toolstack.find_domain(std::string(params.at("domain").as_string()));
      if (!found) return tl::unexpected<Error>(found.error());
      return json::value(json::object{{"domain", found->domid}});
    };
    daemon.start(config.paths.socket);
  }

  static std::string read(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::vector<std::string> left() const {
    std::vector<std::string> all;
    for (const fs::path& place : {domains, state}) {
      if (!fs::exists(place)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(place))
        if (!entry.is_directory() || entry.path() == state / "domains/net1")
          all.push_back(entry.path());
    }
    return all;
  }
  Ran create(std::vector<std::string> more = {}) {
    std::vector<std::string> words{"domain", "create",   "net1",   "--class",
                                   "net",    "--device", "00:04.0"};
    words.insert(words.end(), more.begin(), more.end());
    return pciassign(words);
  }

  const fs::path root, domains = directory / "domains.d", state = directory / "lib";
  rpc::DriverDomainView view;
  std::string failing;
  std::function<Result<json::value>()> on_reload;
  StandIn daemon;
};

TEST_F(Domain, create_writes_everything_and_has_the_daemon_start_it) {
  start_stand_in();
  const Ran ran = create({"--standby"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  EXPECT_THAT(ran.out, HasSubstr("done: the driver domain net1 is ready\n"));
  EXPECT_THAT(ran.out, HasSubstr("undo: pciassign domain remove net1\n"));
  EXPECT_THAT(daemon.calls, ElementsAre("reload", "driver-domain-start net1"));

  const auto all = config::load_driver_domains(domains);
  ASSERT_TRUE(all.problems.empty()) << all.problems.front().error.message;
  const config::DriverDomain& entry = all.good.at("net1");
  EXPECT_EQ(entry.devices.front().str(), "0000:00:04.0");
  EXPECT_TRUE(entry.standby);
  EXPECT_TRUE(entry.autostart);
  EXPECT_EQ(read(state / "domains/net1/kernel"), made_up_elf());
  EXPECT_TRUE(read_cpio(read(state / "domains/net1/initramfs")).contains("init"));
  const std::string cfg = read(entry.config);
  EXPECT_THAT(cfg,
              AllOf(HasSubstr("\nname = \"net1\"\n"), HasSubstr("\npassthrough = \"enabled\"\n"),
                    HasSubstr("\ne820_host = 1\n"), HasSubstr("\nmemory = 256\n"),
                    HasSubstr("\non_crash = \"preserve\"\n"), Not(HasSubstr("\npci ="))));
  EXPECT_THAT(cfg, HasSubstr("kernel = \"" + (state / "domains/net1/kernel").string() + "\"\n"));
  EXPECT_THAT(read(entry.standby_config()), HasSubstr("\nname = \"net1-standby\"\n"));
}

TEST_F(Domain, the_kernel_takes_less_room_than_it_is_large) {
  ASSERT_EQ(create({"--no-start"}).status, 0);
  struct stat file {};
  ASSERT_EQ(::stat((state / "domains/net1/kernel").c_str(), &file), 0);
  EXPECT_EQ(static_cast<std::size_t>(file.st_size), made_up_elf().size());
  EXPECT_LT(file.st_blocks * 512, file.st_size);
}

TEST_F(Domain, without_the_daemon_one_can_be_made_for_later) {
  Ran ran = create();
  EXPECT_EQ(ran.status, 6);
  EXPECT_THAT(left(), IsEmpty());
  ran = create({"--no-start"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("pciassignd is not running; it reads the entry when it starts"));
  EXPECT_THAT(ran.out, HasSubstr("is defined"));
  EXPECT_FALSE(config::load_driver_domains(domains).good.at("net1").autostart);

  ran = pciassign({"domain", "list"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("not running"));
  EXPECT_THAT(ran.out, HasSubstr("net1  net    unknown"));
  EXPECT_EQ(pciassign({"domain", "list", "--json"}).status, 0);
  EXPECT_EQ(pciassign({"domain", "show", "net1"}).status, 6);
}

TEST_F(Domain, a_dry_run_of_create_tells_what_would_be_and_writes_nothing) {
  start_stand_in();
  const Ran ran = create({"--dry-run"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("create the driver domain net1 (net)"));
  EXPECT_THAT(ran.out, HasSubstr("Linux 6.1.0-made-up"));
  EXPECT_THAT(ran.out, HasSubstr((domains / "net1.toml").string()));
  EXPECT_THAT(ran.out, HasSubstr("undo afterwards with: pciassign domain remove net1"));
  EXPECT_THAT(left(), IsEmpty());
  EXPECT_THAT(daemon.calls, IsEmpty());
  EXPECT_EQ(create({"--dry-run", "--json"}).status, 0);
}

TEST_F(Domain, whatever_fails_nothing_of_it_is_left) {
  start_stand_in();
  for (const std::string method : {"reload", "driver-domain-start"}) {
    failing = method;
    const Ran ran = create();
    EXPECT_NE(ran.status, 0);
    EXPECT_THAT(ran.err, HasSubstr("nothing of it was left"));
    EXPECT_THAT(left(), IsEmpty()) << method;
  }
  EXPECT_THAT(daemon.calls, ElementsAre("reload", "reload", "driver-domain-start net1",
                                        "driver-domain-stop net1", "reload"));
  failing.clear();
  // No entry can be written where a file stands for its directory.
  fs::remove_all(domains);
  put_file(domains, "in the way");
  EXPECT_NE(create().status, 0);
  EXPECT_FALSE(fs::exists(state / "domains/net1"));
}

TEST_F(Domain, what_cannot_be_stopped_again_stays_and_is_told) {
  start_stand_in();
  failing = "driver-domain";  // The begin of both.
  const Ran ran = create();
  EXPECT_NE(ran.status, 0);
  EXPECT_THAT(ran.err, HasSubstr("stopping it failed"));
  EXPECT_THAT(ran.err, HasSubstr("still there: pciassign domain remove net1"));
  EXPECT_THAT(left(), Contains(domains / "net1.toml"));
}

TEST_F(Domain, create_says_as_json_what_it_made) {
  start_stand_in();
  const Ran ran = create({"--json"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  const json::value answer = json::parse(ran.out);
  EXPECT_EQ(answer.at("command").as_string(), "domain create");
  EXPECT_EQ(answer.at("result").at("image").at("kernel_version").as_string(), kMadeUpVersion);
  EXPECT_EQ(answer.at("result").at("domain").at("state").as_string(), "ready");
}

TEST_F(Domain, a_name_that_is_in_use_or_is_none_is_refused) {
  const auto with_name = [this](const std::string& name) {
    return pciassign(
        {"domain", "create", name, "--class", "net", "--device", "00:04.0", "--no-start"});
  };
  for (const std::string name :
       {"a/b", "-x", ".x", "12", "Domain-0", "x-standby", "x-dead-3", "a b"}) {
    EXPECT_EQ(with_name(name).status, 2) << name;
    for (const std::string command : {"show", "start", "stop", "recover", "remove"}) {
      const Ran ran = pciassign({"domain", command, "--", name});
      EXPECT_EQ(ran.status, 2) << command << name;
      EXPECT_THAT(ran.err, HasSubstr("is no name for a driver domain")) << command << name;
    }
  }
  world.add_domain(3, "guest");
  Ran ran = with_name("guest");
  EXPECT_EQ(ran.status, 5);
  EXPECT_THAT(ran.err, HasSubstr("there is a domain guest"));
  ASSERT_EQ(with_name("net.1").status, 0);
  ran = with_name("net.1");
  EXPECT_EQ(ran.status, 5);
  EXPECT_THAT(ran.err, HasSubstr("it has an entry at "));
  EXPECT_THAT(ran.err, HasSubstr("hint: pciassign domain remove net.1\n"));
  put_file(directory / "assignments.d/x.toml", "[domain.other]\ndevices = [\"00:05.0\"]\n");
  EXPECT_THAT(with_name("other").err, HasSubstr("it has assigned devices at "));
}

TEST_F(Domain, a_device_that_another_has_or_that_is_unfit_is_refused) {
  ASSERT_EQ(create({"--no-start"}).status, 0);
  const auto with_device = [this](const std::string& device, const std::string& driver_class) {
    return pciassign(
        {"domain", "create", "two", "--class", driver_class, "--device", device, "--no-start"});
  };
  EXPECT_THAT(with_device("00:04.0", "net").err,
              HasSubstr("0000:00:04.0 is configured for the driver domain net1 already"));
  EXPECT_EQ(with_device("00:1f.0", "net").status, 3);  // Not there.
  const Ran ran = with_device("00:05.0", "net");
  EXPECT_EQ(ran.status, 4);
  EXPECT_THAT(ran.err, HasSubstr("\"Non-Volatile memory controller\", which a driver domain of the "
                                 "class net cannot use"));
  put_file(directory / "assignments.d/x.toml", "[domain.other]\ndevices = [\"00:05.0\"]\n");
  EXPECT_THAT(with_device("00:05.0", "block").err, HasSubstr("is configured for other already"));
  EXPECT_THAT(with_device("name=nic", "net").err, HasSubstr("by its address"));
}

TEST_F(Domain, with_force_the_class_is_only_remarked_upon) {
  const Ran ran = pciassign({"domain", "create", "odd", "--class", "net", "--device", "00:05.0",
                             "--no-start", "--force", "--dry-run"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.err, HasSubstr("cannot use"));
}

TEST_F(Domain, words_that_do_not_go_together_are_refused) {
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--volumes"},
                                             {"--mount", "/dev/sda1:/srv:ext4"},
                                             {"--memory", "64"},
                                             {"--memory", "1e3"},
                                             {"--mode", "route", "--bridge", "br0"},
                                             {"--mode", "tunnel"},
                                             {"--address", "192.0.2.2"},
                                             {"--address", "192.0.2.2/33"},
                                             {"--gateway", "nowhere"},
                                             {"--bridge", "a-name-that-is-too-long"},
                                             {"--bridge", ".."},
                                             {"--device", "00:04.0"},
                                             {"--kernel", "a\nb"},
                                             {"--module", "a\tb"}}) {
    EXPECT_EQ(create(more).status, 2) << more.front();
  }
  const auto block = [this](const std::string& mount) {
    return pciassign({"domain", "create", "b", "--class", "block", "--device", "00:05.0", "--mount",
                      mount, "--no-start"});
  };
  for (const std::string mount :
       {"", "/dev/sda1", "/dev/sda1:/srv", "sda1:/srv:ext4", "/dev/sda1:srv:ext4",
        "/dev/sda1:/../x:ext4", "/dev/s a:/srv:ext4"})
    EXPECT_EQ(block(mount).status, 2) << mount;
  EXPECT_EQ(pciassign({"domain", "create", "b", "--class", "disk", "--device", "00:05.0"}).status,
            2);
  EXPECT_EQ(pciassign({"domain", "create", "b", "--class", "net"}).status, 2);
  EXPECT_EQ(pciassign({"domain", "create", "b", "--device", "00:05.0"}).status, 2);
  EXPECT_THAT(left(), IsEmpty());
}

TEST_F(Domain, the_undo_of_remove_makes_the_same_again) {
  start_stand_in();
  ASSERT_EQ(create({"--memory", "128", "--standby", "--bridge", "br7", "--address", "192.0.2.2/24"})
                .status,
            0);
  const std::string cfg = read(state / "domains/net1/domain.cfg");
  const Ran ran = pciassign({"domain", "remove", "net1"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(left(), IsEmpty());
  const std::string undo = "undo: pciassign ";
  const std::size_t at = ran.out.find(undo);
  ASSERT_NE(at, std::string::npos) << ran.out;
  std::istringstream in(ran.out.substr(at + undo.size()));
  ASSERT_EQ(pciassign({std::istream_iterator<std::string>(in), {}}).status, 0);
  EXPECT_EQ(read(state / "domains/net1/domain.cfg"), cfg);
}

TEST_F(Domain, the_command_that_made_it_can_be_pasted) {
  const std::string kernel = root / "it's a kernel; $(reboot)";
  fs::copy_file(fs::directory_iterator(root / "boot")->path(), kernel);
  ASSERT_EQ(create({"--no-start", "--kernel", kernel}).status, 0);
  std::string line = read(state / "domains/net1/domain.cfg");
  line = line.substr(0, line.find('\n'));
  ASSERT_TRUE(line.starts_with("# Made by: "));
  EXPECT_THAT(pasted(line.substr(line.find(':') + 2)),
              ElementsAre("pciassign", "domain", "create", "net1", "--class", "net", "--device",
                          "0000:00:04.0", "--kernel", kernel, "--no-start"));
}

TEST_F(Domain, remove_takes_no_path_for_a_name) {
  start_stand_in();
  const fs::path other = directory / "other";
  put_file(other / "file", "of somebody");
  put_file(other / "domain.cfg", "# Made by: pciassign domain create other\n");
  fs::create_directories(state / "domains");
  for (const std::string& name : {other.string(), std::string(), std::string(".."),
                                  std::string("."), std::string("../../other")})
    for (const bool dry : {true, false}) {
      std::vector<std::string> words{"domain", "remove", name};
      if (dry) words.emplace_back("--dry-run");
      const Ran ran = pciassign(words);
      EXPECT_EQ(ran.status, 2) << name;
      EXPECT_EQ(ran.out, "") << name;
    }
  EXPECT_TRUE(fs::exists(other / "file"));
  EXPECT_TRUE(fs::exists(state / "domains"));
}

TEST_F(Domain, remove_leaves_a_directory_that_create_did_not_make) {
  start_stand_in();
  for (const std::string text : {"", "name = \"mine\"\n", "# Made by hand\n"}) {
    fs::remove_all(state / "domains/mine");
    put_file(state / "domains/mine/kernel", "mine");
    if (!text.empty()) put_file(state / "domains/mine/domain.cfg", text);
    for (const std::string flag : {"--dry-run", "--force"}) {
      const Ran ran = pciassign({"domain", "remove", "mine", flag});
      EXPECT_EQ(ran.status, 4) << text;
      EXPECT_EQ(ran.out, "");
      EXPECT_THAT(ran.err, HasSubstr("was not made by `pciassign domain create`"));
    }
    EXPECT_EQ(read(state / "domains/mine/kernel"), "mine");
  }
}

TEST_F(Domain, remove_follows_no_link) {
  start_stand_in();
  ASSERT_EQ(create().status, 0);
  const auto entry = read(domains / "net1.toml");
  fs::rename(state / "domains/net1", directory / "elsewhere");
  fs::create_symlink(directory / "elsewhere", state / "domains/net1");
  daemon.calls.clear();
  // With its entry and without: a link there is nothing that create makes.
  for (const bool with_entry : {true, false}) {
    if (!with_entry) fs::remove(domains / "net1.toml");
    for (const std::string flag : {"--dry-run", "--force"}) {
      const Ran ran = pciassign({"domain", "remove", "net1", flag});
      EXPECT_EQ(ran.status, 4);
      EXPECT_THAT(ran.err, HasSubstr("is a symbolic link"));
    }
  }
  EXPECT_THAT(daemon.calls, IsEmpty());
  EXPECT_TRUE(fs::is_symlink(state / "domains/net1"));
  EXPECT_TRUE(fs::exists(directory / "elsewhere/kernel"));
  // A link in the place of its configuration makes a directory ours no more than its text would.
  fs::remove(state / "domains/net1");
  put_file(state / "domains/net1/file", "");
  fs::create_symlink(directory / "elsewhere/domain.cfg", state / "domains/net1/domain.cfg");
  EXPECT_EQ(pciassign({"domain", "remove", "net1"}).status, 4);
  EXPECT_TRUE(fs::exists(state / "domains/net1/file"));
}

TEST_F(Domain, remove_keeps_what_somebody_else_put_there_and_tells_it) {
  start_stand_in();
  ASSERT_EQ(create({"--standby"}).status, 0);
  put_file(state / "domains/net1/notes", "mine");
  fs::create_directories(state / "domains/net1/more");
  const auto notes = (state / "domains/net1/notes").string();
  EXPECT_THAT(pciassign({"domain", "remove", "net1", "--dry-run"}).out,
              HasSubstr("leave " + notes + ", which is not ours"));
  const Ran ran = pciassign({"domain", "remove", "net1", "--json"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  const auto kept = json::parse(ran.out).at("result").at("kept").as_array();
  EXPECT_EQ(json::serialize(kept),
            "[\"" + (state / "domains/net1/more").string() + "\",\"" + notes + "\"]");
  EXPECT_EQ(read(notes), "mine");
  EXPECT_FALSE(fs::exists(state / "domains/net1/domain.cfg"));
  EXPECT_FALSE(fs::exists(state / "domains/net1/kernel"));
}

TEST_F(Domain, remove_with_an_entry_leaves_a_directory_that_is_not_ours) {
  start_stand_in();
  ASSERT_EQ(create().status, 0);
  put_file(state / "domains/net1/domain.cfg", "name = \"net1\"\n");
  const Ran ran = pciassign({"domain", "remove", "net1"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("kept: " + (state / "domains/net1").string()));
  EXPECT_FALSE(fs::exists(domains / "net1.toml"));
  EXPECT_TRUE(fs::exists(state / "domains/net1/kernel"));
}

TEST_F(Domain, remove_ends_what_an_interrupted_one_began) {
  start_stand_in();
  for (const std::vector<std::string>& gone : std::vector<std::vector<std::string>>{
           {}, {"kernel"}, {"kernel", "initramfs"}, {"kernel", "initramfs", "domain.cfg"}}) {
    ASSERT_EQ(create({"--no-start"}).status, 0);
    fs::remove(domains / "net1.toml");
    for (const std::string& file : gone) fs::remove(state / "domains/net1" / file);
    const Ran ran = pciassign({"domain", "remove", "net1"});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_FALSE(fs::exists(state / "domains/net1"));
  }
}

TEST_F(Domain, remove_is_refused_while_guests_depend_on_it) {
  start_stand_in();
  ASSERT_EQ(create().status, 0);
  view.dependents = {{"web", 7, "vif", 0, "00:16:3e:00:00:01", "connected", "in place"}};
  daemon.calls.clear();
  Ran ran = pciassign({"domain", "remove", "net1"});
  EXPECT_EQ(ran.status, 4);
  EXPECT_THAT(ran.err, HasSubstr("net1 serves 1 devices of: web"));
  EXPECT_THAT(daemon.calls, IsEmpty());
  ran = pciassign({"domain", "remove", "net1", "--force", "--dry-run"});
  EXPECT_THAT(ran.out, HasSubstr("stop it (domain 5)"));
  EXPECT_THAT(left(), Not(IsEmpty()));
  EXPECT_EQ(pciassign({"domain", "remove", "net1", "--force", "--json"}).status, 0);
  EXPECT_THAT(daemon.calls, ElementsAre("reload", "driver-domain-stop net1", "reload"));
  EXPECT_THAT(left(), IsEmpty());
  EXPECT_EQ(pciassign({"domain", "remove", "net1"}).status, 3);
}

TEST_F(Domain, remove_leaves_it_all_where_the_daemon_refuses) {
  start_stand_in();
  ASSERT_EQ(create().status, 0);
  const auto before = left();
  for (const std::string method : {"driver-domain-stop", "reload"}) {
    failing = method;
    EXPECT_NE(pciassign({"domain", "remove", "net1"}).status, 0);
    EXPECT_EQ(left(), before) << method;
  }
}

TEST_F(Domain, remove_asks_before_it_stops_and_starts_again_what_has_to_stay) {
  start_stand_in();
  ASSERT_EQ(create().status, 0);
  const auto before = left();
  daemon.calls.clear();
  failing = "reload";
  EXPECT_NE(pciassign({"domain", "remove", "net1"}).status, 0);
  EXPECT_THAT(daemon.calls, ElementsAre("reload"));
  failing.clear();
  daemon.calls.clear();
  on_reload = [n = 0]() mutable {
    return ++n == 1 ? Result<json::value>(json::value(nullptr))
                    : Result<json::value>(fail(ErrorKind::usage, "not any more"));
  };
  const Ran ran = pciassign({"domain", "remove", "net1"});
  EXPECT_NE(ran.status, 0);
  EXPECT_THAT(ran.err, HasSubstr("not any more; net1 is started again"));
  EXPECT_THAT(daemon.calls, ElementsAre("reload", "driver-domain-stop net1", "reload",
                                        "driver-domain-start net1"));
  EXPECT_EQ(left(), before);
}

TEST_F(Domain, a_bad_file_of_others_is_in_nobodys_way) {
  put_file(domains / "bad.toml", "[driver-domain.other]\nnonsense");
  put_file(directory / "assignments.d/bad.toml", "[domain.guest]\n");
  Ran ran = create({"--no-start"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.err,
              AllOf(HasSubstr("domains.d/bad.toml:2:"), HasSubstr("assignments.d/bad.toml:1:1")));
  ran = pciassign({"domain", "list"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.out, HasSubstr("net1"));
  EXPECT_THAT(ran.err, HasSubstr("domains.d/bad.toml:2:"));
  start_stand_in();
  EXPECT_EQ(pciassign({"domain", "remove", "net1"}).status, 0);
  EXPECT_THAT(left(), ElementsAre(domains / "bad.toml"));
}

TEST_F(Domain, where_its_own_entry_is_bad_a_domain_is_neither_made_nor_removed) {
  start_stand_in();
  ASSERT_EQ(create().status, 0);
  fs::remove(domains / "net1.toml");
  put_file(domains / "all.toml", "[driver-domain.net1]\nnonsense");
  daemon.calls.clear();
  for (const Ran& ran : {create(), pciassign({"domain", "remove", "net1"})}) {
    EXPECT_EQ(ran.status, 2);
    EXPECT_THAT(ran.err, HasSubstr("all.toml:2:"));
  }
  EXPECT_THAT(daemon.calls, IsEmpty());
  EXPECT_TRUE(fs::exists(state / "domains/net1/kernel"));
}

TEST_F(Domain, an_entry_that_the_daemon_cannot_use_is_taken_back) {
  start_stand_in();
  on_reload = [this]() -> Result<json::value> {
    const std::string entry = domains / "net1.toml";
    if (!fs::exists(entry)) return json::value(rpc::to_json(rpc::ReloadResult{}));
    return json::value(rpc::to_json(rpc::ReloadResult{{}, {{entry, entry + ": no", "hint"}}}));
  };
  const Ran ran = create();
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("net1.toml: no; nothing of it was left"));
  EXPECT_THAT(left(), IsEmpty());
  EXPECT_THAT(daemon.calls, ElementsAre("reload", "reload"));
}

TEST_F(Domain, an_entry_among_others_is_left_to_a_person) {
  start_stand_in();
  const std::string text =
      "[driver-domain.net1]\nclass = \"net\"\ndevices = [\"00:04.0\"]\nconfig = \"/a\"\n"
      "[driver-domain.net2]\nclass = \"net\"\ndevices = [\"00:05.0\"]\nconfig = \"/b\"\n";
  put_file(domains / "all.toml", text);
  const Ran ran = pciassign({"domain", "remove", "net1"});
  EXPECT_EQ(ran.status, 4);
  EXPECT_THAT(ran.err, HasSubstr("all.toml:1:1 stands in a file with others"));
  EXPECT_EQ(read(domains / "all.toml"), text);
}

TEST_F(Domain, show_tells_the_last_recovery_and_what_each_guest_will_get) {
  view.standby = rpc::StandbyView{6, "waiting"};
  view.crashes = 2;
  view.last_recovery = rpc::RecoveryView{"crash",
                                         "cold",
                                         "done",
                                         "2026-01-31T12:00:00Z",
                                         {{"detect", 0.01, 0.01}, {"boot", 3.5, 3.6}}};
  view.dependents = {{"web", 7, "vif", 0, "00:16:3e:00:00:01", "connected", "in place"},
                     {"old", 8, "vif", 1, "00:16:3e:00:00:02", "connected", "remove and add"}};
  start_stand_in();
  const Ran ran = pciassign({"domain", "show", "net1"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(
      ran.out,
      "net1  driver domain, net\n"
      "  state     ready\n"
      "  domain    5\n"
      "  agent     ready\n"
      "  standby   waiting (domain 6)\n"
      "  crashes   2\n"
      "  devices   0000:00:04.0\n"
      "\n"
      "last recovery: crash, cold, done, began 2026-01-31T12:00:00Z\n"
      "PHASE   TOOK    OVER AFTER\n"
      "detect  0.01 s  0.01 s\n"
      "boot    3.50 s  3.60 s\n"
      "\n"
      "devices that it serves\n"
      "GUEST  DOMAIN  DEVICE  NAME               STATE      RECOVERY\n"
      "web    7       vif 0   00:16:3e:00:00:01  connected  in place\n"
      "old    8       vif 1   00:16:3e:00:00:02  connected  remove and add\n"
      "in place: the guest said that it reconnects its devices; addresses and mounts stay\n"
      "remove and add: the guest did not say so (no pvreconnect in it); it gets a new device\n");
  EXPECT_THAT(pciassign({"domain", "list"}).out,
              HasSubstr("net1  net    ready  5       waiting  2       2        0000:00:04.0\n"));
  EXPECT_EQ(pciassign({"domain", "show", "net1", "--json"}).status, 0);
  EXPECT_EQ(pciassign({"domain", "show", "net2"}).status, 3);
}

TEST_F(Domain, start_stop_and_recover_ask_the_daemon) {
  start_stand_in();
  Ran ran = pciassign({"domain", "stop", "net1"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("undo: pciassign domain start net1\n"));
  EXPECT_EQ(pciassign({"domain", "start", "net1", "--json"}).status, 0);
  EXPECT_EQ(pciassign({"domain", "stop", "net1", "--json"}).status, 0);
  EXPECT_EQ(pciassign({"domain", "recover", "net1", "--json"}).status, 0);
  EXPECT_THAT(daemon.calls, ElementsAre("driver-domain-stop net1", "driver-domain-start net1",
                                        "driver-domain-stop net1", "driver-domain-recover net1"));
  failing = "driver-domain-recover";
  ran = pciassign({"domain", "recover", "net1"});
  EXPECT_EQ(ran.status, 7);
  EXPECT_THAT(ran.err, HasSubstr("it did not come up"));
}

TEST_F(Domain, their_dry_runs_tell_the_steps) {
  view.standby = rpc::StandbyView{6, "waiting"};
  view.dependents = {{"web", 7, "vif", 0, "00:16:3e:00:00:01", "connected", "in place"}};
  start_stand_in();
  EXPECT_THAT(pciassign({"domain", "stop", "net1", "--dry-run"}).out,
              AllOf(HasSubstr("shut domain 5 down"), HasSubstr("destroy the standby, domain 6"),
                    HasSubstr("1 devices of guests wait")));
  EXPECT_THAT(pciassign({"domain", "start", "net1", "--dry-run"}).out, HasSubstr("nothing to do"));
  EXPECT_THAT(pciassign({"domain", "recover", "net1", "--dry-run"}).out,
              AllOf(HasSubstr("attach 0000:00:04.0 to the standby, domain 6"),
                    HasSubstr("vif 0 of web: in place")));
  view.standby.reset();
  EXPECT_THAT(pciassign({"domain", "recover", "net1", "--dry-run"}).out,
              HasSubstr("xl creates it; it gets 0000:00:04.0 before its first instruction"));
  EXPECT_EQ(pciassign({"domain", "recover", "net1", "--dry-run", "--json"}).status, 0);
  EXPECT_THAT(daemon.calls, IsEmpty());
}

}  // namespace
}  // namespace pciassign::test
