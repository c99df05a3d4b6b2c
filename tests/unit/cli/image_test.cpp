// SPDX-License-Identifier: GPL-2.0-or-later
// The images of driver domains, made from a made-up host.
#include "image/image.hpp"

#include <gmock/gmock.h>

#include <set>

#include "config.hpp"
#include "image/archive.hpp"
#include "image/kernel.hpp"
#include "image/libraries.hpp"
#include "made_up_host.hpp"

namespace pciassign::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;

class Image : public ::testing::Test {
 protected:
  Image() {
    std::string pattern = ::testing::TempDir() + "image.XXXXXX";
    root = ::mkdtemp(pattern.data());
    make_host(root);
    spec.root = root;
    spec.agent = root / "agent";
    spec.devices.push_back(device(0x8086, 0x10d3, 0x020000));
  }
  ~Image() override { std::filesystem::remove_all(root); }

  static Device device(std::uint16_t vendor, std::uint16_t id, std::uint32_t class_code) {
    Device one;
    one.sbdf = {0, 0, 4, 0};
    one.vendor = vendor;
    one.device = id;
    one.class_code = class_code;
    return one;
  }
  void block() {
    spec.driver_class = config::DriverClass::block;
    spec.devices = {device(0x1b36, 0x10, 0x010802)};
  }
  [[nodiscard]] Result<image::Image> build() const {
    return image::build(spec, [](const std::string&) {});
  }

  std::filesystem::path root;
  image::Spec spec;
};

class Kernel : public ::testing::TestWithParam<std::string> {};

TEST_P(Kernel, the_elf_image_comes_out_of_a_bzimage) {
  const auto kernel = image::parse_kernel(made_up_bzimage(GetParam()), "vmlinuz");
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(kernel->version, kMadeUpVersion);
  EXPECT_EQ(kernel->elf, made_up_elf());
  EXPECT_GT(kernel->packed, 0U);
}

TEST_P(Kernel, wherever_it_is_cut_off_or_damaged_that_is_told) {
  const std::string whole = made_up_bzimage(GetParam());
  const std::size_t end = whole.size() - std::string("what follows").size();
  for (std::size_t size = 0; size < end; size += size < 0x300 ? 1 : 37)
    EXPECT_FALSE(image::parse_kernel(whole.substr(0, size), "vmlinuz")) << size;
  for (std::size_t at = 0x1f0; at < 0x260; ++at) {
    std::string damaged = whole;
    damaged[at] = '\xff';
    (void)image::parse_kernel(std::move(damaged), "vmlinuz");  // Sanitizers judge.
  }
}

INSTANTIATE_TEST_SUITE_P(, Kernel, ::testing::Values("xz", "gzip", "zstd", "lz4", "bzip2"),
                         [](const auto& info) { return info.param; });

TEST_F(Image, an_elf_image_is_taken_as_it_is) {
  const auto kernel = image::parse_kernel(made_up_elf("6.12.1"), "vmlinux");
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(kernel->version, "6.12.1");
  EXPECT_EQ(kernel->elf, made_up_elf("6.12.1"));
  EXPECT_EQ(kernel->packed, 0U);
}

