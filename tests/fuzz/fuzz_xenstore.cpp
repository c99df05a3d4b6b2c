// SPDX-License-Identifier: GPL-2.0-or-later
// A guest that writes anything into the nodes that it may write, at any time: whatever it says, the
// device can be taken away from it, nothing of it is left, and nobody waits for longer than the
// limits.
//
// The input is a row of writes: a byte that chooses the node, a byte for when (before the attach,
// after it, before the detach), a byte for the length, and the value.
#include <algorithm>
#include <array>

#include "check.hpp"
#include "pciassign/sim/world.hpp"
#include "pciassign/toolstack.hpp"

using namespace pciassign;

namespace {

constexpr DomId kGuest = 3;
constexpr Sbdf kNic{0, 0, 4, 0};

struct Write {
  std::string path, value;
};

std::array<std::vector<Write>, 3> writes_of(std::string_view bytes) {
  const std::string front = "/local/domain/3/device/pci/0/";
  const std::array<std::string, 10> nodes{"state",   "pci-op-ref",     "event-channel", "magic",
                                          "backend", "backend-id",     "root-0",        "state-0",
                                          "dev-0",   "nonsense/deeper"};
  std::array<std::vector<Write>, 3> writes;
  while (bytes.size() >= 3) {
    const auto at = static_cast<unsigned char>(bytes[1]) % writes.size();
    const auto& node = nodes[static_cast<unsigned char>(bytes[0]) % nodes.size()];
    const auto length =
        std::min<std::size_t>(static_cast<unsigned char>(bytes[2]), bytes.size() - 3);
    writes[at].push_back({front + node, std::string(bytes.substr(3, length))});
    bytes.remove_prefix(3 + length);
  }
  return writes;
}

void write_all(sim::World& world, const std::vector<Write>& writes) {
  for (const auto& write : writes) world.store.write_as(kGuest, write.path, write.value);
}

bool has_nothing(sim::World& world) {
  const auto at = world.xen.all.find(kGuest);
  return at == world.xen.all.end() || !at->second.has_rights();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto writes = writes_of(fuzz::text_of(data, size));
  sim::World world;
  // It does not answer of its own accord: what is said comes from the input.
  world.add_domain(kGuest, "guest",
                   size % 2 == 0 ? sim::FrontMode::silent : sim::FrontMode::goes_silent);
  world.add_device(kNic, 20);
  Toolstack tools(world.ports());
  DeviceSpec spec;
  spec.sbdf = kNic;
  write_all(world, writes[0]);
  auto plan = tools.plan_attach(kGuest, {spec}, AttachMode::hot);
  fuzz::require(plan.has_value(), "a guest prevents a plan", plan ? "" : plan.error().message);
  const auto began = world.clock.now();
  const auto attached = world.run(std::move(*plan));
  fuzz::require(attached.undo_errors.empty(), "an attach is not undone");
  write_all(world, writes[1]);
  fuzz::require(tools.list().has_value() && tools.show(kNic).has_value(),
                "a guest prevents a list");
  write_all(world, writes[2]);
  if (!attached.error) {
    auto back = tools.plan_detach(kGuest, {kNic});
    fuzz::require(back.has_value(), "a guest prevents a detach", back ? "" : back.error().message);
    const auto detached = world.run(std::move(*back));
    fuzz::require(!detached.error, "a guest keeps its device",
                  detached.error ? detached.error->message : "");
  }
  fuzz::require(world.clock.now() - began < std::chrono::seconds(120), "a guest makes dom0 wait");
  fuzz::require(has_nothing(world), "a guest keeps rights");
  fuzz::require(world.xen.devices[kNic].owner != kGuest, "a guest keeps the device");
  fuzz::require(!*world.records().find(kNic), "the journal keeps the device");
  return 0;
}
