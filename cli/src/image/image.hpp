// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// The image of a driver domain: a kernel, and an initramfs with our agent and no more than the
/// modules that the device and the back end need.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "modules.hpp"
#include "pciassign/config_domains.hpp"
#include "pciassign/pci_bus.hpp"
#include "pciassign/result.hpp"

namespace pciassign::image {

struct Mount {
  std::string device, at, type;
};

struct Spec {
  std::filesystem::path root;    ///< Before /boot, /lib and all else; for tests.
  std::filesystem::path kernel;  ///< Empty: the one that runs.
  std::filesystem::path agent;
  config::DriverClass driver_class = config::DriverClass::net;
  std::vector<Device> devices;
  std::string net_mode = "bridge", bridge = "xenbr0";
  std::string address, gateway;  ///< Net: of the driver domain itself; may be empty.
  bool volumes = false;          ///< Block: LVM's.
  std::vector<Mount> mounts;
  std::vector<std::string> modules;  ///< More of them, by name or as files; loaded last.
};

struct Image {
  std::string kernel_version, kernel, initramfs;
  std::size_t packed_kernel = 0;      ///< Bytes, as its package has it; 0: not known.
  std::vector<std::string> modules;   ///< Names, in the order in which they are loaded.
  std::vector<std::string> firmware;  ///< Names of what was found of it.
};

/// What an image may be large, as it is told to the administrator.
inline constexpr std::size_t kSoftLimit = 16U << 20U;

/// `say` is told what is under way.
Result<Image> build(const Spec& spec, const std::function<void(const std::string&)>& say);

/// As the kernel writes it: what modules' aliases match.
std::string modalias(const Device& device);
/// Every module that is asked for by name, or as a device's.
std::vector<Wanted> wanted_modules(const Spec& spec);
/// /etc/pciassign-agent.toml.
std::string agent_config(const Spec& spec, const std::vector<std::string>& modules);

}  // namespace pciassign::image