TEST_F(Image, what_is_no_kernel_is_refused) {
  const auto why = [](const std::string& data) {
    const auto kernel = image::parse_kernel(data, "FILE");
    return kernel ? "nothing" : kernel.error().message;
  };
  EXPECT_THAT(why(std::string(10'000, 'x')), HasSubstr("neither bzImage nor ELF"));
  EXPECT_THAT(why(made_up_elf("../../etc")), HasSubstr("does not tell its version"));
  EXPECT_THAT(why(made_up_elf("6.1", false)), HasSubstr("PV guest"));
  EXPECT_THAT(why(made_up_bzimage("xz", "no ELF image")), HasSubstr("damaged"));
}

TEST_F(Image, of_a_network_driver_domain_has_what_it_needs_in_order) {
  const auto made = build();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->kernel_version, kMadeUpVersion);
  EXPECT_EQ(made->kernel, made_up_elf());
  EXPECT_THAT(made->modules, ElementsAre("xen_pcifront", "phy", "ptp", "nic", "late", "xen_gntdev",
                                         "xen_netback", "stp", "bridge"));
  EXPECT_THAT(made->firmware, ElementsAre("made-up/nic.bin"));

  const auto files = read_cpio(made->initramfs);
  EXPECT_EQ(files.at("init").content, "the agent");
  EXPECT_EQ(files.at("init").mode, 0755U);
  EXPECT_EQ(files.at("sbin/poweroff").target, "../init");
  EXPECT_EQ(files.at("lib/firmware/made-up/nic.bin").content, "firmware of a nic");
  EXPECT_THAT(files.at("lib/modules/6.1.0-made-up/ptp.ko").content, HasSubstr("license=GPL"));
  EXPECT_TRUE(files.at("proc").directory);
  EXPECT_THAT(files, Not(Contains(Key("lib/modules/6.1.0-made-up/nvme.ko"))));
  EXPECT_EQ(files.at("etc/pciassign-agent.toml").content,
            "class = \"net\"\nheartbeat-seconds = 1\nmodules = ["
            "\n  \"/lib/modules/6.1.0-made-up/xen_pcifront.ko\","
            "\n  \"/lib/modules/6.1.0-made-up/phy.ko\","
            "\n  \"/lib/modules/6.1.0-made-up/ptp.ko\","
            "\n  \"/lib/modules/6.1.0-made-up/nic.ko\","
            "\n  \"/lib/modules/6.1.0-made-up/late.ko\","
            "\n  \"/lib/modules/6.1.0-made-up/xen_gntdev.ko\","
            "\n  \"/lib/modules/6.1.0-made-up/xen_netback.ko\","
            "\n  \"/lib/modules/6.1.0-made-up/stp.ko\","
            "\n  \"/lib/modules/6.1.0-made-up/bridge.ko\",\n]\n"
            "[net]\nmode = \"bridge\"\nbridge = \"xenbr0\"\nmtu = 0\n");
}

TEST_F(Image, has_no_file_from_outside_of_the_directory_of_firmware) {
  put_file(spec.root / "lib/outside.bin", "of nobody's concern");
  block();  // Its module names "../outside.bin".
  const auto made = build();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(made->firmware, ElementsAre());
  for (const auto& [path, file] : read_cpio(made->initramfs))
    EXPECT_NE(file.content, "of nobody's concern") << path;
}

TEST_F(Image, is_the_same_bytes_each_time_and_owned_by_root) {
  const auto made = build(), again = build();
  ASSERT_TRUE(made && again);
  EXPECT_EQ(made->initramfs, again->initramfs);
  std::set<std::string> seen;
  for (const auto& [path, file] : read_cpio(made->initramfs)) {
    EXPECT_EQ(file.owner, 0) << path;
    EXPECT_EQ(file.time, 0) << path;
    if (const auto above = path.rfind('/'); above != std::string::npos) {
      EXPECT_TRUE(seen.contains(path.substr(0, above))) << path;
    }
    EXPECT_TRUE(seen.insert(path).second);
  }
}

/// What the agent makes of the configuration in an image.
agent::Config as_the_agent_reads_it(const image::Image& made) {
  const auto config = agent::parse_config(
      read_cpio(made.initramfs).at("etc/pciassign-agent.toml").content, "the image's");
  EXPECT_TRUE(config) << config.error().message;
  return config ? *config : agent::Config{};
}

TEST_F(Image, tells_the_agent_what_was_asked_for) {
  spec.net_mode = "route";
  spec.address = "192.0.2.2/24";
  spec.gateway = "192.0.2.1";
  const auto net = build();
  ASSERT_TRUE(net) << net.error().message;
  const agent::Config config = as_the_agent_reads_it(*net);
  EXPECT_EQ(config.kind, agent::Kind::vif);
  EXPECT_EQ(config.modules.size(), net->modules.size());
  EXPECT_TRUE(config.net.route);
  EXPECT_EQ(config.net.address, "192.0.2.2/24");
  EXPECT_EQ(config.net.gateway, "192.0.2.1");

  block();
  spec.mounts.push_back({"/dev/nvme0n1p1", "/srv", "ext4"});
  const auto disk = build();
  ASSERT_TRUE(disk) << disk.error().message;
  const agent::Config of_disk = as_the_agent_reads_it(*disk);
  EXPECT_EQ(of_disk.kind, agent::Kind::vbd);
  EXPECT_FALSE(of_disk.block.volumes);
  ASSERT_EQ(of_disk.block.mounts.size(), 1U);
  EXPECT_EQ(of_disk.block.mounts.front().at, "/srv");
}

TEST_F(Image, without_a_bridge_has_no_bridge) {
  spec.net_mode = "route";
  const auto made = build();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(made->modules, Not(Contains("bridge")));
}

TEST_F(Image, of_a_block_driver_domain_has_the_file_systems_that_it_mounts) {
  block();
  spec.mounts.push_back({"/dev/nvme0n1p1", "/srv/images", "ext4"});
  const auto made = build();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(made->modules,
              ElementsAre("xen_pcifront", "nvme", "xen_gntdev", "xen_blkback", "ext4", "loop"));
  const auto files = read_cpio(made->initramfs);
  EXPECT_TRUE(files.at("srv/images").directory);
  EXPECT_THAT(files.at("etc/pciassign-agent.toml").content,
              HasSubstr("[block]\nvolumes = false\n[[block.mount]]\ndevice = \"/dev/nvme0n1p1\"\n"
                        "at = \"/srv/images\"\ntype = \"ext4\"\n"));
}

TEST_F(Image, with_volumes_has_lvm_and_its_libraries) {
  block();
  spec.volumes = true;
  auto made = build();
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("no " + (root / "sbin/lvm").string()));
  std::filesystem::create_directories(root / "sbin");
  std::filesystem::copy_file("/bin/true", root / "sbin/lvm");
  made = build();
  ASSERT_TRUE(made) << made.error().message;
  const auto files = read_cpio(made->initramfs);
  EXPECT_EQ(files.at("sbin/lvm").mode, 0755U);
  EXPECT_THAT(files, Contains(Key("etc/lvm/lvm.conf")));
  const auto libraries = image::libraries_of("/bin/true");
  ASSERT_TRUE(libraries);
  for (const std::string& library : *libraries)
    EXPECT_THAT(files, Contains(Key(library.substr(1))));
}

TEST_F(Image, a_program_s_libraries_are_those_that_it_would_load) {
  const auto libraries = image::libraries_of("/bin/true");
  ASSERT_TRUE(libraries) << libraries.error().message;
  EXPECT_THAT(*libraries, Contains(HasSubstr("libc.so")));
  for (const std::string& library : *libraries)
    EXPECT_TRUE(std::filesystem::is_regular_file(library)) << library;
  EXPECT_THAT(image::libraries_of(root / "agent").value(), ElementsAre());
}

TEST_F(Image, our_front_end_is_taken_before_the_kernel_s) {
  const auto tree = root / "lib/modules" / kMadeUpVersion;
  std::filesystem::copy_file(tree / "kernel/late.ko", tree / "kernel/pcifront.ko");
  ASSERT_EQ(std::system(("PATH=$PATH:/sbin:/usr/sbin depmod -b '" + root.string() + "' " +
                         kMadeUpVersion + " 2>&1")
                            .c_str()),
            0);
  const auto made = build();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->modules.front(), "pcifront");
  EXPECT_THAT(made->modules, Not(Contains("xen_pcifront")));
}

