// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "pciassign/config.hpp"

namespace pciassign::config {
namespace {

using ::testing::HasSubstr;

std::vector<DeviceSpec> specs(const std::vector<std::string>& texts) {
  std::vector<DeviceSpec> all;
  for (const std::string& text : texts) all.push_back(DeviceSpec::parse(text).value());
  return all;
}

std::string add(const std::string& text, const std::string& domain,
                const std::vector<std::string>& devices,
                std::optional<OnFailure> on_failure = std::nullopt) {
  const auto edited = with_devices(text, "f.toml", domain, specs(devices), on_failure);
  EXPECT_TRUE(edited) << edited.error().message;
  return edited.value_or("");
}

std::string remove(const std::string& text, const std::string& domain,
                   const std::vector<std::string>& devices) {
  std::vector<Sbdf> addresses;
  for (const std::string& device : devices) addresses.push_back(Sbdf::parse(device).value());
  const auto edited = without_devices(text, "f.toml", domain, addresses);
  EXPECT_TRUE(edited) << edited.error().message;
  return edited.value_or("");
}

constexpr auto kByHand = R"(# The network's domain.
[domain.net]
devices = [
  "00:04.0",   # the Intel one
  "0000:00:05.0,permissive=1",
]  # both
on_failure = "start"

# Ärger mit der Platte
[domain."disk 1"]   # äöü
devices = ["00:06.0"]
)";

TEST(AssignmentEdit, a_new_entry_goes_to_the_end) {
  EXPECT_EQ(add("", "net", {"00:04.0"}),
            "[domain.net]\ndevices = [\"0000:00:04.0\"]\non_failure = \"keep-paused\"\n");
  EXPECT_EQ(add(kByHand, "new one", {"00:07.0"}, OnFailure::start),
            std::string(kByHand) +
                "\n[domain.\"new one\"]\ndevices = [\"0000:00:07.0\"]\non_failure = \"start\"\n");
}

TEST(AssignmentEdit, a_device_is_added_and_the_rest_stays_as_it_was_written) {
  std::string wanted = kByHand;
  wanted.insert(wanted.find("permissive=1\"") + 13, ", \"0000:00:07.0\"");
  EXPECT_EQ(add(kByHand, "net", {"00:07.0"}), wanted);
  EXPECT_THAT(add(kByHand, "disk 1", {"00:07.0"}),
              HasSubstr("devices = [\"00:06.0\", \"0000:00:07.0\"]"));
}

TEST(AssignmentEdit, a_device_that_is_there_gets_the_new_options) {
  EXPECT_THAT(add(kByHand, "net", {"00:05.0"}), HasSubstr("  \"0000:00:05.0\",\n]  # both"));
  EXPECT_EQ(add(kByHand, "net", {"00:04.0"}), kByHand);
}

TEST(AssignmentEdit, what_becomes_of_a_failure_is_changed_or_added) {
  EXPECT_THAT(add(kByHand, "net", {"00:04.0"}, OnFailure::keep_paused),
              HasSubstr("on_failure = \"keep-paused\"\n\n# Ärger"));
  EXPECT_THAT(add(kByHand, "disk 1", {"00:06.0"}, OnFailure::start),
              HasSubstr("devices = [\"00:06.0\"]\non_failure = \"start\"\n"));
}

TEST(AssignmentEdit, a_device_is_removed_wherever_it_stands) {
  EXPECT_THAT(remove(kByHand, "net", {"00:04.0"}),
              HasSubstr("devices = [\n  \"0000:00:05.0,permissive=1\",\n]  # both"));
  EXPECT_THAT(remove(kByHand, "net", {"00:05.0"}), HasSubstr("  \"00:04.0\",\n]  # both"));
}

TEST(AssignmentEdit, an_entry_is_removed_with_its_lines_and_no_others) {
  const std::string without_net = remove(kByHand, "net", {});
  EXPECT_EQ(without_net,
            "# The network's domain.\n# Ärger mit der Platte\n[domain.\"disk 1\"]   # äöü\n"
            "devices = [\"00:06.0\"]\n");
  EXPECT_EQ(remove(kByHand, "disk 1", {"00:06.0"}),
            std::string(kByHand).substr(0, std::string(kByHand).find("[domain.\"disk")));
  EXPECT_EQ(remove("[domain.a]\ndevices = [\"00:04.0\"]\n", "a", {}), "");
}

TEST(AssignmentEdit, adding_and_removing_are_inverse) {
  const std::string more = add(kByHand, "disk 1", {"00:07.0", "00:08.0"});
  EXPECT_EQ(remove(more, "disk 1", {"00:08.0", "00:07.0"}), kByHand);
  EXPECT_EQ(remove(add("", "net", {"00:04.0"}), "net", {"00:04.0"}), "");
}

TEST(AssignmentEdit, forms_that_only_a_person_should_edit_are_left_alone) {
  const std::string inline_table = "domain = { net = { devices = [\"00:04.0\"] } }\n";
  const auto edited = without_devices(inline_table, "f.toml", "net", {});
  ASSERT_FALSE(edited);
  EXPECT_EQ(edited.error().kind, ErrorKind::refused);
  EXPECT_THAT(edited.error().message, HasSubstr("f.toml"));
  EXPECT_THAT(add(inline_table, "net", {"00:05.0"}), HasSubstr("[\"00:04.0\", \"0000:00:05.0\"]"));
}

TEST(AssignmentEdit, what_is_not_there_is_told) {
  EXPECT_EQ(without_devices(kByHand, "f.toml", "nobody", {}).error().kind, ErrorKind::not_found);
  EXPECT_EQ(without_devices(kByHand, "f.toml", "net", {{0, 0, 9, 0}}).error().kind,
            ErrorKind::not_found);
  EXPECT_EQ(with_devices("[domain", "f.toml", "net", specs({"00:04.0"}), {}).error().kind,
            ErrorKind::usage);
}

TEST(ReplaceFile, keeps_the_mode_and_leaves_nothing_beside_it) {
  std::string pattern = ::testing::TempDir() + "replace.XXXXXX";
  const std::filesystem::path directory = ::mkdtemp(pattern.data());
  const auto file = directory / "a.toml";
  std::ofstream(file) << "old";
  ::chmod(file.c_str(), 0640);
  ASSERT_TRUE(replace_file(file, "new"));
  struct stat now {};
  ::stat(file.c_str(), &now);
  EXPECT_EQ(now.st_mode & 07777, 0640U);
  std::string text;
  std::getline(std::ifstream(file), text);
  EXPECT_EQ(text, "new");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory), {}), 1);
  ASSERT_TRUE(replace_file(file, ""));
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_TRUE(replace_file(file, ""));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace pciassign::config