TEST_F(Image, what_is_missing_is_told_with_what_to_do) {
  const auto error = [this] {
    const auto made = build();
    return made ? Error{} : made.error();
  };
  spec.devices = {device(0x1234, 0x5678, 0x020000)};
  EXPECT_THAT(error().message,
              HasSubstr("Linux 6.1.0-made-up has no module "
                        "pci:v00001234d00005678sv00000000sd00000000bc02sc00i00 for the device "
                        "0000:00:04.0"));
  spec.devices.clear();
  spec.agent = root / "nowhere";
  EXPECT_THAT(error().message, HasSubstr("the agent is not installed"));
  spec.agent = root / "agent";
  std::filesystem::remove(root / "lib/modules" / kMadeUpVersion / "modules.dep.bin");
  EXPECT_THAT(error().message, HasSubstr("the modules of Linux 6.1.0-made-up are not there"));
  EXPECT_THAT(error().hint, HasSubstr("--kernel"));
  std::filesystem::remove_all(root / "boot");
  EXPECT_EQ(error().kind, ErrorKind::not_found);
  EXPECT_THAT(error().hint, HasSubstr("--kernel FILE"));
}

TEST_F(Image, helpers_of_devices_come_with_them) {
  const auto names = [this](const Device& one) {
    spec.devices = {one};
    std::vector<std::string> all;
    for (const image::Wanted& wanted : image::wanted_modules(spec))
      all.push_back(wanted.names.front());
    return all;
  };
  EXPECT_THAT(names(device(0x1af4, 0x1000, 0x020000)), Contains("virtio_net"));
  spec.driver_class = config::DriverClass::block;
  EXPECT_THAT(names(device(0x8086, 0x2922, 0x010601)), Contains("sd_mod"));
  EXPECT_THAT(names(device(0x1b36, 0x0010, 0x010802)), Not(Contains("sd_mod")));
  EXPECT_THAT(names(device(0x1b36, 0x000d, 0x0c0330)), Contains("usb-storage"));
}

}  // namespace
}  // namespace pciassign::test
